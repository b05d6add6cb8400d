"""Capability `shop_invoices`: fetching the buyer's invoice of one order from the shop.

A signed `GET` on the connection's `invoice_url`. The signature covers the empty body, so what is asked is also part of
the message id, which the shop checks against the query.
"""

from __future__ import annotations

import re
from datetime import datetime

from connector_generic_shop.client import Shop
from connector_generic_shop.manifest import FETCH_INVOICE
from connector_generic_shop.signing import sign
from connector_kit.aftersales import FetchedInvoice, FetchInvoice
from connector_kit.http import BadAnswer, Call, NotSent

NONE_YET = frozenset({204, 404})
"""The shop knows the order and has no invoice, or not even the order: both may change."""
TYPES = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}
"""What marketplaces take as invoices everywhere; ManoMano takes PDF only."""
NAMED = re.compile(r'filename="?([^";]{1,120})"?')


async def fetch_invoice(shop: Shop | None, request: FetchInvoice, now: datetime) -> FetchedInvoice | None:
    """The invoice, None while there is none. Raises `BadSecret` and the `CallError`s of the caller."""
    if shop is None:
        raise NotSent("invoice_url: is not set, so the hub cannot fetch this shop's invoices")
    query = [("route_id", str(request.route_id)), ("order_number", request.order_number)]
    headers = sign(shop.secrets, message_id(request), now, b"")
    call = Call(FETCH_INVOICE, "GET", shop.url, params=query, headers=headers, idempotent=True, lane=shop.lane)
    answer = await shop.http.call(call)
    if answer.status in NONE_YET:
        return None
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if answer.status != 200:
        raise BadAnswer(f"HTTP {answer.status} to the request for an invoice")
    if kind not in TYPES:
        raise BadAnswer(f"content-type: must be one of {', '.join(TYPES)} for an invoice")
    if not answer.body:
        raise BadAnswer("the invoice is an empty file")
    named = NAMED.search(answer.headers.get("content-disposition", ""))
    name = named[1].replace("\\", "/").rpartition("/")[2].strip() if named else ""
    return FetchedInvoice(
        file_name=name or f"{request.order_number}.{TYPES[kind]}", content_type=kind, content=answer.body
    )


def message_id(request: FetchInvoice) -> str:
    """The `webhook-id` of the request: proves for which route the signature was made."""
    return f"invoice_{request.route_id}"
