"""What people ask of other services through a connection: test orders and backfills.

They are told as events of their own. What can be known here to fail is refused at once, with what to do, instead of
turning up minutes later as a parked order.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from connection_registry import store, store_links
from connection_registry.bodies import BackfillBody, TestOrderBody
from connection_registry.model import Note, Stored
from connection_registry.registry import Registry
from connection_registry.store import Conn
from hub_common.ids import Ids
from hub_common.tx import Cause, Tx
from hub_common.web import FieldError, Problem
from hub_contracts.connections import BackfillRequested, ConnectionKind, ConnectionState, TestOrderRequested

MOST_UNITS = 4
"""Largest quantity that is drawn; sellers are told to keep at least four in stock for a test."""


def draw_quantity(ids: Ids) -> int:
    """1 to 4, from the injected randomness."""
    return 1 + min(int(ids.jitter(float(MOST_UNITS))), MOST_UNITS - 1)


async def request_test_order(
    registry: Registry, connection_id: UUID, body: TestOrderBody, actor: str
) -> dict[str, Any]:
    """Ask for a test order. Raises `Problem` 409 when it is certain that no shop could get it."""
    async with registry.runtime.transactions.begin() as tx:
        stored = await registry.locked(tx, connection_id)
        refuse_shops(stored, "Test orders are made at marketplace connections.")
        await _refuse_unroutable(tx, stored, body.offer_sku)
        row = {
            "test_order_id": tx.ids.new(),
            "connection_id": connection_id,
            "offer_sku": body.offer_sku,
            "quantity": body.quantity if body.quantity is not None else draw_quantity(tx.ids),
            "country": body.country,
            "requested_at": tx.now,
        }
        await tx.conn.execute(
            "INSERT INTO test_orders (test_order_id, connection_id, offer_sku, quantity, country, requested_at,"
            " requested_by) VALUES ($1, $2, $3, $4, $5, $6, $7)",
            *row.values(),
            actor,
        )
        wish = TestOrderRequested(**row, requested_by=actor)
        tx.emit(wish, key=f"test:{wish.test_order_id}", cause=Cause(tenant=stored.tenant))
        await store.audit(tx, connection_id, stored.version, Note("test_order_requested"), actor)
    return row | {"requested_by": actor}


async def _refuse_unroutable(tx: Tx, stored: Stored, offer_sku: str) -> None:
    mode = stored.data.settings.sku.link_mode
    if mode == "unset":
        raise _not_ready(stored, "link_mode is not chosen", "choose settings.sku.link_mode: linked or pass_through")
    link = await store_links.find(tx.conn, stored.connection_id, offer_sku)
    if link is None and mode == "linked":
        raise _not_ready(
            stored, "this offer's SKU has no link to a shop's SKU", "add a SKU link, or use the SKU of a linked offer"
        )
    wanted = [link.shop_connection_id] if link else [rule.shop_connection_id for rule in stored.data.settings.routing]
    if not wanted:
        raise _not_ready(stored, "nothing says which shop serves this SKU", "add a routing rule or a SKU link")
    shops = await store.read_many(tx.conn, wanted)
    if not any(shop.data.state is ConnectionState.ACTIVE for shop in shops.values()):
        names = ", ".join(sorted(shop.data.label for shop in shops.values())) or "unknown"
        raise _not_ready(stored, f"no shop that could serve it is active ({names})", "activate the shop's connection")


def _not_ready(stored: Stored, why: str, next_step: str) -> Problem:
    errors = [FieldError("#/offer_sku", f"{why}: {next_step}")]
    detail = f"A test order at {stored.data.label} would not reach a shop."
    return Problem("test-order-impossible", "The test order could not reach a shop", 409, detail, errors=errors)


async def request_backfill(registry: Registry, connection_id: UUID, body: BackfillBody, actor: str) -> dict[str, Any]:
    """Ask for the orders of a past window. Raises `Problem` 422 for the window, 409 while nothing may be fetched."""
    _check_window(registry, body)
    async with registry.runtime.transactions.begin() as tx:
        stored = await registry.locked(tx, connection_id)
        refuse_shops(stored, "Orders are fetched from marketplace connections.")
        if stored.data.state is ConnectionState.INACTIVE:
            raise Problem("wrong-state", "Not possible in this state", 409, "Nothing is fetched while it is inactive.")
        row = {
            "backfill_id": tx.ids.new(),
            "connection_id": connection_id,
            "created_from": body.created_from,
            "created_until": body.created_until,
            "requested_at": tx.now,
        }
        await tx.conn.execute(
            "INSERT INTO backfills (backfill_id, connection_id, created_from, created_until, requested_at,"
            " requested_by) VALUES ($1, $2, $3, $4, $5, $6)",
            *row.values(),
            actor,
        )
        wish = BackfillRequested(**row, requested_by=actor)
        tx.emit(wish, key=f"backfill:{wish.backfill_id}", cause=Cause(tenant=stored.tenant))
        await store.audit(tx, connection_id, stored.version, Note("backfill_requested"), actor)
    return row | {"requested_by": actor}


def _check_window(registry: Registry, body: BackfillBody) -> None:
    errors = []
    if body.created_until <= body.created_from:
        errors.append(FieldError("#/created_until", "must be after created_from"))
    if body.created_until > registry.runtime.clock.now():
        errors.append(FieldError("#/created_until", "must not lie in the future; new orders come by themselves"))
    longest = registry.settings.backfill_max_days
    if body.created_until - body.created_from > timedelta(days=longest):
        errors.append(FieldError("#/created_from", f"must be at most {longest} days before created_until"))
    if errors:
        detail = f"{len(errors)} rule(s) broken; see errors."
        raise Problem("invalid-request", "Invalid request", 422, detail, errors=errors)


def refuse_shops(stored: Stored, detail: str) -> None:
    """Raises `Problem` 409 for a connection that is not a marketplace."""
    if stored.data.kind is not ConnectionKind.MARKETPLACE:
        raise Problem("not-a-marketplace", "Not a marketplace connection", 409, detail)


async def test_orders(conn: Conn, connection_id: UUID, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Test orders asked for, newest first."""
    rows = await conn.fetch(
        "SELECT * FROM test_orders WHERE connection_id = $1 AND ($2::uuid IS NULL OR test_order_id < $2)"
        " ORDER BY test_order_id DESC LIMIT $3",
        connection_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]


async def backfills(conn: Conn, connection_id: UUID, before: UUID | None, limit: int) -> list[dict[str, Any]]:
    """Backfills asked for, newest first."""
    rows = await conn.fetch(
        "SELECT * FROM backfills WHERE connection_id = $1 AND ($2::uuid IS NULL OR backfill_id < $2)"
        " ORDER BY backfill_id DESC LIMIT $3",
        connection_id,
        before,
        limit,
    )
    return [dict(row) for row in rows]
