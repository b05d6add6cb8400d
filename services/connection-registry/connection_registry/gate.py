"""Gathers what the activation gate looks at: the connection, its links, the shops that it points to, its API keys."""

from __future__ import annotations

import asyncpg

from connection_registry import store, store_keys, store_links
from connection_registry.checks import delivery_of, manifest_of, missing_credentials, needs_base_url
from connection_registry.domain import Item, ShopSeen, Situation, checklist
from connection_registry.model import Stored


async def items_of(conn: asyncpg.Connection[asyncpg.Record], stored: Stored) -> tuple[Item, ...]:
    """The checklist of a connection as it is given, with links and keys as they are stored."""
    data, details = stored.data, stored.details
    manifest = manifest_of(data.connector)
    links, linked = await store_links.totals(conn, stored.connection_id)
    wanted = linked | {rule.shop_connection_id for rule in data.settings.routing}
    known = await store.read_many(conn, wanted) if wanted else {}
    said = details.verification["detail"] if details.verification else ""
    return checklist(
        Situation(
            kind=data.kind,
            tenant=stored.tenant,
            environment=data.environment,
            settings=data.settings,
            verified=data.verified,
            verification_detail=said,
            credentials_missing=missing_credentials(manifest, details.credential_fields),
            needs_base_url=needs_base_url(manifest, data.environment, data.base_url),
            links=links,
            shops=tuple(
                known[each].seen if each in known else ShopSeen(each, None, None) for each in sorted(wanted, key=str)
            ),
            delivery=delivery_of(manifest, data.connector_settings),
            api_keys=len(await store_keys.live(conn, stored.connection_id)),
        )
    )
