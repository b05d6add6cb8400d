"""Pure decisions: every line is either served once or waited for, and nothing is sent to a shop it must not reach."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.base import Money
from hub_contracts.connections import ConnectionState, RoutingRule, SkuSettings
from hub_contracts.orders import Environment, OrderLine, OrderSnapshot
from hub_contracts.status import OrderStatus
from order_router.domain import Choice, Facts, Link, Shop, decide
from order_router.matching import Match, fold, match
from order_router.telling import routes_of

NOW = datetime(2026, 11, 2, 9, 0, tzinfo=UTC)
SPACE = UUID(int=1)
IDS = [uuid5(SPACE, str(number)) for number in range(4)]
SKUS = ["A", "AB", "B", "LAMP-1"]


def line(sku: str, number: int = 1, quantity: int = 1) -> OrderLine:
    price = Money(amount=Decimal(10), currency="EUR")
    return OrderLine(
        line_id=f"L{number}",
        offer_sku=sku,
        quantity=quantity,
        unit_price=price,
        line_price=price.times(quantity),
        shipping_price=price,
        status=OrderStatus.PREPARATION,
        marketplace_status="SHIPPING",
    )


def order(*lines: OrderLine, country: str | None = "FR", channel: str | None = None) -> OrderSnapshot:
    return OrderSnapshot(
        order_id=uuid5(SPACE, "order"),
        connection_id=uuid5(SPACE, "market"),
        connector="somewhere",
        environment=Environment.SANDBOX,
        marketplace_reference="M1",
        order_number="M1",
        channel=channel,
        status=OrderStatus.PREPARATION,
        marketplace_status="SHIPPING",
        currency="EUR",
        products_price=Decimal(10),
        shipping_price=Decimal(0),
        total_price=Decimal(10),
        lines=lines,
        destination_country=country,
        created_at=NOW,
        marketplace_updated_at=NOW,
    )


@pytest.mark.parametrize(
    ("conditions", "country", "channel", "expected"),
    [
        ({}, None, None, Match.YES),
        ({"countries": ("FR", "ES")}, "es", None, Match.YES),
        ({"countries": ("fr",)}, "FR", None, Match.YES),
        ({"countries": ("FR",)}, "DE", None, Match.NO),
        ({"countries": ("FR",)}, None, None, Match.UNKNOWN),
        ({"countries": ("FR",), "sku_prefixes": ("X",)}, None, None, Match.NO),
        ({"channels": ("PIX-FR",)}, "FR", "pix-fr", Match.YES),
        ({"channels": ("PIX-FR",)}, "FR", None, Match.NO),
        ({"sku_prefixes": ("LAM", "TAB")}, "FR", None, Match.YES),
        ({"sku_prefixes": ("lam",)}, "FR", None, Match.NO),
    ],
)
def test_a_rule_matches_when_all_its_conditions_hold(
    conditions: dict[str, tuple[str, ...]], country: str | None, channel: str | None, expected: Match
) -> None:
    rule = RoutingRule(name="r", shop_connection_id=IDS[0], **conditions)
    subject = line("LAMP-1")
    assert match(rule, order(subject, country=country, channel=channel), subject)[0] is expected


def test_folding_finds_near_skus_and_keeps_different_ones_apart() -> None:
    assert fold("Lum-0042 É") == fold("LUM0042E") == "lum0042e"
    assert fold("ﬁn-1") == fold("FIN 1")
    assert fold("A-1") != fold("A-11")
    assert fold("--") == ""


def test_a_rule_wins_over_the_link_and_the_link_is_told_as_lost() -> None:
    shops = {IDS[n]: Shop(IDS[n], Environment.SANDBOX, ConnectionState.ACTIVE, f"S{n}") for n in (0, 1)}
    facts = Facts(
        SkuSettings(link_mode="linked"),
        [RoutingRule(name="r", shop_connection_id=IDS[1])],
        shops,
        links={"A": Link(IDS[0], "SA")},
    )
    verdict = decide(order(line("A")), [line("A")], facts)
    assert [(s.shop_connection_id, s.shop_sku) for s in verdict.served] == [(IDS[1], "SA")]
    assert [(o.option, o.why_not) for o in verdict.losing_options] == [
        (f"linked shop S0 ({IDS[0]})", "rule r comes first")
    ]


RULES = st.lists(
    st.builds(
        RoutingRule,
        name=st.sampled_from(["r1", "r2"]),
        shop_connection_id=st.sampled_from(IDS),
        warehouse=st.sampled_from([None, "w"]),
        countries=st.sampled_from([(), ("FR",), ("ES",)]),
        sku_prefixes=st.sampled_from([(), ("A",), ("LAMP",)]),
    ),
    max_size=4,
)
SHOPS = st.lists(
    st.builds(Shop, st.sampled_from(IDS), st.sampled_from(Environment), st.sampled_from(ConnectionState), st.just("S")),
    max_size=4,
)
FACTS = st.builds(
    Facts,
    sku=st.builds(SkuSettings, link_mode=st.sampled_from(["unset", "linked", "pass_through"])),
    rules=RULES,
    shops=SHOPS.map(lambda shops: {shop.shop_connection_id: shop for shop in shops}),
    links=st.dictionaries(st.sampled_from(SKUS), st.builds(Link, st.sampled_from(IDS), st.just("X"))),
    stock=st.dictionaries(st.tuples(st.sampled_from(IDS), st.sampled_from(SKUS)), st.integers(0, 9)),
    choices=st.dictionaries(
        st.sampled_from(["L0", "L1"]),
        st.builds(Choice, st.sampled_from(IDS), st.just("me"), st.just("why"), shop_sku=st.sampled_from([None, "Y"])),
    ),
)


@given(FACTS, st.lists(st.tuples(st.sampled_from(SKUS), st.integers(1, 5)), min_size=1, max_size=4))
def test_every_line_is_served_once_by_a_shop_that_may_or_is_waited_for(
    facts: Facts, wanted: list[tuple[str, int]]
) -> None:
    lines = [line(sku, number, quantity) for number, (sku, quantity) in enumerate(wanted)]
    subject = order(*lines)
    verdict = decide(subject, lines, facts)
    served = [each.line.line_id for each in verdict.served]
    waited = [wait.line_id for wait in verdict.waits]
    assert len(set(served)) == len(served)
    if "" not in waited:
        assert sorted(served + waited) == [each.line_id for each in lines]
    for each in verdict.served:
        shop = facts.shops[each.shop_connection_id]
        assert shop.environment is Environment.SANDBOX
        assert shop.state is not ConnectionState.INACTIVE
    routes = routes_of(subject, verdict)
    assert len({route.route_id for route in routes}) == len(routes)
    assert sum(x.quantity for route in routes for x in route.lines) == sum(s.line.quantity for s in verdict.served)
    assert decide(subject, lines, facts) == verdict
