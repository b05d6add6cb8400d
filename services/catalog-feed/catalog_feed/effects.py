"""Telling marketplaces whole offers and releasing values, and what follows when it is known how that ended."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from catalog_feed import store_listings
from catalog_feed.desk import conn_of
from catalog_feed.effects_import import import_effect
from catalog_feed.listings import problems_of, state_after
from catalog_feed.problems import as_text
from catalog_feed.publishing import PUBLISH, RELEASE
from catalog_feed.store_listings import Ended, Pair
from connector_kit.offers import PublishesOffers, PublishOffer, ReleaseOffer, ReleasesOffers
from connector_kit.outcome import Outcome, ProbeResult
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.catalog import OfferListed, OfferListingRejected
from hub_contracts.ids import parked_id_for

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LISTING_REJECTED, RELEASE_REJECTED = "listing_rejected", "release_rejected"
MAX_TOLD = 50
"""Problems that travel with an event; all of them are kept with the offer."""


def build_effects(runtime: Runtime) -> Sequence[EffectKind]:
    """The kinds of this service."""
    return (
        EffectKind(PUBLISH, "publish_offers", _publish(runtime), probe_publish, settled_publish),
        EffectKind(RELEASE, "release_offers", execute_release, probe_release, settled_release),
        import_effect(runtime),
    )


def _publish(runtime: Runtime) -> Callable[[Any, Sequence[Effect]], Awaitable[Sequence[Outcome]]]:
    async def execute(connector: PublishesOffers, effects: Sequence[Effect]) -> Sequence[Outcome]:
        """State offers whole, with the stock that the hub counts at this moment: an effect may have waited."""
        counted = [each for each in effects if each.context.get("counted")]
        asked = [(*pair_of(each), str(each.context["environment"])) for each in counted]
        async with runtime.pool.acquire() as conn:
            counts = await store_listings.counts(conn_of(conn), asked) if asked else {}
        requests = []
        for effect in effects:
            request, count = PublishOffer.model_validate(effect.request), None
            if effect.context.get("counted"):
                count = counts.get(pair_of(effect))
            update = {"quantity": count.available} if count is not None else {}
            requests.append(request.model_copy(update=update))
        return await connector.publish_offers(requests)

    return execute


async def probe_publish(connector: PublishesOffers, effect: Effect) -> ProbeResult:
    """Does the marketplace show the offer as stated? A counted quantity is not compared: sales change it."""
    return await connector.probe_publish_offer(PublishOffer.model_validate(effect.request), effect.answer)


async def execute_release(connector: ReleasesOffers, effects: Sequence[Effect]) -> Sequence[Outcome]:
    """Release values, all in one call of the connector."""
    return await connector.release_offers([ReleaseOffer.model_validate(effect.request) for effect in effects])


async def probe_release(connector: ReleasesOffers, effect: Effect) -> ProbeResult:
    """Are the values released?"""
    return await connector.probe_release_offer(ReleaseOffer.model_validate(effect.request), effect.answer)


def pair_of(effect: Effect) -> Pair:
    """The offer that an effect is about."""
    return effect.connection_id, str(effect.request["offer_sku"])


def _subject(pair: Pair) -> str:
    return f"{pair[0]}:{pair[1]}"


async def settled_publish(tx: Tx, ended: Sequence[Settled]) -> None:
    """Note and tell how statements ended; a person hears of refusals that no newer statement has overtaken."""
    notes = [_ended(each) for each in ended]
    newest = await store_listings.settle(tx.conn, notes, tx.now)
    for each, note in zip(ended, notes, strict=True):
        _tell(tx, each, note)
    taken = [note.pair for note in notes if note.done and note.pair in newest]
    parked = [parked_id_for(tx.service, "offer", _subject(pair), LISTING_REJECTED) for pair in taken]
    await resume(tx, parked, resolution="the marketplace took the offer")
    await park(
        tx,
        [_park(each, note) for each, note in zip(ended, notes, strict=True) if not note.done and note.pair in newest],
    )


def _ended(each: Settled) -> Ended:
    done = each.state is EffectState.DONE
    reference = each.answer.get("import_id")
    return Ended(
        pair=pair_of(each.effect),
        version=int(each.effect.context["version"]),
        state=state_after(each.effect.request, done=done),
        problems=problems_of(each.answer, "" if done else each.reason or "no reason given"),
        reference=None if reference is None else str(reference),
        done=done,
    )


def _tell(tx: Tx, each: Settled, note: Ended) -> None:
    connection_id, offer_sku = note.pair
    event: OfferListed | OfferListingRejected
    if note.done:
        event = OfferListed(
            connection_id=connection_id,
            offer_sku=offer_sku,
            effect_id=each.effect.effect_id,
            version=note.version,
            withdrawn=bool(each.effect.request.get("withdraw")),
            import_reference=note.reference,
            confirmed_by=each.confirmed_by,
        )
    else:
        event = OfferListingRejected(
            connection_id=connection_id,
            offer_sku=offer_sku,
            effect_id=each.effect.effect_id,
            version=note.version,
            problems=tuple(as_text(problem) for problem in note.problems[:MAX_TOLD]),
            import_reference=note.reference,
        )
    tx.emit(event, key=connection_id, cause=each.effect.cause)


def _park(each: Settled, note: Ended) -> Park:
    first = next((p for p in note.problems if p.get("severity", "error") == "error"), {})
    said = "; ".join(as_text(problem) for problem in note.problems)[:300]
    return Park(
        subject_kind="offer",
        subject_id=_subject(note.pair),
        cause=LISTING_REJECTED,
        detail=f"The marketplace did not take offer {note.pair[1]}: {said}",
        next_step=str(first.get("next_step") or "Correct what the marketplace objects to and state the offer again."),
        event_key=str(note.pair[0]),
        why=each.effect.cause,
        connection_id=note.pair[0],
        data={"problems": note.problems[:MAX_TOLD]},
    )


async def settled_release(tx: Tx, ended: Sequence[Settled]) -> None:
    """Note how releases ended; a person hears of refusals."""
    notes = [
        (
            *pair_of(each.effect),
            int(each.effect.context["version"]),
            "released" if each.state is EffectState.DONE else "rejected",
            "" if each.state is EffectState.DONE else each.reason[:500],
        )
        for each in ended
    ]
    newest = await store_listings.settle_releases(tx.conn, notes, tx.now)
    good = [pair_of(each.effect) for each in ended if each.state is EffectState.DONE]
    parked = [parked_id_for(tx.service, "offer", _subject(pair), RELEASE_REJECTED) for pair in good]
    await resume(tx, parked, resolution="the values are released")
    await park(
        tx,
        [
            Park(
                subject_kind="offer",
                subject_id=_subject(pair),
                cause=RELEASE_REJECTED,
                detail=f"The marketplace did not release values of offer {pair[1]}: {each.reason[:300]}",
                next_step="Check that the offer exists at the marketplace, then release it again.",
                event_key=str(pair[0]),
                why=each.effect.cause,
                connection_id=pair[0],
            )
            for each in ended
            if each.state is not EffectState.DONE and (pair := pair_of(each.effect)) in newest
        ],
    )
