"""Routes for carrier rules: list, change, CSV, dry run."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Request, Response

from carrier_mapper import store, store_rules
from carrier_mapper.bodies import ChangedRule, DryRunBody, RuleBody, refuse, rule_view
from carrier_mapper.dry_run import DryRun, dry_run
from carrier_mapper.mapping import open_desks
from carrier_mapper.model import CarrierDecision
from carrier_mapper.rule_changes import (
    begin_change,
    marketplace_connection,
    next_versions,
    store_change,
    target_warnings,
)
from carrier_mapper.rules import rule_problems, rule_set_problems
from carrier_mapper.rules_csv import RowError, export_rules, import_rules
from hub_common.web import FieldError, Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
SHOWN_CHANGES = 200
"""Changed parcels that a dry run lists; the counts are over all of them."""


def rules_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{connection_id}`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}", tags=["carrier rules"])
    _single(router, runtime)
    _file(router, runtime)
    _dry_run(router, runtime)
    return router


def _single(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/carrier-rules")
    async def show(connection_id: UUID) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            await marketplace_connection(tx.conn, connection_id)
            rules = (await store_rules.load_rules(tx.conn, [connection_id]))[connection_id]
            warnings = await target_warnings(tx.conn, connection_id, rules)
        return {"items": [rule_view(rule) for rule in rules], "warnings": warnings}

    @router.post("/carrier-rules", status_code=201)
    async def create(connection_id: UUID, body: RuleBody, who: CanAct) -> dict[str, Any]:
        rule = body.rule(connection_id, str(runtime.ids.new()), 1)
        refuse(rule_problems(rule))
        async with runtime.transactions.begin() as tx:
            present = await begin_change(tx, connection_id)
            again = await store_change(tx, connection_id, [rule], who.login, total=len(present) + 1)
            warnings = await target_warnings(tx.conn, connection_id, [rule])
        return rule_view(rule) | {"decided_again": again, "warnings": warnings}

    @router.put("/carrier-rules/{rule_id}")
    async def change(connection_id: UUID, rule_id: str, body: ChangedRule, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            present = await begin_change(tx, connection_id)
            before = next((rule for rule in present if rule.id == rule_id), None)
            if before is None:
                raise _unknown(rule_id)
            if body.version not in (None, before.version):
                detail = f"The rule has version {before.version} by now; read it again."
                raise Problem("rule-changed", "The rule was changed meanwhile", 409, detail)
            rule = body.rule(connection_id, rule_id, before.version + 1)
            refuse(rule_problems(rule))
            again = await store_change(tx, connection_id, [rule], who.login, total=len(present))
            warnings = await target_warnings(tx.conn, connection_id, [rule])
        return rule_view(rule) | {"decided_again": again, "warnings": warnings}

    @router.delete("/carrier-rules/{rule_id}")
    async def remove(connection_id: UUID, rule_id: str, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            present = await begin_change(tx, connection_id)
            if all(rule.id != rule_id for rule in present):
                raise _unknown(rule_id)
            total = len(present) - 1
            again = await store_change(tx, connection_id, [], who.login, removed=[rule_id], total=total)
        return {"id": rule_id, "decided_again": again}


def _unknown(rule_id: str) -> Problem:
    return Problem("rule-unknown", "No such rule", 404, "This connection has no rule of this id.")


def _file(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/carrier-rules.csv")
    async def export(connection_id: UUID) -> Response:
        async with runtime.transactions.begin() as tx:
            await marketplace_connection(tx.conn, connection_id)
            rules = (await store_rules.load_rules(tx.conn, [connection_id]))[connection_id]
        name = f"carrier-rules-{connection_id}.csv"
        headers = {"content-disposition": f'attachment; filename="{name}"'}
        return Response(export_rules(rules), headers=headers, media_type="text/csv; charset=utf-8")

    @router.put("/carrier-rules.csv")
    async def replace_all(connection_id: UUID, request: Request, who: CanAct) -> dict[str, Any]:
        """The file becomes the rule set, whole; a rule that is not in it is removed. Versions in it are ignored."""
        data = await request.body()
        read = await asyncio.to_thread(import_rules, data, str(connection_id), lambda: str(runtime.ids.new()))
        if read.errors:
            raise _file_refused(read.errors)
        async with runtime.transactions.begin() as tx:
            present = await begin_change(tx, connection_id)
            changed, removed = next_versions(present, read.rules)
            again = await store_change(tx, connection_id, changed, who.login, removed=removed, total=len(read.rules))
            warnings = await target_warnings(tx.conn, connection_id, read.rules)
        return {
            "rules": len(read.rules),
            "changed": len(changed),
            "removed": len(removed),
            "decided_again": again,
            "warnings": warnings,
        }


def _file_refused(errors: tuple[RowError, ...]) -> Problem:
    rows = [{"row": e.row, "column": e.column, "rule": e.rule, "message": e.message} for e in errors]
    fields = [FieldError(f"#/rows/{e.row}/{e.column}", f"{e.rule}: {e.message}") for e in errors]
    detail = f"Nothing was imported: {len(errors)} error(s)."
    return Problem("file-refused", "The file is refused", 422, detail, errors=fields, extra={"row_errors": rows})


def _dry_run(router: APIRouter, runtime: Runtime) -> None:
    @router.post("/carrier-rules/dry-run")
    async def try_rules(connection_id: UUID, body: DryRunBody) -> dict[str, Any]:
        """Decide the last parcels by the present and the proposed rules; nothing is stored or told."""
        proposed = [
            rule.rule(connection_id, rule.id or f"new-{position}", 1) for position, rule in enumerate(body.rules, 1)
        ]
        for position, rule in enumerate(proposed):
            refuse(rule_problems(rule), f"#/rules/{position}")
        for problems in rule_set_problems(proposed).values():
            refuse(problems, "#/rules")
        async with runtime.transactions.begin() as tx:
            await marketplace_connection(tx.conn, connection_id)
            parcels = await store.past_parcels(tx.conn, connection_id, body.parcels)
            desk = (await open_desks(tx.conn, parcels, [connection_id]))[connection_id]
        facts = [desk.facts(stored) for stored in parcels]
        result = await asyncio.to_thread(dry_run, desk.rules, proposed, facts, desk.context)
        return _result(result, {str(stored.parcel.parcel_id): stored.parcel.order_id for stored in parcels})


def _result(result: DryRun, orders: Mapping[str, UUID]) -> dict[str, Any]:
    return {
        "parcels": result.parcels,
        "changed": len(result.changes),
        "newly_mapped": result.newly_mapped,
        "newly_parked": result.newly_parked,
        "mapped_before": result.mapped_before,
        "mapped_after": result.mapped_after,
        "transitions": [{"from": a, "to": b, "parcels": n} for (a, b), n in result.transitions.items()],
        "rule_hits": dict(result.rule_hits_after),
        "idle_rules": list(result.idle_rules),
        "changes": [
            {
                "parcel_id": change.parcel_id,
                "order_id": orders.get(str(change.parcel_id)),
                "before": _brief(change.before),
                "after": _brief(change.after),
            }
            for change in result.changes[:SHOWN_CHANGES]
        ],
    }


def _brief(decision: CarrierDecision) -> dict[str, Any]:
    return {
        "outcome": decision.outcome,
        "cause": decision.cause,
        "carrier_code": decision.carrier_code,
        "carrier_name": decision.carrier_name,
        "tracking_numbers": [number.value for number in decision.numbers],
        "tracking_url": decision.tracking_url,
        "source": decision.source,
        "rule_id": decision.rule_id,
    }
