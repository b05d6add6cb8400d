"""Sealing credentials, and finding out which connections share one without telling anybody which.

A quota belongs to the key, not to the connection: six contracts of one ManoMano key share some 200 calls an hour.
Connections with equal credentials therefore get the same `credential_ref`. Equality is found by a keyed hash whose key
only holders of the deployment's key can open; it stays in this database, the topic gets the reference alone.

A reference outlives a rotation as long as nobody else still uses the old key, because effects that are already planned
carry it.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import NAMESPACE_URL, UUID, uuid5

from connection_registry import store
from connection_registry.checks import fixed_address, resolve_budgets
from connection_registry.model import Stored
from connector_kit.manifest import Manifest
from hub_common.crypto import Keyring
from hub_common.tx import Tx
from hub_common.web import FieldError, Problem
from hub_contracts.base import rfc3339
from hub_contracts.connections import SealedCredentials

FINGERPRINT_KEY = "fingerprint_key"
_OWNER = uuid5(NAMESPACE_URL, "urn:hub:connection-registry:fingerprint-key")
"""What the seal of the fingerprint key is bound to, as credentials are bound to their connection."""


async def fingerprint_key(tx: Tx, keyring: Keyring) -> bytes:
    """The key of the keyed hash; made once, resealed when the deployment's key has changed."""
    sealed = await tx.conn.fetchval("SELECT sealed FROM registry_secrets WHERE name = $1", FINGERPRINT_KEY)
    if sealed is None:
        fresh = keyring.seal(_OWNER, {"key": secrets.token_hex(32)})
        await tx.conn.execute(
            "INSERT INTO registry_secrets (name, sealed) VALUES ($1, $2) ON CONFLICT DO NOTHING",
            FINGERPRINT_KEY,
            fresh.model_dump_json(),
        )
        sealed = await tx.conn.fetchval("SELECT sealed FROM registry_secrets WHERE name = $1", FINGERPRINT_KEY)
    stored = SealedCredentials.model_validate_json(sealed)
    opened = keyring.open(_OWNER, stored)
    if keyring.needs_reseal(stored):
        await tx.conn.execute(
            "UPDATE registry_secrets SET sealed = $2 WHERE name = $1",
            FINGERPRINT_KEY,
            keyring.seal(_OWNER, opened).model_dump_json(),
        )
    return bytes.fromhex(opened["key"].get_secret_value())


def fingerprint(key: bytes, manifest: Manifest, stored: Stored, plain: Mapping[str, str]) -> str:
    """Keyed hash of connector, environment, address and credentials, 64 hex digits."""
    data = stored.data
    address = (data.base_url or fixed_address(manifest, data.environment) or "").rstrip("/").lower()
    parts = [manifest.name, data.environment.value, address]
    parts += [text for name in sorted(plain) for text in (name, plain[name])]
    # Lengths in front, so that no two lists of parts can run into the same bytes.
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in parts)
    return hmac.new(key, message, hashlib.sha256).hexdigest()


def first_ref(manifest: Manifest, connection_id: UUID) -> str:
    """Reference of a connection that has no credentials yet."""
    return f"{manifest.name}:{connection_id.hex}"


async def settle_ref(tx: Tx, manifest: Manifest, changed: Stored, group: Sequence[UUID]) -> Stored:
    """Give a connection the reference that its fingerprint demands, and the budgets that come with it.

    `group` are the connections that change together (itself included). Must run under `store.lock_credentials`.
    Raises `Problem` 409 when it joins connections whose budget overrides contradict its own.
    """
    mark = changed.details.fingerprint
    assert mark is not None
    twin = await store.with_fingerprint(tx, mark, without=group)
    if twin is not None:
        joined = _join(changed, twin)
        refuse_fewer(resolve_budgets(manifest, joined.details.budget_overrides, joined.data.connector_settings), twin)
        return joined
    own = changed.data.credential_ref
    if own and not await store.ref_in_use(tx, own, without=group):
        return changed
    ref = f"{manifest.name}:{mark[:32]}"
    if await store.ref_in_use(tx, ref, without=group):
        ref = f"{ref}-{changed.connection_id.hex[-12:]}"
    return replace(changed, data=changed.data.model_copy(update={"credential_ref": ref}))


def _join(changed: Stored, twin: Stored) -> Stored:
    own, shared = changed.details.budget_overrides, twin.details.budget_overrides
    if own and own != shared:
        differing = sorted(name for name in own.keys() | shared.keys() if own.get(name) != shared.get(name))
        errors = [
            FieldError(
                f"#/budgets/{name}",
                f"is {_calls(own, name)} here and {_calls(shared, name)} at connection {twin.connection_id}, which has"
                " the same credentials and so the same quota",
            )
            for name in differing
        ]
        detail = "Connections that share credentials share one quota; their budgets must be equal."
        raise Problem("budgets-contradict", "Budgets contradict", 409, detail, errors=errors)
    data = changed.data.model_copy(
        update={"credential_ref": twin.data.credential_ref, "budgets": dict(twin.data.budgets)}
    )
    return replace(changed, data=data, details=replace(changed.details, budget_overrides=dict(shared)))


def refuse_fewer(wanted: Mapping[str, int], shares_with: Stored) -> None:
    """Raise `Problem` 409 when a connection's profile allows fewer calls than those who share its quota make.

    A quota is counted once: with two numbers for it the higher one would be used up, against the stricter operator.
    """
    shared = shares_with.data.budgets
    fewer = sorted(name for name, calls in wanted.items() if calls < shared.get(name, calls))
    if not fewer:
        return
    errors = [
        FieldError(
            f"#/budgets/{name}",
            f"is {wanted[name]} per hour by this connection's operator profile and {shared[name]} at connection"
            f" {shares_with.connection_id}, which has the same credentials; set it for both first",
        )
        for name in fewer
    ]
    detail = "Connections that share credentials share one quota; their budgets must be equal."
    raise Problem("budgets-contradict", "Budgets contradict", 409, detail, errors=errors)


def _calls(overrides: Mapping[str, int], name: str) -> str:
    return f"{overrides[name]} per hour" if name in overrides else "the connector's default"


def seal_into(
    stored: Stored, keyring: Keyring, key: bytes, manifest: Manifest, plain: Mapping[str, str], now_text: str
) -> Stored:
    """The connection with these credentials, sealed and fingerprinted; the reference is settled separately."""
    details = replace(
        stored.details,
        credential_fields=dict.fromkeys(plain, now_text),
        fingerprint=fingerprint(key, manifest, stored, plain),
    )
    sealed = keyring.seal(stored.connection_id, plain)
    return replace(stored, data=stored.data.model_copy(update={"credentials": sealed}), details=details)


def open_plain(keyring: Keyring, stored: Stored) -> dict[str, str]:
    """Credentials of a connection; empty when it has none. Raises `SealError`."""
    sealed = stored.data.credentials
    if sealed is None:
        return {}
    return {name: value.get_secret_value() for name, value in keyring.open(stored.connection_id, sealed).items()}


async def reseal(tx: Tx, keyring: Keyring, connection_id: UUID) -> Stored | None:
    """The connection, locked, with its credentials under the current key; None when there is nothing to do."""
    stored = await store.lock(tx, connection_id)
    if stored is None or stored.data.credentials is None or not keyring.needs_reseal(stored.data.credentials):
        return None
    sealed = keyring.seal(connection_id, open_plain(keyring, stored))
    return replace(stored, data=stored.data.model_copy(update={"credentials": sealed}))


def rotated_at(tx: Tx) -> str:
    """The instant that is noted beside credential fields."""
    return rfc3339(tx.now)
