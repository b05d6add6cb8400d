"""Lines, their taxes and their refunds. Money is exact; a line that contradicts itself is told, not corrected."""

from __future__ import annotations

from decimal import Decimal, DivisionByZero, InvalidOperation

from connector_kit.capabilities import MappingError
from connector_mirakl.manifest import STATUS_MAP
from connector_mirakl.wire import Json, amount, instant, objects, required_text, text, whole
from hub_contracts.base import Money
from hub_contracts.orders import ObservedRefund, OrderLine, Tax
from hub_contracts.status import OrderStatus

INCIDENT = "INCIDENT_OPEN"


def map_lines(order: Json, currency: str, order_status: OrderStatus, alerts: list[str]) -> tuple[OrderLine, ...]:
    """All lines in Mirakl's order. Raises `MappingError` for no lines, repeated ids and unreadable lines."""
    given = order.get("order_lines")
    if not isinstance(given, list) or not given:
        raise MappingError("order_lines", "must be a list with at least one line")
    lines: list[OrderLine] = []
    for index, line in enumerate(given):
        where = f"order_lines[{index}]."
        if not isinstance(line, dict):
            raise MappingError(f"order_lines[{index}]", "must be an object")
        lines.append(_map_line(line, where, currency, order_status, alerts))
    if len({line.line_id for line in lines}) != len(lines):
        raise MappingError("order_lines", "two lines have the same order_line_id")
    return tuple(lines)


def _map_line(line: Json, where: str, currency: str, order_status: OrderStatus, alerts: list[str]) -> OrderLine:
    line_id = required_text(line, "order_line_id", where)
    quantity = whole(line.get("quantity"), f"{where}quantity")
    unit, price = _prices(line, where, quantity, alerts)
    state = text(line.get("order_line_state"))
    return OrderLine(
        line_id=line_id,
        offer_sku=required_text(line, "offer_sku", where),
        product_sku=text(line.get("product_sku")),
        title=text(line.get("product_title")) or "",
        quantity=quantity,
        unit_price=Money(amount=unit, currency=currency),
        line_price=Money(amount=price, currency=currency),
        shipping_price=Money(amount=_shipping(line, where, alerts), currency=currency),
        taxes=_taxes(line.get("taxes"), f"{where}taxes"),
        shipping_taxes=_taxes(line.get("shipping_taxes"), f"{where}shipping_taxes"),
        status=_line_status(line, state, where, order_status, alerts),
        marketplace_status=state or "",
        refundable=line["can_refund"] if isinstance(line.get("can_refund"), bool) else None,
    )


def _line_status(
    line: Json, state: str | None, where: str, order_status: OrderStatus, alerts: list[str]
) -> OrderStatus:
    """A line's own state. An open incident says nothing about the parcel, so the line's dates do."""
    if state is None:
        alerts.append(f"{where}order_line_state is missing; the order's state is used")
        return order_status
    if state == INCIDENT:
        alerts.append(f"{where}order_line_state is {INCIDENT}")
        if instant(line.get("received_date"), f"{where}received_date") is not None:
            return OrderStatus.DELIVERED
        shipped = instant(line.get("shipped_date"), f"{where}shipped_date") is not None
        return OrderStatus.SHIPPED if shipped else OrderStatus.PREPARATION
    try:
        return STATUS_MAP[state]
    except KeyError:
        raise MappingError(
            f"{where}order_line_state", f"the state {state[:60]!r} is not known", "status_unknown"
        ) from None


def _prices(line: Json, where: str, quantity: int, alerts: list[str]) -> tuple[Decimal, Decimal]:
    """Unit and line price (`price` = unit × quantity, shipping excluded); one missing figure follows from the other."""
    unit = amount(line.get("price_unit"), f"{where}price_unit")
    price = amount(line.get("price"), f"{where}price")
    if unit is None and price is not None:
        unit = _divided(price, quantity, f"{where}price_unit")
        alerts.append(f"{where}price_unit is missing; {unit} follows from the line price")
    if unit is None:
        raise MappingError(f"{where}price_unit", "is missing, and so is the line price")
    if price is None:
        price = unit * quantity
        alerts.append(f"{where}price is missing; {price} follows from the unit price")
    if price != unit * quantity:
        alerts.append(f"{where}price is {price}, unit price times quantity is {unit * quantity}")
    return unit, price


def _divided(price: Decimal, quantity: int, field: str) -> Decimal:
    try:
        unit = price / quantity
    except (DivisionByZero, InvalidOperation):
        raise MappingError(field, "is missing and cannot follow from a quantity of 0") from None
    if unit * quantity != price:
        raise MappingError(field, "is missing and does not follow exactly from the line price")
    return unit


def _shipping(line: Json, where: str, alerts: list[str]) -> Decimal:
    shipping = amount(line.get("shipping_price"), f"{where}shipping_price")
    if shipping is None:
        alerts.append(f"{where}shipping_price is missing; 0 is used")
        return Decimal(0)
    return shipping


def _taxes(value: object, field: str) -> tuple[Tax, ...]:
    """Taxes of a line. The rule decides whether a refund must state the tax amount (Mirakl OR28, rule `NONE`)."""
    taxes: list[Tax] = []
    for index, tax in enumerate(objects(value)):
        paid = amount(tax.get("amount"), f"{field}[{index}].amount")
        if paid is None:
            continue
        taxes.append(
            Tax(
                code=required_text(tax, "code", f"{field}[{index}]."),
                amount=paid,
                rate=amount(tax.get("rate"), f"{field}[{index}].rate"),
                rule=text(tax.get("tax_calculation_rule")),
            )
        )
    return tuple(taxes)


def map_refunds(order: Json) -> tuple[ObservedRefund, ...]:
    """Refunds that Mirakl shows on the lines; `state` is the old name of `refund_state`."""
    found: list[ObservedRefund] = []
    for index, line in enumerate(objects(order.get("order_lines"))):
        for position, refund in enumerate(objects(line.get("refunds"))):
            where = f"order_lines[{index}].refunds[{position}]."
            found.append(
                ObservedRefund(
                    refund_reference=required_text(refund, "id", where),
                    line_id=required_text(line, "order_line_id", f"order_lines[{index}]."),
                    quantity=whole(refund.get("quantity") or 0, f"{where}quantity"),
                    amount=amount(refund.get("amount"), f"{where}amount") or Decimal(0),
                    shipping_amount=amount(refund.get("shipping_amount"), f"{where}shipping_amount") or Decimal(0),
                    state=text(refund.get("refund_state")) or text(refund.get("state")) or "",
                )
            )
    return tuple(found)
