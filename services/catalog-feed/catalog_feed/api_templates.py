"""Routes about shipping templates: the options a buyer may choose, by the names they have at the marketplace."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Path

from catalog_feed import store, store_feeds
from catalog_feed.bodies import AssignmentsBody, TemplateBody
from hub_common.tx import Tx
from hub_common.web import FieldError, Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Name = Annotated[str, Path(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f](.*[^\s\x00-\x1f])?$")]

PREFIXES = ("/v1/connections/{connection_id}/shipping", "/v1/feeds/{connection_id}")

UPSERT = """
INSERT INTO shipping_templates
    (connection_id, name, countries, cost, currency, lead_days_min, lead_days_max, active, is_default)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
ON CONFLICT (connection_id, name) DO UPDATE SET countries = excluded.countries, cost = excluded.cost,
    currency = excluded.currency, lead_days_min = excluded.lead_days_min, lead_days_max = excluded.lead_days_max,
    active = excluded.active, is_default = excluded.is_default
"""


def templates_router(runtime: Runtime) -> APIRouter:
    """Templates and assignments are a connection's: all of its feeds use them."""
    router = APIRouter(tags=["shipping-templates"])
    for prefix in PREFIXES:
        part = APIRouter(prefix=prefix)
        _templates(part, runtime)
        _assignments(part, runtime)
        router.include_router(part)
    return router


def _templates(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/templates")
    async def list_templates(connection_id: UUID) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT t.*, (SELECT count(*) FROM template_assignments a WHERE a.connection_id = t.connection_id"
            " AND a.template = t.name) AS named_by FROM shipping_templates t WHERE connection_id = $1 ORDER BY name",
            connection_id,
        )
        return {"items": [dict(row) | {"cost": f"{row['cost']:f}"} for row in rows]}

    @router.put("/templates/{name:path}")
    async def put_template(connection_id: UUID, name: Name, body: TemplateBody, who: CanAct) -> dict[str, Any]:
        """Make or change a template; its name must be the one it has at the marketplace."""
        async with runtime.transactions.begin() as tx:
            profiles = await _feeds(tx, connection_id)
            if any(profile.settings.option_separator in name for profile in profiles):
                rule = "must not hold the separator between options"
                raise Problem("invalid-request", "Invalid request", 422, errors=[FieldError("path:/name", rule)])
            await tx.conn.execute(UPSERT, connection_id, name, *body.model_dump().values())
            await store.mark_changed(tx.conn, [connection_id], tx.now)
        return {"connection_id": connection_id, "name": name, "changed_by": who.login}

    @router.delete("/templates/{name:path}")
    async def delete_template(connection_id: UUID, name: Name, who: CanAct) -> dict[str, Any]:
        """Remove a template. Offers that name it block the feed until they name another."""
        async with runtime.transactions.begin() as tx:
            await _feeds(tx, connection_id)
            gone = await tx.conn.fetchval(
                "DELETE FROM shipping_templates WHERE connection_id = $1 AND name = $2 RETURNING true",
                connection_id,
                name,
            )
            if not gone:
                raise Problem("template-unknown", "No such template", 404, "The feed has no template of this name.")
            await store.mark_changed(tx.conn, [connection_id], tx.now)
        return {"connection_id": connection_id, "removed": name, "changed_by": who.login}


def _assignments(router: APIRouter, runtime: Runtime) -> None:
    @router.put("/assignments")
    async def put_assignments(connection_id: UUID, body: AssignmentsBody, who: CanAct) -> dict[str, Any]:
        """Say which options offers have, all or none. Offers that are not named keep theirs."""
        async with runtime.transactions.begin() as tx:
            await _feeds(tx, connection_id)
            known = {template.name for template in await store.templates(tx.conn, connection_id)}
            errors = [
                FieldError(f"#/assignments/{_escaped(sku)}/{at}", "is no template of this feed")
                for sku, names in body.assignments.items()
                for at, name in enumerate(names)
                if name not in known
            ]
            if errors:
                detail = f"{len(errors)} rule(s) broken, nothing was changed."
                raise Problem("template-unknown", "No such template", 422, detail, errors=errors[:200])
            await store.assign(tx.conn, connection_id, body.assignments)
            await store.mark_changed(tx.conn, [connection_id], tx.now)
        return {"connection_id": connection_id, "offers": len(body.assignments), "changed_by": who.login}


def _escaped(part: str) -> str:
    return part.replace("~", "~0").replace("/", "~1")


async def _feeds(tx: Tx, connection_id: UUID) -> list[store_feeds.Profile]:
    rows = await tx.conn.fetch(
        "SELECT * FROM feed_profiles WHERE connection_id = $1 ORDER BY feed FOR UPDATE", connection_id
    )
    if not rows:
        raise Problem("feed-unknown", "No such feed", 404, "This connection has no feed; make one first.")
    return [store_feeds.profile_of(row) for row in rows]
