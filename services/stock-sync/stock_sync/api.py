"""What people may ask of stock-sync: what may be sold and why, to state stock by file, to push an offer again."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from hub_common.connections import Connection, load_connections
from hub_common.tx import Cause, Tx
from hub_common.web import FieldError, Operator, Problem, Role, operator
from hub_contracts.connections import ConnectionKind
from stock_sync import pushing, store, store_offers
from stock_sync.convergence import Touched, touch
from stock_sync.csvfile import Level, RowError, read_levels
from stock_sync.explain import explain, summary
from stock_sync.handlers import on_shelves_changed
from stock_sync.serving import Serving
from stock_sync.store_offers import Offer, offer_of

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

SHOWN_ERRORS = 200
"""A wrong column is an error per row; nobody reads thousands of the same."""
CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]

LIST = """
SELECT * FROM offers WHERE ($1::uuid IS NULL OR connection_id = $1)
  AND ($2::text IS NULL OR offer_sku = $2 OR shop_sku = $2) AND (connection_id, offer_sku) > ($3, $4)
ORDER BY connection_id, offer_sku LIMIT $5
"""
FIRST = UUID(int=0)


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/offers`, `/v1/connections` and `/v1/stock`."""
    router = APIRouter(prefix="/v1", tags=["stock"])
    _reading(router, runtime)
    _acting(router, runtime)
    return [router]


def _reading(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/offers")
    async def list_offers(
        sku: Annotated[str | None, Query(max_length=200)] = None,
        connection: UUID | None = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
        after: Annotated[str | None, Query(pattern=r"^[0-9a-f-]{36}:.*$")] = None,
    ) -> dict[str, Any]:
        """Offers by marketplace connection and SKU (the marketplace's or the shop's); `next` continues the list."""
        last_connection, _, last_sku = (after or f"{FIRST}:").partition(":")
        try:
            start = UUID(last_connection)
        except ValueError:
            raise _invalid("query:/after", "must be the `next` of the page before") from None
        rows = await runtime.pool.fetch(LIST, connection, sku, start, last_sku, limit)
        found = [offer_of(row) for row in rows]
        return {"items": [summary(offer) for offer in found], "next": found[-1].key if len(found) == limit else None}

    @router.get("/offers/{connection_id}/{offer_sku:path}")
    @router.get("/connections/{connection_id}/offers/{offer_sku:path}")
    async def show_offer(connection_id: UUID, offer_sku: str) -> dict[str, Any]:
        """One offer with its calculation explained, its full set of prices and what the marketplace shows of it."""
        async with runtime.pool.acquire() as conn:
            row = await conn.fetchrow(
                "SELECT * FROM offers WHERE connection_id = $1 AND offer_sku = $2", connection_id, offer_sku
            )
            if row is None:
                raise _unknown()
            known = await load_connections(conn, [connection_id])  # type: ignore[arg-type]  # a pool's proxy
            now = runtime.clock.now()
            return await explain(conn, offer_of(row), known.get(connection_id), now)  # type: ignore[arg-type]


def _acting(router: APIRouter, runtime: Runtime) -> None:
    @router.post("/offers/{connection_id}/{offer_sku:path}/push-again", status_code=202)
    async def push_again(connection_id: UUID, offer_sku: str, who: CanAct) -> dict[str, Any]:
        """Send quantity and price of one offer whether or not they differ from what was sent."""
        async with runtime.transactions.begin() as tx:
            offers = await store_offers.offers_by_pair(tx.conn, [(connection_id, offer_sku)])
            if not offers:
                raise _unknown()
            known = await load_connections(tx.conn, [connection_id])
            planned = await _push_again(tx, offers[connection_id, offer_sku], known.get(connection_id))
        return {"connection_id": connection_id, "offer_sku": offer_sku, "planned": planned, "asked_by": who.login}

    @router.post("/stock/import")
    async def import_stock(request: Request, who: CanAct, dry_run: bool = False) -> dict[str, Any]:
        """State stock levels from a CSV (the body), all rows or none. They count as stated now, by the caller."""
        data = await request.body()
        async with runtime.transactions.begin() as tx:
            rows = await tx.conn.fetch(
                "SELECT connection_id, tenant FROM accounts WHERE kind = $1", ConnectionKind.SHOP.value
            )
            shops = {row["connection_id"]: row["tenant"] for row in rows}
            levels, errors = read_levels(data, shops.keys())
            _refuse(errors)
            stored = 0 if dry_run else await _state(tx, levels, shops, who.login)
        if dry_run:
            return {"dry_run": True, "rows": len(levels)}
        return {"dry_run": False, "rows": len(levels), "stored": stored, "older": len(levels) - stored}


async def _push_again(tx: Tx, offer: Offer, connection: Connection | None) -> list[str]:
    reasons: set[str] = set()
    if connection is None:
        reasons.add("the connection is not known yet")
    elif offer.serving == Serving.MISMATCH:
        reasons.add("the offer is linked across environments or tenants")
    else:
        channel = pushing.channel_of(connection)
        planned = pushing.plan(tx, offer, channel, Cause(tenant=offer.tenant), again=True)
        if planned:
            await store_offers.save_figures(tx.conn, [offer])
            return planned
        why = channel.pushing
        reasons |= {why.quantity_why_not or "no stock level was stated", why.price_why_not or "no sound price is known"}
    raise Problem("offer-not-sendable", "Nothing of this offer can be sent", 409, "; ".join(sorted(reasons)) + ".")


async def _state(tx: Tx, levels: list[Level], shops: dict[UUID, str], login: str) -> int:
    statements = [
        store.Statement(each.shop_connection_id, each.shop_sku, each.warehouse, each.quantity, tx.now, login)
        for each in levels
    ]
    stored = await store.save_statements(tx.conn, statements)
    touched: Touched = {}
    for shop, sku, _ in stored:
        touch(touched, [(shop, sku)], Cause(tenant=shops[shop]))
    await on_shelves_changed(tx, touched, {shops[shop] for shop, _, _ in stored})
    return len(stored)


def _refuse(errors: list[RowError]) -> None:
    if not errors:
        return
    detail = f"{len(errors)} rule(s) broken, nothing was changed."
    if len(errors) > SHOWN_ERRORS:
        detail += f" The first {SHOWN_ERRORS} are listed."
    shown = errors[:SHOWN_ERRORS]
    raise Problem(
        "invalid-stock-file",
        "Invalid stock file",
        422,
        detail,
        errors=[FieldError(f"row:{each.row}/{each.column}", each.rule) for each in shown],
        extra={"rows": [asdict(each) for each in shown]},
    )


def _invalid(pointer: str, rule: str) -> Problem:
    return Problem("invalid-request", "Invalid request", 422, errors=[FieldError(pointer, rule)])


def _unknown() -> Problem:
    return Problem("offer-unknown", "No such offer", 404, "stock-sync knows no offer of this connection and SKU.")
