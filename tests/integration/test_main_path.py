"""Some two dozen orders of two marketplaces, from the first poll to what both sides hold in the end.

What must not happen between the services of a real hub, whatever each does well alone: an order that gets stuck, is
done twice, or ends somewhere that nobody can explain.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from hub_tools.demo.outside import REFUSED
from hub_tools.demo.setting import PRICES, SHOP_NAME, SOLD_OUT
from hub_tools.run.api import ApiError

from .hub import Event, Hub, eventually, of_type, references

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]

MARKETPLACES = ("manomano", "mirakl")
RETURNED, WITHDRAWN, STATED = "RETURN-01", "CANCEL-01", "STATED-01"
OUT_OF_STOCK = "35"
"""The simulated operator's reason for a cancellation by the seller."""


@dataclass
class Played:
    """What buyers ordered, by what was to become of it."""

    ordinary: list[tuple[str, str]] = field(default_factory=list)
    returned: dict[str, str] = field(default_factory=dict)
    refused: str = ""
    withdrawn: str = ""

    def everything(self) -> set[tuple[str, str]]:
        """(marketplace, reference) of all of them."""
        return {
            *self.ordinary,
            *self.returned.items(),
            ("manomano", self.refused),
            ("mirakl", self.withdrawn),
        }


@pytest.fixture(scope="module")
def played(hub: Hub) -> Played:
    """24 orders, played to their end: shipped, refused, withdrawn or given back."""
    _special_shops(hub)
    played, skus = Played(), sorted(PRICES)
    for number in range(20):
        lines = [(skus[(number + step) % len(skus)], 1 + (number + step) % 3) for step in range(1 + number % 3)]
        connector = MARKETPLACES[number % 2]
        played.ordinary.append((connector, hub.buy(connector, *lines)[0]))
    for connector in MARKETPLACES:
        played.returned[connector] = hub.buy(connector, (RETURNED, 1))[0]
    played.refused = hub.buy("manomano", (SOLD_OUT, 1))[0]
    played.withdrawn = hub.buy("mirakl", (WITHDRAWN, 2))[0]
    assert len(played.everything()) == 24
    for connector, reference in played.ordinary:
        hub.shows(hub.setting.connections[connector], reference, "SHIPPED")
    return played


def _special_shops(hub: Hub) -> None:
    """A shop whose buyers send everything back, and one that withdraws every order; rules route to them by SKU."""
    hub.shop("gets-it-back", RETURNED, return_every_n=1, return_after_seconds=0.3)
    hub.shop("withdraws", WITHDRAWN, cancel_every_n=1)
    shops = {RETURNED: "gets-it-back", WITHDRAWN: "withdraws"}
    ids = {sku: hub.scripts[name]["connection_id"] for sku, name in shops.items()}
    links = [{"offer_sku": sku, "shop_connection_id": shop, "shop_sku": sku} for sku, shop in ids.items()]
    mirakl = f"/v1/connections/{hub.setting.connections['mirakl']}"
    hub.registry.put(f"{mirakl}/sku-links", {"links": links})
    hub.registry.patch(mirakl, {"settings": {"refunds": {"cancel_default_reason": OUT_OF_STOCK}}})
    for connector in MARKETPLACES:
        _route(hub, connector, ids)
        hub.has_stock(hub.setting.connections[connector], *ids)


def _route(hub: Hub, connector: str, shops: dict[str, str]) -> None:
    """Put rules before those that a connection has: this SKU goes to this shop."""
    path = f"/v1/connections/{hub.setting.connections[connector]}"
    rules = hub.registry.get(path)["settings"]["routing"]
    special = [{"name": sku, "sku_prefixes": [sku], "shop_connection_id": shop} for sku, shop in shops.items()]
    hub.registry.patch(path, {"settings": {"routing": special + rules}})


def test_every_order_ends_as_its_buyer_would_expect(hub: Hub, played: Played) -> None:
    hub.shows(hub.setting.connections["manomano"], played.refused, "REFUSED")
    hub.shows(hub.setting.connections["mirakl"], played.withdrawn, "CANCELLED")
    outside = hub.outside()
    assert set(played.ordinary) <= outside.shipped()
    assert outside.statuses["manomano", played.refused] in REFUSED
    assert outside.statuses["mirakl", played.withdrawn] in REFUSED


