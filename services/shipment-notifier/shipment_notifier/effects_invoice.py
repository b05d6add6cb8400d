"""Putting invoices at the marketplace. The file is fetched from the shop again at that moment, so that no table of the
hub ever holds a buyer's name and address in a document."""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from connector_kit.aftersales import FetchInvoice, ProvidesInvoices
from connector_kit.capabilities import UploadsInvoices
from connector_kit.http import CallError, Lane
from connector_kit.outcome import Outcome, ProbeResult
from connector_kit.requests import UploadInvoice
from hub_common.effects.model import Effect, EffectKind, EffectState, Settled
from hub_common.parked import Park, park, resume
from hub_common.tx import Tx
from hub_contracts.ids import parked_id_for
from hub_contracts.shipments import InvoiceRejected, InvoiceUploaded
from shipment_notifier import store_invoices
from shipment_notifier.invoicing import MISSING

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

REJECTED = "invoice_rejected"
FETCH_AGAIN_SECONDS = 300.0


def invoice_effect(runtime: Runtime) -> EffectKind:
    """The kind `upload_invoice`."""
    return EffectKind("upload_invoice", "upload_invoice", _execute(runtime), probe, settled, "probe_invoice")


def _execute(runtime: Runtime) -> Callable[[Any, Sequence[Effect]], Awaitable[Sequence[Outcome]]]:
    async def execute(marketplace: UploadsInvoices, effects: Sequence[Effect]) -> Sequence[Outcome]:
        return [await _one(runtime, marketplace, effect) for effect in effects]

    return execute


async def _one(runtime: Runtime, marketplace: UploadsInvoices, effect: Effect) -> Outcome:
    """Fetch and hand on. Until the second call nothing has reached the marketplace, so whatever the first says is a
    reason to try again."""
    wanted = FetchInvoice.model_validate(effect.context)
    try:
        shop: ProvidesInvoices = runtime.book.connector(UUID(effect.context["shop_connection_id"]), Lane.LIVE)
        found = await shop.fetch_invoice(wanted)
    except (CallError, LookupError) as error:
        return Outcome.retry(f"not sent: the invoice could not be fetched from the shop ({error})")
    if found is None:
        return Outcome.retry("not sent: the shop no longer has the invoice")
    request = UploadInvoice.model_validate(effect.request)
    content = base64.b64encode(found.content).decode()
    [outcome] = await marketplace.upload_invoice([request.model_copy(update={"content_base64": content})])
    return outcome


async def probe(marketplace: UploadsInvoices, effect: Effect) -> ProbeResult:
    """Does the marketplace show the document?"""
    return await marketplace.probe_invoice(UploadInvoice.model_validate(effect.request))


def _waits(tx: Tx, effect: Effect, cause: str) -> UUID:
    return parked_id_for(tx.service, "order", f"{effect.context['order_id']}:{effect.context['route_id']}", cause)


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Note how it ended, tell it, and let a person know of refusals."""
    done = [each for each in ended if each.state is EffectState.DONE]
    await store_invoices.ended(
        tx.conn,
        [each.effect.effect_id for each in ended],
        ["uploaded" if each.state is EffectState.DONE else "rejected" for each in ended],
        [each.reason[:500] for each in ended],
    )
    for each in ended:
        _tell(tx, each)
    parked = [_waits(tx, each.effect, cause) for each in done for cause in (MISSING, REJECTED)]
    await resume(tx, parked, resolution="the invoice is at the marketplace")
    await park(tx, [_park(each) for each in ended if each.state is EffectState.REJECTED])


def _tell(tx: Tx, each: Settled) -> None:
    effect = each.effect
    assert effect.order_id is not None, "invoices are always of an order"
    event: InvoiceUploaded | InvoiceRejected
    if each.state is EffectState.REJECTED:
        event = InvoiceRejected(
            order_id=effect.order_id,
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            reason=each.reason[:500],
            route_id=UUID(effect.context["route_id"]),
        )
    else:
        reference = each.answer.get("document_id") or each.answer.get("document_reference")
        event = InvoiceUploaded(
            order_id=effect.order_id,
            connection_id=effect.connection_id,
            effect_id=effect.effect_id,
            document_reference=str(reference) if reference else None,
            route_id=UUID(effect.context["route_id"]),
        )
    tx.emit(event, key=effect.order_id, cause=effect.cause)


def _park(each: Settled) -> Park:
    effect = each.effect
    return Park(
        subject_kind="order",
        subject_id=f"{effect.context['order_id']}:{effect.context['route_id']}",
        cause=REJECTED,
        detail=f"Order {effect.context['order_number']}: the marketplace would not take the invoice: "
        f"{each.reason[:300]}",
        next_step="Correct the document in the shop and ask again with POST /v1/orders/{order_id}/invoices/fetch, or "
        "upload it by hand and say so with POST /v1/orders/{order_id}/invoices/by-hand.",
        event_key=str(effect.order_id),
        why=effect.cause,
        order_id=effect.order_id,
        connection_id=effect.connection_id,
    )
