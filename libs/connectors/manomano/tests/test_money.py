"""Money of orders: exact to the cent, whichever of the two price fields is meant, and contradictions are told."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from connector_kit.capabilities import MappedOrder, RawOrder
from connector_kit.exact_json import exact_json
from connector_manomano.mapping import map_order
from connector_manomano.settings import Settings
from hub_contracts.orders import Environment

from .conftest import CONNECTION, order_body

CENTS = st.decimals(min_value="0.01", max_value="99999.99", places=2)
LINES = st.lists(st.tuples(CENTS, st.integers(min_value=1, max_value=500), CENTS), min_size=1, max_size=6)


def money(amount: Decimal, as_text: bool) -> dict[str, Any]:
    return {"amount": format(amount, "f") if as_text else amount, "currency": "EUR"}


def mapped(body: dict[str, Any]) -> MappedOrder:
    raw = RawOrder("", exact_json(body).encode())
    settings = Settings.read({"seller_contract_id": 11781522, "country": "FR"})
    return map_order(raw, connection_id=CONNECTION, environment=Environment.SANDBOX, settings=settings)


def order(
    lines: list[tuple[Decimal, int, Decimal]], off: Decimal = Decimal(0), *, texts: bool = False, rival: str = "same"
) -> dict[str, Any]:
    """An order whose `products_price` is `off` away from Σ(unit × quantity). `rival`: what the other field says."""
    products = sum((unit * quantity for unit, quantity, _ in lines), Decimal(0)) + off
    shipping = sum((quantity * each for _, quantity, each in lines), Decimal(0))
    body = order_body(
        products_price=money(products, texts),
        shipping_price=money(shipping, texts),
        total_price=money(products + shipping, texts),
        total_discount=...,
    )
    body["products"] = [
        {
            "seller_sku": f"S{at}",
            "quantity": quantity,
            "price": money(unit, texts) if rival != "other_is_right" else money(unit + 1, texts),
            "product_price": money(unit, texts) if rival != "missing" else None,
            "shipping_price": money(each, texts),
            "sum_shipping_price": money(each * quantity, texts),
        }
        for at, (unit, quantity, each) in enumerate(lines)
    ]
    return body


@given(LINES, st.booleans(), st.sampled_from(["same", "missing", "other_is_right"]))
def test_what_adds_up_arrives_exactly(lines: list[tuple[Decimal, int, Decimal]], texts: bool, rival: str) -> None:
    snapshot = mapped(order(lines, texts=texts, rival=rival)).snapshot
    assert snapshot.products_price == sum(line.line_price.amount for line in snapshot.lines)
    assert snapshot.shipping_price == sum(line.shipping_price.amount for line in snapshot.lines)
    assert snapshot.total_price == snapshot.products_price + snapshot.shipping_price
    assert [line.unit_price.amount for line in snapshot.lines] == [unit for unit, _, _ in lines]
    told = ("price and product_price differ; product_price was taken as unit price",)
    assert snapshot.data_alerts == (told if rival == "other_is_right" else ())


@given(LINES, st.decimals(min_value="0.01", max_value="50", places=2))
def test_lines_that_do_not_add_up_are_told(lines: list[tuple[Decimal, int, Decimal]], off: Decimal) -> None:
    [alert] = mapped(order(lines, off)).snapshot.data_alerts
    stated = sum((unit * quantity for unit, quantity, _ in lines), Decimal(0)) + off
    assert alert.endswith(f"products_price says {stated} EUR")


@given(CENTS)
def test_a_total_that_is_not_its_parts_is_told(off: Decimal) -> None:
    body = order([(Decimal("10.00"), 2, Decimal("1.00"))])
    body["total_price"] = money(Decimal("22.00") + off, as_text=False)
    [alert] = mapped(body).snapshot.data_alerts
    assert alert.startswith("total_price ")


def test_a_discount_may_or_may_not_be_taken_off_the_total() -> None:
    """Which of both is true is not public, so neither is an alarm; anything else is."""
    for total, alerts in (("22.00", 0), ("20.00", 0), ("21.00", 1)):
        body = order([(Decimal("10.00"), 2, Decimal("1.00"))])
        body |= {"total_discount": money(Decimal("2.00"), False), "total_price": money(Decimal(total), True)}
        snapshot = mapped(body).snapshot
        assert (len(snapshot.data_alerts), snapshot.total_price) == (alerts, Decimal(total))


def test_no_amount_passes_through_a_binary_fraction() -> None:
    body = json.loads(exact_json(order([(Decimal("0.10"), 3, Decimal("0.00"))])), parse_float=Decimal)
    assert mapped(body).snapshot.products_price == Decimal("0.30")
