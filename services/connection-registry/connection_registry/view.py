"""What the API shows of a connection. Credentials are never part of it: only which are set, and since when."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from connection_registry.domain import Item, unmet
from connection_registry.model import Stored
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import Manifest
from hub_contracts.base import rfc3339

HIDDEN = {"credentials", "api_key_hashes"}


def connection_view(stored: Stored, sharing: Sequence[UUID]) -> dict[str, Any]:
    """A connection for people. `sharing` are all connections of its credential, itself included."""
    details = stored.details
    body = stored.data.model_dump(mode="json", exclude=HIDDEN)
    return body | {
        "tenant": stored.tenant,
        "version": stored.version,
        "note": details.note,
        "contacts": list(details.contacts),
        "credentials": _credentials(stored),
        "credentials_shared_with": [str(each) for each in sharing if each != stored.connection_id],
        "budget_overrides": details.budget_overrides,
        "api_keys": len(stored.data.api_key_hashes),
        "verification": details.verification,
        "created_at": rfc3339(details.created_at),
        "created_by": details.created_by,
    }


def _credentials(stored: Stored) -> list[dict[str, Any]]:
    """Each credential field with whether it is set; fields of a connector that is gone are still listed."""
    known = stored.details.credential_fields
    try:
        fields = {each.name: each.required for each in connector(stored.data.connector).manifest.auth_fields}
    except UnknownConnector:
        fields = {}
    names = [*fields, *(name for name in known if name not in fields)]
    return [
        {"name": name, "required": fields.get(name, False), "set": name in known, "rotated_at": known.get(name)}
        for name in names
    ]


def checklist_view(stored: Stored, items: Sequence[Item]) -> dict[str, Any]:
    """The activation gate for people."""
    return {
        "connection_id": str(stored.connection_id),
        "state": stored.data.state.value,
        "ready": not unmet(items),
        "items": [
            {"name": item.name, "state": item.state, "detail": item.detail, "next_step": item.next_step}
            for item in items
        ],
    }


def manifest_view(manifest: Manifest) -> dict[str, Any]:
    """A connector for the console; sets in a stable order."""
    body = manifest.model_dump(mode="json")
    return body | {"capabilities": sorted(body["capabilities"])}
