"""Changes of a connection's rules: checked whole, stored whole, and parked parcels decided again in the same breath."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from uuid import UUID

from carrier_mapper import store, store_rules
from carrier_mapper.bodies import MAX_RULES
from carrier_mapper.mapping import decide_again
from carrier_mapper.marketplace import find_target
from carrier_mapper.rules import CarrierRule
from carrier_mapper.translate import listed_carriers
from hub_common.connections import Connection, load_connections
from hub_common.database import Conn
from hub_common.tx import Tx
from hub_common.web import Problem


async def marketplace_connection(conn: Conn, connection_id: UUID) -> Connection:
    """The connection. Raises `Problem` 404 when it is not known, 409 when it is no marketplace."""
    connection = (await load_connections(conn, [connection_id])).get(connection_id)
    if connection is None:
        raise Problem("connection-unknown", "No such connection", 404, f"No connection {connection_id} is known here.")
    if not connection.is_marketplace:
        raise Problem("not-a-marketplace", "Not a marketplace", 409, "Carriers are mapped for marketplaces only.")
    return connection


async def begin_change(tx: Tx, connection_id: UUID) -> list[CarrierRule]:
    """Lock a connection's rules for a change and return them. Raises `Problem` like `marketplace_connection`."""
    await store.lock_changing(tx.conn, [connection_id])
    await marketplace_connection(tx.conn, connection_id)
    return (await store_rules.load_rules(tx.conn, [connection_id]))[connection_id]


async def store_change(
    tx: Tx, connection_id: UUID, rules: Sequence[CarrierRule], actor: str, *, removed: Sequence[str] = (), total: int
) -> int:
    """Store and remove rules, then decide parked parcels again; returns how many parcels that concerned.

    `total` is the size of the set afterwards. Raises `Problem` 422 when that is too many.
    """
    if total > MAX_RULES:
        raise Problem("too-many-rules", "Too many rules", 422, f"A connection may have {MAX_RULES} rules.")
    if removed:
        await store_rules.delete_rules(tx.conn, connection_id, removed)
    if rules:
        await store_rules.save_rules(tx.conn, connection_id, rules, now=tx.now, actor=actor)
    return await decide_again(tx, [connection_id])


def next_versions(present: Sequence[CarrierRule], wanted: Sequence[CarrierRule]) -> tuple[list[CarrierRule], list[str]]:
    """What to store and what to remove so that the set becomes `wanted`; versions in `wanted` count for nothing."""
    known = {rule.id: rule for rule in present}
    changed = []
    for rule in wanted:
        before = known.pop(rule.id, None)
        if before is None:
            changed.append(replace(rule, version=1))
        elif not store_rules.same_rule(before, rule):
            changed.append(replace(rule, version=before.version + 1))
    return changed, list(known)


async def target_warnings(conn: Conn, connection_id: UUID, rules: Sequence[CarrierRule]) -> list[str]:
    """Rules whose carrier the marketplace does not list, in words: stored all the same, since lists change."""
    lists = await store_rules.load_lists(conn, [connection_id])
    listed = listed_carriers(lists.get(connection_id))
    if listed is None:
        return ["the marketplace's carrier list is not known yet: carriers could not be compared"] if rules else []
    return [
        f"rule {rule.id}: the marketplace lists {len(found) or 'no'} carrier(s) under this code or name"
        for rule in rules
        if len(found := find_target(rule.target, listed)) != 1
    ]
