"""Routes about SKU links: bulk JSON, CSV both ways, search."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query, Request, Response

from connection_registry import store, store_links
from connection_registry.api_connections import Admin, Limit
from connection_registry.bodies import LinksBody
from connection_registry.domain import ShopSeen
from connection_registry.links import Link, RawLink, RowError, check_links, read_csv, wanted_shops, write_csv
from connection_registry.registry import Registry
from connection_registry.requests import refuse_shops
from connection_registry.store_links import LinkCounts
from hub_common.tx import Tx
from hub_common.web import FieldError, Problem

SHOWN_ERRORS = 200
"""A list with a wrong column has an error per row; nobody reads five thousand of the same."""
MARKETPLACES_ONLY = "SKU links belong to marketplace connections."


def links_router(registry: Registry) -> APIRouter:
    """Routes below `/v1/connections/{id}/sku-links`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/sku-links", tags=["sku-links"])
    _reading(router, registry)
    _writing(router, registry)
    return router


def _reading(router: APIRouter, registry: Registry) -> None:
    @router.get("")
    async def list_links(
        connection_id: UUID, search: str | None = None, after: str | None = None, limit: Limit = 100
    ) -> dict[str, Any]:
        """Links in order of the offer's SKU; `next` is the `after` of the following page."""
        await registry.get(connection_id)
        found = await store_links.page(
            registry.runtime.pool, connection_id, search=search or None, after=after, limit=limit
        )
        items = [asdict(link) for link in found]
        return {"items": items, "next": found[-1].offer_sku if len(found) == limit else None}

    @router.get("/export")
    async def export_links(connection_id: UUID) -> Response:
        """All links as CSV, in the form that the import takes."""
        await registry.get(connection_id)
        found = await store_links.page(registry.runtime.pool, connection_id, search=None, after=None, limit=None)
        name = f"sku-links-{connection_id}.csv"
        headers = {"Content-Disposition": f'attachment; filename="{name}"'}
        return Response(write_csv(found), headers=headers, media_type="text/csv; charset=utf-8")


def _writing(router: APIRouter, registry: Registry) -> None:
    @router.put("")
    async def put_links(connection_id: UUID, body: LinksBody, who: Admin) -> dict[str, Any]:
        """Set links, all or none. Links that are set already change nothing."""
        rows = [
            RawLink(number, each.offer_sku, each.shop_connection_id, each.shop_sku)
            for number, each in enumerate(body.links)
        ]
        async with registry.runtime.transactions.begin() as tx:
            links, errors = await _check(tx, registry, connection_id, rows)
            _refuse(errors, [FieldError(f"#/links/{each.row}/{each.column}", each.rule) for each in errors])
            return asdict(await _apply(tx, registry, connection_id, links, replace=body.replace, actor=who.login))

    @router.post("/import")
    async def import_links(
        connection_id: UUID, request: Request, who: Admin, replace: bool = False, dry_run: bool = False
    ) -> dict[str, Any]:
        """Set links from a CSV (the body), all or none. `dry_run` only says what would happen."""
        rows, errors = read_csv(await request.body())
        async with registry.runtime.transactions.begin() as tx:
            links: Sequence[Link] = ()
            if not errors:
                links, errors = await _check(tx, registry, connection_id, rows)
            _refuse(errors, [FieldError(f"row:{each.row}/{each.column}", each.rule) for each in errors])
            if dry_run:
                return {"dry_run": True, "links": len(links)}
            counts = await _apply(tx, registry, connection_id, links, replace=replace, actor=who.login)
            return {"dry_run": False, "links": len(links)} | asdict(counts)

    @router.delete("")
    async def remove_links(
        connection_id: UUID, who: Admin, offer_sku: Annotated[list[str], Query(min_length=1, max_length=500)]
    ) -> dict[str, int]:
        """Unlink offers; those that are not linked are left out of the count."""
        async with registry.runtime.transactions.begin() as tx:
            stored = await registry.locked(tx, connection_id)
            return {"removed": await store_links.remove(tx, stored, sorted(set(offer_sku)), who.login)}


async def _check(
    tx: Tx, registry: Registry, connection_id: UUID, rows: Sequence[RawLink]
) -> tuple[list[Link], list[RowError]]:
    stored = await registry.locked(tx, connection_id)
    refuse_shops(stored, MARKETPLACES_ONLY)
    known = await store.read_many(tx.conn, wanted_shops(rows))
    shops: dict[UUID, ShopSeen] = {each: shop.seen for each, shop in known.items()}
    return check_links(rows, stored.seen, shops)


def _refuse(errors: Sequence[RowError], shown: Sequence[FieldError]) -> None:
    if errors:
        detail = f"{len(errors)} rule(s) broken, nothing was changed."
        if len(errors) > SHOWN_ERRORS:
            detail += f" The first {SHOWN_ERRORS} are listed."
        extra = {"rows": [asdict(each) for each in errors[:SHOWN_ERRORS]]}
        raise Problem("invalid-sku-links", "Invalid SKU links", 422, detail, errors=shown[:SHOWN_ERRORS], extra=extra)


async def _apply(
    tx: Tx, registry: Registry, connection_id: UUID, links: Sequence[Link], *, replace: bool, actor: str
) -> LinkCounts:
    stored = await registry.locked(tx, connection_id)
    return await store_links.apply(tx, stored, links, replace=replace, actor=actor)
