"""Routes for parcels: why a carrier was chosen, and to choose one by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends

from carrier_mapper import store
from carrier_mapper.bodies import CarrierByHand, refuse, rule_view
from carrier_mapper.domain import decide_by_hand
from carrier_mapper.folding import fold_name
from carrier_mapper.links import link_problem
from carrier_mapper.mapping import (
    CONNECTION_UNKNOWN,
    ENVIRONMENT_MISMATCH,
    ORDER_UNKNOWN,
    Desk,
    conclude,
    open_desks,
    ruling_of,
)
from carrier_mapper.model import Outcome
from carrier_mapper.rule_changes import begin_change, store_change
from carrier_mapper.rules import CarrierRule, CarrierTarget, RuleKind, RuleProblem, rule_problems, target_problems
from carrier_mapper.store import StoredParcel, parcel_of
from hub_common.tx import Tx
from hub_common.web import Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

NOT_BY_HAND = frozenset({ORDER_UNKNOWN, CONNECTION_UNKNOWN, ENVIRONMENT_MISMATCH})
"""Causes that choosing a carrier does not cure."""
REMEMBERED_PRIORITY = 100
"""Leaves room before and after; explicit rules of different shop carriers never compete anyway."""


def parcels_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/parcels`."""
    router = APIRouter(prefix="/v1/parcels", tags=["parcels"])

    @router.get("/{parcel_id}")
    async def show(parcel_id: UUID) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            row = await store.find_parcel(tx.conn, parcel_id)
        if row is None:
            raise _unknown(parcel_id)
        return {
            "parcel_id": parcel_id,
            "order_id": row["order_id"],
            "connection_id": row["connection_id"],
            "outcome": row["outcome"],
            "cause": row["cause"],
            "mapped_by": row["mapped_by"],
            "decided_at": row["decided_at"],
            "decided_by": row["decided_by"],
            "parcel": orjson.loads(row["body"]),
            "decision": orjson.loads(row["decision"]) if row["decision"] else None,
            "told": orjson.loads(row["told"]) if row["told"] else None,
        }

    @router.post("/{parcel_id}/carrier")
    async def choose(
        parcel_id: UUID, body: CarrierByHand, who: Annotated[Operator, Depends(operator(Role.OPERATOR))]
    ) -> dict[str, Any]:
        _check(body)
        async with runtime.transactions.begin() as tx:
            found = await store.find_parcel(tx.conn, parcel_id)
            if found is None:
                raise _unknown(parcel_id)
            present = await begin_change(tx, found["connection_id"])
            row = await store.find_parcel(tx.conn, parcel_id, lock=True)
            assert row is not None, "parcels are never removed"
            stored = parcel_of(row)
            _must_wait(stored)
            desk = (await open_desks(tx.conn, [stored]))[stored.parcel.connection_id]
            told = await _map(tx, stored, desk, body, who.login)
            rule = None
            if body.remember_as_rule:
                rule = _remembered(stored, body, present, str(runtime.ids.new()))
                await store_change(tx, stored.parcel.connection_id, [rule], who.login, total=len(present) + 1)
        return {"parcel_id": parcel_id, "decided_by": who.login, "rule": rule_view(rule) if rule else None} | told

    return router


def _check(body: CarrierByHand) -> None:
    problems = list(target_problems(CarrierTarget(body.carrier_code, body.carrier_name)))
    link = link_problem(body.tracking_url) if body.tracking_url else None
    if link:
        problems.append(RuleProblem("tracking_url", "link", link))
    refuse(problems)


def _must_wait(stored: StoredParcel) -> None:
    if stored.outcome != Outcome.PARKED:
        raise Problem("parcel-not-parked", "The parcel does not wait", 409, "Its carrier is decided already.")
    if stored.cause_of_parking in NOT_BY_HAND:
        detail = f"It waits because of {stored.cause_of_parking}, which no carrier cures."
        raise Problem("parcel-waits-otherwise", "The parcel waits for something else", 409, detail)


async def _map(tx: Tx, stored: StoredParcel, desk: Desk, body: CarrierByHand, login: str) -> dict[str, Any]:
    target = CarrierTarget(body.carrier_code, body.carrier_name)
    context = desk.context
    decision = decide_by_hand(desk.facts(stored), target, context.marketplace_carriers, context.settings, context.known)
    if decision.outcome is Outcome.PARKED:
        field = "carrier_code" if body.carrier_code else "carrier_name"
        refuse([RuleProblem(field, str(decision.cause), decision.next_step or "not possible")])
    if body.tracking_url:
        decision = replace(decision, tracking_url=body.tracking_url)
    await conclude(tx, [ruling_of(stored, decision, desk)], actor=login)
    return {
        "carrier_code": decision.carrier_code,
        "carrier_name": decision.carrier_name,
        "tracking_url": decision.tracking_url,
        "warnings": [f"{warning.code}: {warning.message}" for warning in decision.warnings],
    }


def _remembered(stored: StoredParcel, body: CarrierByHand, present: list[CarrierRule], rule_id: str) -> CarrierRule:
    shop_carrier = stored.parcel.carrier_name or stored.parcel.carrier_code
    if not shop_carrier or not fold_name(shop_carrier):
        refuse([RuleProblem("remember_as_rule", "shop_carrier", "the shop named no carrier that a rule could match")])
    rule = CarrierRule(
        id=rule_id,
        connection_id=str(stored.parcel.connection_id),
        kind=RuleKind.EXPLICIT,
        priority=REMEMBERED_PRIORITY,
        carrier_code=body.carrier_code,
        carrier_name=body.carrier_name,
        shop_carrier=(shop_carrier or "").strip(),
    )
    refuse(rule_problems(rule))
    for other in present:
        if other.kind is RuleKind.EXPLICIT and fold_name(other.shop_carrier) == fold_name(shop_carrier):
            detail = f"Rule {other.id} is about this carrier of the shop already; change that one."
            raise Problem("rule-exists", "There is such a rule", 409, detail)
    return rule


def _unknown(parcel_id: UUID) -> Problem:
    return Problem("parcel-unknown", "No such parcel", 404, f"carrier-mapper knows no parcel {parcel_id}.")
