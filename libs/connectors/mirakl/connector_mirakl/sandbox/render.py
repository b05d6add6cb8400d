"""An order as OR11 shows it, with every documented field (fact sheet 2.2), and with its odd looks when asked for."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

from connector_mirakl.sandbox.world import SimLine, SimMoneyBack, SimOrder, SimTax

Json = dict[str, Any]
REFUNDABLE = frozenset({"SHIPPED", "TO_COLLECT", "RECEIVED"})


def wire_date(value: datetime | None) -> str | None:
    """UTC with `Z`; milliseconds are dropped when they are zero, as Mirakl does."""
    if value is None:
        return None
    moment = value.astimezone(UTC)
    if moment.microsecond // 1000 == 0:
        return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{moment.microsecond // 1000:03d}Z"


def money(value: Decimal) -> float:
    """A JSON number. The shortest text of a float with two decimals is the same decimal, so nothing is lost here."""
    return float(value)


def render_order(order: SimOrder, *, hide_addresses: bool = False, looks: frozenset[str] = frozenset()) -> Json:
    """The order; `looks` are added to the order's own."""
    shown = _plain_order(order)
    lines = [_line(order, line) for line in order.lines]
    shown["order_lines"] = lines
    shown["customer"] = _customer(order)
    wanted = looks | {name for name, on in order.look.items() if on}
    if hide_addresses and order.state in ("STAGING", "WAITING_ACCEPTANCE"):
        wanted = wanted | {"null_address"}
    for name in sorted(wanted):
        LOOKS[name](shown)
    return shown


def _plain_order(order: SimOrder) -> Json:
    price = sum((line.price for line in order.lines), Decimal(0))
    shipping = sum((line.shipping_price for line in order.lines), Decimal(0))
    left = [line for line in order.lines if line.state not in ("REFUSED", "CANCELED")]
    refunded = bool(left) and all(line.exhausted and line.refunds for line in left)
    return {
        "order_id": order.id,
        "commercial_id": order.commercial_id,
        "order_state": order.state,
        "order_state_reason_code": None,
        "order_state_reason_label": None,
        "created_date": wire_date(order.created),
        "last_updated_date": wire_date(order.updated),
        "acceptance_decision_date": wire_date(order.decided),
        "customer_debited_date": wire_date(order.debited),
        "transaction_date": wire_date(order.debited),
        "transaction_number": None,
        "currency_iso_code": order.currency,
        "order_tax_mode": order.tax_mode,
        "payment_type": "CARD",
        "paymentType": "CARD",
        "payment_workflow": order.workflow,
        "customer_directly_pays_seller": False,
        "price": money(price),
        "shipping_price": money(shipping),
        "total_price": money(price + shipping),
        "total_commission": money((price * Decimal("0.12")).quantize(Decimal("0.01"))),
        "can_cancel": order.debited is None and order.state not in ("REFUSED", "CANCELED"),
        "can_shop_ship": order.state == "SHIPPING",
        "has_customer_message": False,
        "has_incident": any(line.state == "INCIDENT_OPEN" for line in order.lines),
        "has_invoice": False,
        "fully_refunded": refunded,
        "leadtime_to_ship": 2,
        "shipping_deadline": wire_date(order.shipping_deadline),
        "delivery_date": None,
        "shipping_type_code": order.shipping_type,
        "shipping_type_label": "Standard",
        "shipping_type_standard_code": "CU_ADD-STD",
        "shipping_zone_code": "EU",
        "shipping_zone_label": "Europe",
        "shipping_carrier_code": order.tracking.get("carrier_code"),
        "shipping_carrier_standard_code": order.tracking.get("carrier_standard_code"),
        "shipping_company": order.tracking.get("carrier_name"),
        "shipping_tracking": order.tracking.get("tracking_number"),
        "shipping_tracking_url": order.tracking.get("tracking_url"),
        "shipping_pudo_id": order.pudo,
        "channel": {"code": order.channel, "label": order.channel} if order.channel else None,
        "fulfillment": {"center": {"code": order.center}},
        "references": None,
        "quote_id": None,
        "customer_notification_email": order.buyer["email"],
        "invoice_details": None,
        "order_additional_fields": [],
        "order_taxes": [],
        "order_refunds": [],
        "promotions": {"applied_promotions": [], "total_deduced_amount": 0},
    }


def _customer(order: SimOrder) -> Json:
    buyer = order.buyer
    common = {"civility": None, "company": buyer["company"], "company_2": None, "street_2": None, "state": None}
    address = {**common, **buyer["address"], "phone_secondary": None}
    organization = None
    if buyer["company"]:
        organization = {
            "organization_id": f"ORG-{buyer['id']}",
            "name": buyer["company"],
            "identification_number": None,
            "tax_identification_number": "FR00000000000",
            "address": None,
        }
    return {
        "customer_id": buyer["id"],
        "civility": "Neutral",
        "firstname": buyer["first"],
        "lastname": buyer["last"],
        "locale": buyer.get("locale", "fr_FR"),
        "organization": organization,
        "accounting_contact": None,
        "delivery_contact": None,
        "billing_address": dict(address),
        "shipping_address": {**address, "additional_info": "Code 12B"},
    }


