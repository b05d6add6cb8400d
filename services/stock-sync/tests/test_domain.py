"""The sum behind an offer, pure: never oversold, never hidden without reason, every price fit to be sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.connections import StockSettings
from hub_contracts.status import OPEN, OrderStatus
from stock_sync.csvfile import read_levels
from stock_sync.domain import (
    Claim,
    Figures,
    Pushing,
    Shelf,
    calculate,
    claim_of,
    next_version,
    price_to_push,
    quantity_to_push,
    says_missing,
    withdrawn,
)
from stock_sync.prices import Price, sound_price
from stock_sync.serving import Account, Served, Serving, pass_through_pairs, serve

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
OPEN_CHANNEL = Pushing("", "")
MARKET, SHOP, OTHER = UUID(int=1), UUID(int=2), UUID(int=3)


@given(
    on_hand=st.integers(-50, 500),
    reserved=st.integers(0, 300),
    buffer=st.integers(-5, 50),
    cap=st.none() | st.integers(-1, 100),
)
def test_available_is_never_negative_never_above_what_is_free_nor_the_cap(
    on_hand: int, reserved: int, buffer: int, cap: int | None
) -> None:
    figures = calculate(Shelf(on_hand, NOW, reserved), StockSettings(buffer=buffer, max_listed=cap))
    free = on_hand - reserved - max(0, buffer)
    assert 0 <= figures.available <= max(0, free)
    assert figures.available == max(0, free) if cap is None else figures.available <= max(0, cap)
    if cap is not None and 0 < free <= cap:
        assert figures.available == free


@pytest.mark.parametrize("status", list(OrderStatus))
def test_every_status_claims_something(status: OrderStatus) -> None:
    assert (claim_of(status) is Claim.HOLD) == (status in OPEN)


def test_claims_of_orders_that_end() -> None:
    assert claim_of(OrderStatus.CANCELLED) is claim_of(OrderStatus.REFUSED) is Claim.RELEASED
    assert claim_of(OrderStatus.SHIPPED) is claim_of(OrderStatus.DELIVERED) is Claim.CONSUMED
    assert claim_of(OrderStatus.REFUNDING) is Claim.KEEP


@pytest.mark.parametrize(
    ("amount", "discount", "expected"),
    [
        ("10", None, ("10", None)),
        ("10", "8", ("10", "8")),
        ("10", "10", ("10", None)),
        ("10", "12", ("10", None)),
        ("10", "0", ("10", None)),
        ("0", None, None),
        ("-1", None, None),
    ],
)
def test_only_prices_that_may_be_sent_are_sound(
    amount: str, discount: str | None, expected: tuple[str, str | None] | None
) -> None:
    found = sound_price(Decimal(amount), Decimal(discount) if discount else None, "EUR")
    if expected is None:
        assert found is None
    else:
        assert found == Price(Decimal(expected[0]), Decimal(expected[1]) if expected[1] else None, "EUR")
        assert found.paid == Decimal(expected[1] or expected[0])


def figures(available: int = 5, *, known: bool = True, price: Price | None = None) -> Figures:
    return Figures(known, available, 0, 0, available, price, False)


def test_an_equal_fact_is_never_sent_twice_unless_asked() -> None:
    assert quantity_to_push(figures(5), None, OPEN_CHANNEL) == 5
    assert quantity_to_push(figures(5), 4, OPEN_CHANNEL) == 5
    assert quantity_to_push(figures(5), 5, OPEN_CHANNEL) is None
    assert quantity_to_push(figures(5), 5, OPEN_CHANNEL, again=True) == 5
    price = Price(Decimal("9.90"), None, "EUR")
    assert price_to_push(figures(price=price), Price(Decimal("9.9"), None, "EUR"), OPEN_CHANNEL) is None
    assert price_to_push(figures(price=price), Price(Decimal("9.9"), Decimal(9), "EUR"), OPEN_CHANNEL) == price


def test_a_stock_that_was_never_stated_is_never_sent_as_zero() -> None:
    assert quantity_to_push(figures(0, known=False), None, OPEN_CHANNEL, again=True) is None
    assert quantity_to_push(figures(0), None, OPEN_CHANNEL) == 0


def test_switched_off_means_nothing_is_sent() -> None:
    shut = Pushing("off", "off")
    price = Price(Decimal(1), None, "EUR")
    assert quantity_to_push(figures(5), None, shut, again=True) is None
    assert price_to_push(figures(price=price), None, shut, again=True) is None


def test_a_withdrawn_offer_is_sold_out() -> None:
    assert withdrawn(figures(7)).available == 0
    assert withdrawn(figures(7)).known


def test_versions_rise_even_when_the_clock_stands_or_the_tables_are_new() -> None:
    first = next_version(0, NOW)
    assert next_version(first, NOW) == first + 1
    assert next_version(0, NOW + timedelta(seconds=1)) > first + 1


@pytest.mark.parametrize(
    ("reason", "answer", "missing"),
    [
        ("item 404: OFFER_NOT_FOUND: offer not found", {}, True),
        ("There is no existing offer to update", {}, True),
        ("offer_sku: Mirakl shows no such offer", {}, True),
        ("whatever", {"http_code": 404}, True),
        ("price.amount: must be above 0", {"http_code": 400}, False),
    ],
)
def test_a_missing_offer_is_told_from_a_refused_one(reason: str, answer: dict[str, object], missing: bool) -> None:
    assert says_missing(reason, answer) is missing


def account(connection_id: UUID, kind: str = "shop", **changes: object) -> Account:
    values = {
        "connection_id": connection_id,
        "tenant": "t",
        "kind": kind,
        "environment": "sandbox",
        "pass_through": kind == "marketplace",
        "by_product_sku": False,
        "shops": (),
        "rules": "",
    }
    return Account(**(values | changes))  # type: ignore[arg-type]


def served_by(
    market: Account,
    *shops: Account,
    link: tuple[UUID, str] | None = None,
    stating: tuple[UUID, ...] = (),
    **more: object,
) -> Served | None:
    return serve(
        market,
        "A",
        link=link,
        product_sku=more.get("product_sku"),  # type: ignore[arg-type]
        accounts={each.connection_id: each for each in (market, *shops)},
        stating={"A": set(stating)},
        current=more.get("current"),  # type: ignore[arg-type]
    )


def test_a_link_goes_before_the_passed_through_sku() -> None:
    found = served_by(account(MARKET, "marketplace"), account(SHOP), link=(SHOP, "X"), stating=(SHOP,))
    assert found == Served(SHOP, "X", Serving.LINKED)


@pytest.mark.parametrize("change", [{"environment": "production"}, {"tenant": "other"}, {"kind": "marketplace"}])
def test_environments_and_tenants_never_mix(change: dict[str, str]) -> None:
    market, shop = account(MARKET, "marketplace"), account(SHOP, **change)
    found = served_by(market, shop, link=(SHOP, "X"))
    assert found is not None
    assert found.serving is Serving.MISMATCH
    assert served_by(market, shop, stating=(SHOP,)) is None
    assert pass_through_pairs([market, shop], {(SHOP, "A")}) == set()


def test_of_several_shops_routing_decides_then_habit_then_always_the_same() -> None:
    shops = (account(SHOP), account(OTHER))
    market = account(MARKET, "marketplace")
    habit = Served(OTHER, "A", Serving.PASS_THROUGH)
    prefers = account(MARKET, "marketplace", shops=(OTHER, SHOP))
    both = (SHOP, OTHER)
    assert served_by(market, *shops, stating=both) == Served(SHOP, "A", Serving.PASS_THROUGH)
    assert served_by(market, *shops, stating=both, current=habit) == habit
    assert served_by(prefers, *shops, stating=both) == habit
    assert served_by(prefers, *shops, stating=(SHOP,)) == Served(SHOP, "A", Serving.PASS_THROUGH)
    assert served_by(market, *shops) is None
    assert served_by(market, shops[0]) == Served(SHOP, "A", Serving.PASS_THROUGH)


def test_losing_a_link_sells_out_and_losing_a_setting_freezes() -> None:
    linked, passed = Served(SHOP, "X", Serving.LINKED), Served(SHOP, "A", Serving.PASS_THROUGH)
    strict = account(MARKET, "marketplace", pass_through=False)
    assert served_by(strict, account(SHOP), current=linked) == Served(SHOP, "X", Serving.WITHDRAWN)
    assert served_by(strict, account(SHOP), current=passed) == Served(SHOP, "A", Serving.UNSERVED)
    assert served_by(account(MARKET, "marketplace"), account(SHOP), current=linked) == passed


def test_the_products_sku_may_be_the_shops() -> None:
    market = account(MARKET, "marketplace", by_product_sku=True)
    assert served_by(market, account(SHOP)) is None
    assert served_by(market, account(SHOP), product_sku="P") == Served(SHOP, "P", Serving.PASS_THROUGH)


def rules(data: bytes) -> list[tuple[int, str]]:
    return [(error.row, error.column) for error in read_levels(data, {SHOP})[1]]


def test_a_sound_file_is_read_in_every_usual_form() -> None:
    row = f"{SHOP},A,3,lyon"
    for text in (
        f"shop_connection_id,shop_sku,quantity,warehouse\n{row}\n",
        f"\ufeffshop_connection_id;shop_sku;quantity;warehouse\r\n{row.replace(',', ';')}\r\n\r\n",
    ):
        levels, errors = read_levels(text.encode(), {SHOP})
        assert errors == []
        assert [(each.shop_sku, each.quantity, each.warehouse) for each in levels] == [("A", 3, "lyon")]
    levels, errors = read_levels(f'quantity,shop_sku,shop_connection_id\n0,"a,b",{SHOP}\n'.encode(), {SHOP})
    assert not errors
    assert levels[0].shop_sku == "a,b"


def test_every_broken_rule_is_named_with_row_and_column() -> None:
    head = "shop_connection_id,shop_sku,quantity,warehouse\n"
    body = f"{OTHER},A,1,\nnope,A,1,\n{SHOP},,1,\n{SHOP},A,-1,\n{SHOP},A,1.5,\n{SHOP},B,99999999999,\n{SHOP},C,1\n"
    body += f"{SHOP},D,1,x\n{SHOP},D,2,x\n{SHOP},E\x01,1,\n"
    assert rules((head + body).encode()) == [
        (2, "shop_connection_id"),
        (3, "shop_connection_id"),
        (4, "shop_sku"),
        (5, "quantity"),
        (6, "quantity"),
        (7, "quantity"),
        (8, ""),
        (10, "shop_sku"),
        (11, "shop_sku"),
    ]
    assert rules(b"") == [(1, "shop_connection_id"), (1, "shop_sku"), (1, "quantity")]
    assert rules(b"shop_connection_id,shop_sku,quantity,colour\n") == [(1, "colour")]
    assert rules(head.encode() + b"\xff\xfe") == [(2, "")]
    assert rules(head.encode() + b'"open\n') == [(0, "")]


@given(data=st.binary(max_size=300))
def test_no_file_makes_the_reader_fail(data: bytes) -> None:
    read_levels(data, {SHOP})
