"""Capability `shop_orders`: telling the shop to create an order or to stop.

A shop that pulls is not called at all: the gateway's order list is the delivery, so the effect is done at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from connector_generic_shop import client, mapping
from connector_generic_shop.manifest import CANCEL_ORDER, CREATE_ORDER
from connector_generic_shop.settings import ShopSettings
from connector_generic_shop.signing import BadSecret
from connector_kit.http import Ambiguous, BadAnswer, CallError, NotSent
from connector_kit.outcome import Outcome, OutcomeState
from connector_kit.requests import CancelShopOrder, CreateShopOrder


async def create_order(
    shop: client.Shop | None, settings: ShopSettings, request: CreateShopOrder, now: datetime
) -> Outcome:
    """Post `order.created`; `shop` is None when it pulls. The shop's own number is in `answer` when it gave one."""
    if shop is None:
        return Outcome.done(delivery="pull")
    body = mapping.order_body(request, now, send_personal_data=settings.send_personal_data)
    hide = [*mapping.personal_values(request.customer), *mapping.secret_values(shop.secrets)]
    return await _send(shop, CREATE_ORDER, mapping.order_message_id(request.route_id), now, body, hide)


async def cancel_order(shop: client.Shop | None, request: CancelShopOrder, now: datetime) -> Outcome:
    """Post `order.cancelled`. A shop that pulls finds the cancellation in its list."""
    if shop is None:
        return Outcome.done(delivery="pull")
    body = mapping.cancel_body(request, now)
    hide = mapping.secret_values(shop.secrets)
    return await _send(shop, CANCEL_ORDER, mapping.cancel_message_id(request.route_id), now, body, hide)


async def _send(
    shop: client.Shop, operation: str, message_id: str, now: datetime, body: bytes, hide: Sequence[str]
) -> Outcome:
    try:
        answer = await client.post(shop, operation, message_id, now, body)
    except BadSecret as error:
        return Outcome.retry(str(error), after=client.ATTENTION_SECONDS)
    except CallError as error:
        return _without_answer(error, message_id)
    outcome = client.outcome_of(answer, now, hide)
    if outcome.state is not OutcomeState.DONE:
        return outcome
    said = {"status": answer.status, "message_id": message_id}
    reference = mapping.shop_order_reference(client.parsed(answer)) if operation == CREATE_ORDER else None
    if reference is not None:
        said["shop_order_reference"] = reference
    return Outcome.done(**said)


def _without_answer(error: CallError, message_id: str) -> Outcome:
    if isinstance(error, NotSent):
        return Outcome.retry(f"not sent: {error}", after=error.retry_after)
    if isinstance(error, Ambiguous | BadAnswer):
        return Outcome.retry(
            f"no clear answer ({error}); sent again as {message_id}, which the shop drops if it has it"
        )
    raise error