def _line(order: SimOrder, line: SimLine) -> Json:
    fee = (line.price * Decimal("0.10")).quantize(Decimal("0.01"))
    vat = (fee * Decimal("0.20")).quantize(Decimal("0.01"))
    return {
        "order_line_id": line.id,
        "order_line_index": line.index,
        "order_line_state": line.state,
        "order_line_state_reason_code": None,
        "order_line_state_reason_label": None,
        "offer_id": line.offer_id,
        "offer_sku": line.sku,
        "offer_state_code": "11",
        "product_sku": f"MP{line.offer_id:07d}",
        "product_shop_sku": line.sku,
        "product_title": line.title,
        "category_code": "DEMO",
        "category_label": "Demonstration",
        "quantity": line.quantity,
        "price_unit": money(line.unit_price),
        "origin_unit_price": money(line.unit_price),
        "price": money(line.price),
        "shipping_price": money(line.shipping_price),
        "total_price": money(line.price + line.shipping_price),
        "taxes": [_tax(tax) for tax in line.taxes],
        "shipping_taxes": [_tax(tax) for tax in line.shipping_taxes],
        "commission_fee": money(fee),
        "commission_rate_vat": 20.0,
        "commission_vat": money(vat),
        "commission_taxes": [{"code": "TAXDEFAULT", "amount": money(vat), "rate": 20.0}],
        "total_commission": money(fee + vat),
        "can_refund": line.state in REFUNDABLE and not line.exhausted,
        "refunds": [_refund(refund) for refund in line.refunds],
        "cancelations": [_cancelation(item) for item in line.cancelations],
        "promotions": [],
        "fees": [],
        "product_medias": [],
        "order_line_additional_fields": [],
        "description": line.title,
        "price_additional_info": None,
        "created_date": wire_date(order.created),
        "last_updated_date": wire_date(order.updated),
        "debited_date": wire_date(order.debited),
        "shipped_date": wire_date(line.shipped_at),
        "received_date": wire_date(line.received_at),
        "shipping_from": None,
    }


def _tax(tax: SimTax) -> Json:
    return {"code": tax.code, "amount": money(tax.amount), "rate": money(tax.rate), "tax_calculation_rule": tax.rule}


def _money_back(item: SimMoneyBack) -> Json:
    return {
        "id": item.id,
        "amount": money(item.amount),
        "shipping_amount": money(item.shipping_amount),
        "quantity": item.quantity,
        "reason_code": item.reason_code,
        "taxes": item.taxes,
        "shipping_taxes": item.shipping_taxes,
        "commission_amount": 0,
        "commission_taxes": [],
        "commission_total_amount": 0,
        "created_date": wire_date(item.created),
    }


def _refund(item: SimMoneyBack) -> Json:
    state = "REFUNDED" if item.settled else "WAITING_REFUND"
    return {
        **_money_back(item),
        "order_refund_id": item.group_id,
        "refund_state": state,
        "state": state,
        "commission_tax_amount": 0,
    }


def _cancelation(item: SimMoneyBack) -> Json:
    return _money_back(item)


def _null_address(shown: Json) -> None:
    shown["customer"]["shipping_address"] = shown["customer"]["billing_address"] = None


def _null_required(shown: Json) -> None:
    for name in ("commercial_id", "last_updated_date", "shipping_zone_label", "total_commission", "fulfillment"):
        shown[name] = None
    for line in shown["order_lines"]:
        for name in ("description", "category_label", "shipping_price", "product_title", "refunds", "cancelations"):
            line[name] = None
    for name in ("shipping_address", "billing_address"):
        if shown["customer"][name]:
            shown["customer"][name].update(country_iso_code=None, lastname=None)


def _string_amounts(shown: Json) -> None:
    for holder in (shown, *shown["order_lines"]):
        for name in ("price", "shipping_price", "total_price", "price_unit"):
            if isinstance(holder.get(name), int | float):
                holder[name] = f"{holder[name]:.2f}"


def _numbers_as_text(shown: Json) -> None:
    for line in shown["order_lines"]:
        line["quantity"] = str(line["quantity"])


def _unknown_status(shown: Json) -> None:
    shown["order_state"] = "ON_HOLD_BY_OPERATOR"


def _unknown_fields(shown: Json) -> None:
    shown["brand_new_member"] = {"nested": [1, 2, 3]}
    shown["order_lines"][0]["brand_new_member"] = "x"


def _dates_without_zone(shown: Json) -> None:
    for name in ("created_date", "last_updated_date", "shipping_deadline"):
        if shown[name]:
            shown[name] = shown[name].removesuffix("Z")


def _dates_with_offset(shown: Json) -> None:
    """The same instants at +02:00."""
    for name in ("created_date", "last_updated_date", "shipping_deadline"):
        if shown[name]:
            moment = datetime.fromisoformat(shown[name])
            shown[name] = moment.astimezone(timezone(timedelta(hours=2))).isoformat()


LOOKS = {
    "null_address": _null_address,
    "null_required": _null_required,
    "string_amounts": _string_amounts,
    "numbers_as_text": _numbers_as_text,
    "unknown_status": _unknown_status,
    "unknown_fields": _unknown_fields,
    "dates_without_zone": _dates_without_zone,
    "dates_with_offset": _dates_with_offset,
}
