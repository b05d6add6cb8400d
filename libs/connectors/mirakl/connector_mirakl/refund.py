"""Giving money back (OR28) and cancelling (OR29, OR30), and finding out whether a doubtful call did it.

Two identical OR28 calls are two refunds while money is left on the line. A doubtful one is therefore compared with the
refunds that Mirakl shows, less those that it showed before (`known_refunds`).
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappingError
from connector_kit.http import BadAnswer, CallError
from connector_kit.outcome import Outcome
from connector_kit.requests import CancelOrder, RefundLineRequest, RefundOrder, RefundTax
from connector_mirakl.client import MiraklClient, order_path
from connector_mirakl.errors import outcome_of_error, outcome_of_refusal
from connector_mirakl.wire import Json, amount, as_object, objects, text
from hub_contracts.orders import TaxMode

TAX_MODE_WORDS = {TaxMode.INCLUDED: "TAX_INCLUDED", TaxMode.EXCLUDED: "TAX_EXCLUDED"}


class MoneyBack:
    """Capabilities `refund` and `cancel` of one connection, the sending half. One order per call: no per-item error
    list is documented, so one bad line would take other orders with it."""

    def __init__(self, client: MiraklClient) -> None:
        self._client = client

    async def refund(self, requests: Sequence[RefundOrder]) -> list[Outcome]:
        """One outcome per refund, in order."""
        return [await self._refund(request) for request in requests]

    async def cancel(self, requests: Sequence[CancelOrder]) -> list[Outcome]:
        """One outcome per cancellation, in order. No lines: the whole order (OR29); else those lines (OR30)."""
        return [await (self._cancel_lines(r) if r.lines else self._cancel_whole(r)) for r in requests]

    async def _refund(self, request: RefundOrder) -> Outcome:
        problem = _problem(request.lines)
        if problem is not None:
            return Outcome.rejected(problem)
        body = {
            "order_tax_mode": TAX_MODE_WORDS[request.tax_mode],
            "refunds": [_item(line, request.currency) for line in request.lines],
        }
        try:
            answer = await self._client.send("refund", "PUT", "/api/orders/refund", json=body)
            if answer.status != 200:
                return outcome_of_refusal(answer, self._client.explain(answer))
            echoed = objects(as_object(answer.json(), "OR28").get("refunds"))
            return read_echo(echoed, request.lines, "refund_id")
        except CallError as error:
            return outcome_of_error(error)

    async def _cancel_whole(self, request: CancelOrder) -> Outcome:
        try:
            answer = await self._client.send("cancel", "PUT", order_path(request.order_reference, "cancel"))
        except CallError as error:
            return outcome_of_error(error)
        if answer.status == 204:
            return Outcome.done(status=204)
        return outcome_of_refusal(answer, self._client.explain(answer))

    async def _cancel_lines(self, request: CancelOrder) -> Outcome:
        problem = _problem(request.lines)
        if problem is not None:
            return Outcome.rejected(problem)
        body = {
            "order_tax_mode": TAX_MODE_WORDS[request.tax_mode],
            "cancelations": [_item(line, request.currency) for line in request.lines],
        }
        try:
            answer = await self._client.send("cancel", "PUT", "/api/orders/cancel", json=body)
            if answer.status != 200:
                return outcome_of_refusal(answer, self._client.explain(answer))
            echoed = objects(as_object(answer.json(), "OR30").get("cancelations"))
            return read_echo(echoed, request.lines, "cancelation_id")
        except CallError as error:
            return outcome_of_error(error)


def _problem(lines: Sequence[RefundLineRequest]) -> str | None:
    """What must never be sent: nothing at all, or a negative amount."""
    if not lines:
        return "lines: at least one line is needed"
    for line in lines:
        if line.amount < 0 or line.shipping_amount < 0:
            return f"lines: amounts of line {line.line_id} must not be negative"
    return None


def _item(line: RefundLineRequest, currency: str) -> Json:
    """One line of OR28 or OR30. `amount` excludes shipping; taxes only where Mirakl does not prorate them."""
    item: dict[str, Any] = {
        "order_line_id": line.line_id,
        "quantity": line.quantity,
        "amount": line.amount,
        "shipping_amount": line.shipping_amount,
        "reason_code": line.reason_code,
        "currency_iso_code": currency,
    }
    if line.taxes:
        item["taxes"] = [_tax(tax) for tax in line.taxes]
    if line.shipping_taxes:
        item["shipping_taxes"] = [_tax(tax) for tax in line.shipping_taxes]
    return item


def _tax(tax: RefundTax) -> Json:
    return {"code": tax.code, "amount": tax.amount}


def read_echo(echoed: list[Json], lines: Sequence[RefundLineRequest], id_name: str) -> Outcome:
    """Find every line in the answer; a line that is missing or has no id makes the whole unknown, never done."""
    left = list(echoed)
    references: list[str] = []
    for line in lines:
        found = next((item for item in left if same_money(item, line, "order_line_id")), None)
        reference = text(found.get(id_name)) if found else None
        if found is None or reference is None:
            return Outcome.unknown(f"the answer does not show line {line.line_id}", echoed=len(echoed))
        left.remove(found)
        references.append(reference)
    return Outcome.done(references=references)


def same_money(shown: Json, line: RefundLineRequest, id_name: str | None = None) -> bool:
    """Whether a refund or cancelation that Mirakl shows has this line's money (quantity is informative only).

    Raises `BadAnswer` for amounts that are no numbers.
    """
    if id_name is not None and text(shown.get(id_name)) != line.line_id:
        return False
    try:
        money = amount(shown.get("amount"), "amount") or Decimal(0)
        shipping = amount(shown.get("shipping_amount"), "shipping_amount") or Decimal(0)
    except MappingError as error:
        raise BadAnswer(f"a shown refund is unreadable: {error}") from None
    return money == line.amount and shipping == line.shipping_amount