def test_some_orders_go_in_several_parcels_and_the_marketplace_hears_of_each(hub: Hub, played: Played) -> None:
    split: dict[str, int] = {}
    for connector, reference in played.ordinary:
        story = hub.story(hub.setting.connections[connector], reference)
        told = [sum(line["quantity"] for line in parcel["lines"]) for parcel in story["parcels"]]
        assert sum(told) == sum(line["quantity"] for line in story["order"]["lines"]), reference
        assert all(parcel["marketplace_knows"] for parcel in story["parcels"]), reference
        split[connector] = max(split.get(connector, 0), len(told))
    assert max(split.values()) == 2, split
    assert hub.outside().split_orders >= 1


def test_an_order_for_what_is_sold_out_is_refused_with_its_reason(hub: Hub, played: Played) -> None:
    story = hub.story(hub.setting.connections["manomano"], played.refused)
    (decision,) = story["decisions"]
    failed = [rule["rule"] for rule in decision["rules"] if rule["outcome"] == "failed"]
    assert (decision["decision"], failed) == ("refuse", ["stock_available"])
    assert [entry["kind"] for entry in hub.record("manomano") if entry["reference"] == played.refused] == ["refuse"]
    assert story["routes"] == []


@pytest.mark.parametrize("connector", MARKETPLACES)
def test_a_return_becomes_one_refund_at_its_marketplace(hub: Hub, played: Played, connector: str) -> None:
    reference = played.returned[connector]
    connection_id = hub.setting.connections[connector]

    def confirmed() -> list[Event]:
        return of_type(hub.story(connection_id, reference), "refund.confirmed.v1")

    (refund,) = eventually(confirmed, f"the refund of {reference} is confirmed")
    assert hub.outside().refunds_by_order[reference] == 1
    stages = [event["data"]["stage"] for event in of_type(hub.story(connection_id, reference), "return.reported.v1")]
    assert stages == ["created", "received"]
    (line,) = refund["data"]["lines"]
    assert (line["quantity"], Decimal(line["amount"])) == (1, Decimal("10.00"))
    money = hub.story(connection_id, reference)["money"]
    assert [len(money[name]) for name in ("refunds_requested", "refunds_confirmed", "refunds_rejected")] == [1, 1, 0]
    if connector == "manomano":
        # The other one still owes the shipping fee of 5.90, so its order stays SHIPPED.
        hub.shows(connection_id, reference, "REFUNDED")


def test_a_shop_that_withdraws_an_order_cancels_it_before_shipping(hub: Hub, played: Played) -> None:
    """The buyer has been debited by then, so the lines are cancelled with a reason (Mirakl OR30)."""
    connection_id = hub.setting.connections["mirakl"]
    hub.shows(connection_id, played.withdrawn, "CANCELLED")
    kinds = [entry["kind"] for entry in hub.record("mirakl") if references([entry]) == {played.withdrawn}]
    assert kinds == ["accept", "cancel"]
    (order,) = hub.shop_orders("withdraws")
    assert (order["state"] in ("withdrawn", "cancelled"), order["parcels"]) == (True, [])
    story = hub.story(connection_id, played.withdrawn)
    assert len(of_type(story, "cancellation.confirmed.v1")) == 1
    assert of_type(story, "shipment.notified.v1") == []


def test_an_order_is_cancelled_whole_while_the_buyer_is_not_debited(hub: Hub) -> None:
    """An operator calls off an accepted order that waits for its debit (Mirakl OR29)."""
    connection_id = hub.setting.connections["mirakl"]
    # The operator's clock is ahead, so the debit of this order does not come while the test looks at it.
    later = (datetime.now(UTC) + timedelta(minutes=30)).isoformat()
    (reference,) = hub.buy("mirakl", ("COQUE-NOIR", 1), status="WAITING_DEBIT", created_at=later)
    row = hub.shows(connection_id, reference, "ACCEPTED")
    path = f"/v1/orders/{row['order_id']}/cancellation"

    def asked() -> bool:
        try:
            hub.cluster.api("refund-service").post(path, {})
        except ApiError as error:
            if error.status != 404:
                raise
            return False
        return True

    eventually(asked, "refund-service knows the order and takes the cancellation")
    hub.shows(connection_id, reference, "CANCELLED")
    assert hub.status("mirakl", reference) == "CANCELED"
    assert [entry["kind"] for entry in hub.record("mirakl") if references([entry]) == {reference}] == ["cancel"]
    assert not [order for order in hub.shop_orders(SHOP_NAME) if order["order_number"] == row["order_number"]]


