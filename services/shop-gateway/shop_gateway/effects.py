"""Calls to shops: create an order, stop one, and what follows when it is known how that ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING
from uuid import UUID

from connector_kit.capabilities import TakesShopOrders
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import CancelShopOrder, CreateShopOrder
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park
from hub_common.tx import Tx
from hub_contracts.shop_activity import ShopOrderCancelled, ShopOrderCreated, ShopOrderRejected
from shop_gateway import store
from shop_gateway.creating import CANCEL_REJECTED, REJECTED

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

NO_CUSTOMER_SECONDS = 60.0
REJECTED_STEP = "Mend what the shop objects to, then resend the order; or cancel it at the marketplace."
CANCEL_STEP = "Stop the parcel at the shop, or refund the buyer when it comes back."


def build_effects(runtime: Runtime) -> Sequence[EffectKind]:
    """The kinds of this service. Creating reads buyers' data at the moment of sending, so no effect row holds any."""

    async def execute_create(shop: TakesShopOrders, effects: Sequence[Effect]) -> Sequence[Outcome]:
        customers = await store.load_customers(runtime.pool, (_order_id(effect) for effect in effects))
        complete = [e for e in effects if _order_id(e) in customers or not e.context.get("needs_customer")]
        requests = [
            CreateShopOrder.model_validate({**e.request, "customer": customers.get(_order_id(e))}) for e in complete
        ]
        answers = await shop.create_order(requests) if requests else []
        by_effect = {e.effect_id: outcome for e, outcome in zip(complete, answers, strict=True)}
        erased = Outcome.retry("the buyer's data was erased or is not there", after=NO_CUSTOMER_SECONDS)
        return [by_effect.get(effect.effect_id, erased) for effect in effects]

    return (
        EffectKind("create_order", "create_order", execute_create, probe_create, created),
        EffectKind("cancel_order", "cancel_order", execute_cancel, probe_cancel, cancelled),
    )


def _order_id(effect: Effect) -> UUID:
    assert effect.order_id is not None, "effects of this service are always about an order"
    return effect.order_id


async def execute_cancel(shop: TakesShopOrders, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Tell the shop to stop."""
    return await shop.cancel_order([CancelShopOrder.model_validate(effect.request) for effect in effects])


async def probe_create(shop: TakesShopOrders, effect: Effect) -> ProbeResult:
    """Does the shop hold the order?"""
    return await shop.probe_create_order(CreateShopOrder.model_validate(effect.request))


async def probe_cancel(shop: TakesShopOrders, effect: Effect) -> ProbeResult:
    """Has the shop stopped?"""
    return await shop.probe_cancel_order(CancelShopOrder.model_validate(effect.request))


async def created(tx: Tx, ended: Sequence[Settled]) -> None:
    """Tell which orders shops hold and which they would not take; the latter need a person."""
    rows: list[tuple[UUID, str, str | None]] = []
    refused: dict[UUID, Settled] = {}
    for each in ended:
        request = CreateShopOrder.model_validate(each.effect.request)
        if each.state is EffectState.REJECTED:
            rows.append((request.route_id, "rejected", None))
            refused[request.route_id] = each
            _tell_rejected(tx, each, request)
            continue
        reference = each.answer.get("shop_order_reference")
        rows.append((request.route_id, "created", str(reference) if reference else None))
        event = ShopOrderCreated(
            order_id=request.order_id,
            route_id=request.route_id,
            shop_connection_id=each.effect.connection_id,
            is_test=request.is_test,
            effect_id=each.effect.effect_id,
            shop_order_reference=str(reference) if reference else None,
        )
        tx.emit(event, key=request.order_id, cause=each.effect.cause)
    states = await store.record_created(tx.conn, rows)
    # An order that was cancelled meanwhile needs nobody to mend its creation.
    waiting = [each for route_id, each in refused.items() if states.get(route_id) == "rejected"]
    await park(tx, [_park(each, REJECTED, "The shop would not take the order", REJECTED_STEP) for each in waiting])


def _tell_rejected(tx: Tx, each: Settled, request: CreateShopOrder) -> None:
    event = ShopOrderRejected(
        order_id=request.order_id,
        route_id=request.route_id,
        shop_connection_id=each.effect.connection_id,
        is_test=request.is_test,
        reason=each.reason,
    )
    tx.emit(event, key=request.order_id, cause=each.effect.cause)


async def cancelled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Tell which shops stopped; one that could not is a parcel on its way for a cancelled order."""
    changes: list[tuple[UUID, str]] = []
    for each in ended:
        request = CancelShopOrder.model_validate(each.effect.request)
        stopped = each.state is EffectState.DONE
        changes.append((request.route_id, "cancelled" if stopped else "cancel_rejected"))
        if stopped:
            event = ShopOrderCancelled(
                order_id=request.order_id,
                route_id=request.route_id,
                shop_connection_id=each.effect.connection_id,
                is_test=request.is_test,
            )
            tx.emit(event, key=request.order_id, cause=each.effect.cause)
    await tx.conn.execute(
        "UPDATE shop_orders o SET state = t.state, version = o.version + 1"
        " FROM unnest($1::uuid[], $2::text[]) AS t(route_id, state) WHERE o.route_id = t.route_id",
        [route_id for route_id, _ in changes],
        [state for _, state in changes],
    )
    failed = [each for each in ended if each.state is EffectState.REJECTED]
    await park(tx, [_park(each, CANCEL_REJECTED, "The shop could not stop the order", CANCEL_STEP) for each in failed])


def _park(each: Settled, cause: str, what: str, next_step: str) -> Park:
    effect = each.effect
    return Park(
        subject_kind="shop_order",
        subject_id=str(effect.request["route_id"]),
        cause=cause,
        detail=f"{what}: {each.reason[:300]}",
        next_step=next_step,
        event_key=str(effect.order_id),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
        is_test=bool(effect.request.get("is_test")),
        due_at=effect.deadline,
    )
