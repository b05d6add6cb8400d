"""Telling marketplaces quantities and prices of many offers at once, and what follows when it is known how it ended."""

from __future__ import annotations

from collections.abc import Sequence

from connector_kit.capabilities import SetsPrices, SetsStock
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import SetPrice, SetStock
from hub_common.connections import load_connections
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.base import Money
from hub_contracts.ids import parked_id_for
from hub_contracts.stock import OfferPushed, OfferRejected
from stock_sync import store_offers
from stock_sync.domain import says_missing
from stock_sync.pushing import price_of
from stock_sync.reading import check_after
from stock_sync.reports import Refusal, refusal
from stock_sync.serving import Pair
from stock_sync.store_offers import Offer
from stock_sync.terms import profile_of

REJECTED = "offer_rejected"
MISSING = "offer_missing"
NEXT_STEPS = {
    MISSING: "Publish the product at the marketplace, then push the offer again (or wait until it changes).",
    REJECTED: "Correct what the marketplace objects to; the offer is sent again when it changes, or push it again.",
}


async def execute_stock(connector: SetsStock, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Set quantities, all in one call of the connector."""
    return await connector.set_stock([SetStock.model_validate(effect.request) for effect in effects])


async def execute_price(connector: SetsPrices, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Set prices, all in one call of the connector."""
    return await connector.set_price([SetPrice.model_validate(effect.request) for effect in effects])


async def probe_stock(connector: SetsStock, effect: Effect) -> ProbeResult:
    """Was the quantity taken?"""
    return await connector.probe_stock(SetStock.model_validate(effect.request), effect.answer)


async def probe_price(connector: SetsPrices, effect: Effect) -> ProbeResult:
    """Was the price taken?"""
    return await connector.probe_price(SetPrice.model_validate(effect.request), effect.answer)


def pair_of(effect: Effect) -> Pair:
    """The offer that an effect is about."""
    return effect.connection_id, str(effect.request["offer_sku"])


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Note what the marketplace took or refused, tell it, and let a person know what needs one."""
    offers = await store_offers.offers_by_pair(tx.conn, {pair_of(each.effect) for each in ended})
    connections = await load_connections(tx.conn, {each.effect.connection_id for each in ended})
    parks: list[Park] = []
    taken: list[Offer] = []
    for each in ended:
        offer = offers.get(pair_of(each.effect))
        said = refusal(each.reason, each.answer, profile_of(connections.get(each.effect.connection_id)))
        _tell(tx, each, said)
        if each.state is EffectState.REJECTED:
            parks.append(_park(each, said))
        if offer is None:
            continue
        had_trouble = bool(offer.quantity_rejected or offer.price_rejected)
        _note(tx, offer, each)
        wait = check_after(connections.get(offer.connection_id)) if each.state is EffectState.DONE else None
        if wait is not None:
            offer.check_at, offer.drift_seen = tx.now + wait, 0
        if had_trouble and not (offer.quantity_rejected or offer.price_rejected):
            taken.append(offer)
    await store_offers.save_pushes(tx.conn, list(offers.values()))
    parked = [parked_id_for(tx.service, "offer", o.key, cause) for o in taken for cause in (REJECTED, MISSING)]
    await resume(tx, parked, resolution="the marketplace took the offer")
    await park(tx, parks)


def _note(tx: Tx, offer: Offer, each: Settled) -> None:
    done = each.state is EffectState.DONE
    refused = None if done else (each.reason or "no reason given")[:300]
    if each.effect.kind == "set_stock":
        offer.quantity_rejected = refused
        if done:
            offer.pushed_quantity = SetStock.model_validate(each.effect.request).quantity
            offer.quantity_pushed_at = tx.now
        return
    offer.price_rejected = refused
    if done:
        offer.take_pushed(price_of(SetPrice.model_validate(each.effect.request)))
        offer.price_left_out = ", ".join(map(str, each.answer.get("left_out") or ()))[:300] or None
        offer.price_pushed_at = tx.now


def _tell(tx: Tx, each: Settled, said: Refusal) -> None:
    effect = each.effect
    connection_id, offer_sku = pair_of(effect)
    reference = each.answer.get("import_id")
    import_reference = str(reference) if reference is not None else None
    if each.state is EffectState.REJECTED:
        event: OfferPushed | OfferRejected = OfferRejected(
            connection_id=connection_id,
            offer_sku=offer_sku,
            effect_id=effect.effect_id,
            reason=said.reason,
            import_reference=import_reference,
            subject="quantity" if effect.kind == "set_stock" else "price",
        )
    else:
        sent = price_of(SetPrice.model_validate(effect.request)) if effect.kind == "set_price" else None
        event = OfferPushed(
            connection_id=connection_id,
            offer_sku=offer_sku,
            effect_id=effect.effect_id,
            quantity=SetStock.model_validate(effect.request).quantity if sent is None else None,
            price=Money(amount=sent.at(tx.now).paid, currency=sent.currency) if sent else None,
            import_reference=import_reference,
            confirmed_by=each.confirmed_by,
        )
    tx.emit(event, key=f"{connection_id}:{offer_sku}", cause=effect.cause)


def _park(each: Settled, said: Refusal) -> Park:
    connection_id, offer_sku = pair_of(each.effect)
    cause = MISSING if says_missing(each.reason, each.answer) else REJECTED
    what = "quantity" if each.effect.kind == "set_stock" else "price"
    return Park(
        subject_kind="offer",
        subject_id=f"{connection_id}:{offer_sku}",
        cause=cause,
        detail=f"The marketplace did not take the {what} of offer {offer_sku}: {each.reason[:300]}",
        next_step=said.next_step or NEXT_STEPS[cause],
        event_key=f"{connection_id}:{offer_sku}",
        why=each.effect.cause,
        connection_id=connection_id,
        data={"kind": each.effect.kind},
    )


EFFECTS: tuple[EffectKind, ...] = (
    EffectKind("set_stock", "set_stock", execute_stock, probe_stock, settled),
    EffectKind("set_price", "set_price", execute_price, probe_price, settled),
)