def test_stock_and_prices_of_a_shop_arrive_at_both_marketplaces(hub: Hub, played: Played) -> None:
    """What a shop states for the first time, and what it states afterwards."""
    shop = hub.shop("states", STATED, stock={STATED: 777}, prices={STATED: "12.34"})
    link = {"offer_sku": STATED, "shop_connection_id": shop, "shop_sku": STATED}
    hub.registry.put(f"/v1/connections/{hub.setting.connections['mirakl']}/sku-links", {"links": [link]})
    for connector in MARKETPLACES:
        _route(hub, connector, {STATED: shop})

    def shown() -> tuple[set[int], set[Decimal]]:
        ours = hub.state("mirakl")["offers"][STATED]
        theirs = hub.state("manomano")["offers"][f"11781522:{STATED}"]
        prices = {Decimal(theirs["price"]), *(Decimal(price) for price in ours["prices"].values())}
        return {ours["quantity"], theirs["stock"]}, prices

    eventually(lambda: shown() == ({777}, {Decimal("12.34")}), "both marketplaces show 777 units at 12.34")
    hub.behave("states", stock={STATED: 555})
    eventually(lambda: shown()[0] == {555}, "both marketplaces show 555 units")


@pytest.mark.parametrize("connector", MARKETPLACES)
def test_the_story_of_an_order_explains_it(hub: Hub, played: Played, connector: str) -> None:
    """Decision with its rules, route, parcels, and each step with the step that caused it."""
    reference = next(ref for market, ref in played.ordinary if market == connector)
    story = hub.story(hub.setting.connections[connector], reference)
    (decision,) = story["decisions"]
    assert (decision["decision"], decision["decided_by"]) == ("accept", "policy")
    assert {rule["outcome"] for rule in decision["rules"]} <= {"passed", "skipped"}
    assert {"stock_available", "price_within_tolerance"} <= {rule["rule"] for rule in decision["rules"]}
    (route,) = story["routes"]
    assert route["shop_connection_id"] == hub.setting.connections["generic_shop"]
    assert {parcel["mapped_by"] for parcel in story["parcels"]} <= {"name", "default", "code", "explicit"}
    assert (story["status"], story["parked"], story["doubts"]) == ("SHIPPED", [], [])
    timeline = story["timeline"]
    told = _causes(timeline, of_type(story, "shipment.notified.v1")[0])
    assert told == ["parcel.handed_over.v1", "parcel.carrier_mapped.v1", "shipment.notified.v1"]
    accepted = _causes(timeline, of_type(story, "order.accepted.v1")[0])
    assert (accepted[0], accepted[-1]) == ("order.received.v1", "order.accepted.v1")
    created = _causes(timeline, of_type(story, "shop_order.created.v1")[0])
    released = "order.accepted.v1" if connector == "manomano" else "order.status_changed.v1"
    assert created[-3:] == [released, "order.routed.v1", "shop_order.created.v1"]
    assert len({event["traceparent"].split("-")[1] for event in story["timeline"]}) == 1


def _causes(timeline: list[Event], event: Event) -> list[str]:
    """Types from the first cause to an event."""
    by_number = {each["number"]: each for each in timeline}
    chain = [event["type"]]
    while event["caused_by"] is not None:
        event = by_number[event["caused_by"]]
        chain.append(event["type"])
    return chain[::-1]


def test_nothing_is_done_twice_lost_or_left_unexplained(hub: Hub, played: Played) -> None:
    outside = hub.outside()
    assert outside.doubles() == []
    assert {reference: count for reference, count in outside.refunds_by_order.items() if count != 1} == {}
    invented = played.everything()
    known = {
        (connector, reference)
        for connector in MARKETPLACES
        for reference in hub.orders(hub.setting.connections[connector])
    }
    assert invented <= known
    unexplained = hub.console.get("/v1/unexplained?older_than_seconds=0")["items"]
    assert [
        row["reference"] for row in unexplained if row["reference"] in {reference for _, reference in invented}
    ] == []
    letters = {name: hub.cluster.api(name).get("/v1/operations/dead-letters")["items"] for name in hub.cluster.specs}
    assert {name: found for name, found in letters.items() if found} == {}
