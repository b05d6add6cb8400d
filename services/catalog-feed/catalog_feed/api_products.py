"""Routes about product data: imported by operators as CSV or JSON, all rows or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request

from catalog_feed import store
from catalog_feed.bodies import ProductsBody
from catalog_feed.products import GivenProduct, RowError, check_rows, read_csv
from hub_common.tx import Tx
from hub_common.web import FieldError, Operator, Problem, Role, operator
from hub_contracts.connections import ConnectionKind

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

SHOWN_ERRORS = 200
"""A wrong column is an error per row; nobody reads thousands of the same."""
CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]


def products_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/products`."""
    router = APIRouter(prefix="/v1/products", tags=["products"])

    @router.get("")
    async def list_products(
        shop: UUID | None = None,
        sku: Annotated[str | None, Query(max_length=200)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM products WHERE ($1::uuid IS NULL OR shop_connection_id = $1)"
            " AND ($2::text IS NULL OR shop_sku = $2) ORDER BY shop_connection_id, shop_sku LIMIT $3",
            shop,
            sku,
            limit,
        )
        return {"items": [dict(row) | {"weight": _text(row["weight"])} for row in rows]}

    @router.put("")
    async def put_products(body: ProductsBody, who: CanAct) -> dict[str, Any]:
        """Set articles, each replaced whole."""
        async with runtime.transactions.begin() as tx:
            shops = await _shops(tx)
            found, errors = check_rows([(at, each.cells()) for at, each in enumerate(body.products)], shops.keys())
            _refuse(errors, [FieldError(f"#/products/{each.row}/{each.column}", each.rule) for each in errors])
            return await _save(tx, found, shops, who.login)

    @router.post("/import")
    async def import_products(request: Request, who: CanAct, dry_run: bool = False) -> dict[str, Any]:
        """Set articles from a CSV (the body), each replaced whole."""
        rows, errors = read_csv(await request.body())
        async with runtime.transactions.begin() as tx:
            shops = await _shops(tx)
            found, wrong = check_rows(rows, shops.keys())
            errors += wrong
            _refuse(errors, [FieldError(f"row:{each.row}/{each.column}", each.rule) for each in errors])
            if dry_run:
                return {"dry_run": True, "products": len(found)}
            return {"dry_run": False} | await _save(tx, found, shops, who.login)

    return router


async def _shops(tx: Tx) -> dict[UUID, str]:
    rows = await tx.conn.fetch(
        "SELECT connection_id, tenant FROM connections WHERE body->>'kind' = $1", ConnectionKind.SHOP.value
    )
    return {row["connection_id"]: row["tenant"] for row in rows}


async def _save(tx: Tx, found: Sequence[GivenProduct], shops: dict[UUID, str], login: str) -> dict[str, Any]:
    selling = await store.save_products(tx.conn, found, shops, tx.now, login)
    await store.mark_changed(tx.conn, selling, tx.now)
    return {"products": len(found)}


def _refuse(errors: Sequence[RowError], shown: Sequence[FieldError]) -> None:
    if errors:
        detail = f"{len(errors)} rule(s) broken, nothing was changed."
        if len(errors) > SHOWN_ERRORS:
            detail += f" The first {SHOWN_ERRORS} are listed."
        extra = {"rows": [asdict(each) for each in errors[:SHOWN_ERRORS]]}
        raise Problem("invalid-products", "Invalid products", 422, detail, errors=shown[:SHOWN_ERRORS], extra=extra)


def _text(value: object) -> str | None:
    return None if value is None else f"{value:f}"
