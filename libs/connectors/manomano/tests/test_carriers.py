"""Carriers by exact name, and the tracking link that every parcel needs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from connector_kit.outcome import OutcomeState
from connector_manomano.carriers import CARRIER_NAMES, nearest
from connector_manomano.tracking import COUNTRY_LINKS, LINKS, link_problem, template_problem, tracking_link

from .conftest import World, parcel

DONE, REJECTED = OutcomeState.DONE, OutcomeState.REJECTED


def accepted(world: World) -> str:
    return world.order(status="PREPARATION", skus=[{"sku": "A", "price": "10.00", "quantity": 1}])


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("gls", "GLS"),
        ("Colis Prive", "Colis Privé"),
        ("colisprivé", "Colis Privé"),
        ("FedEx", "Fedex"),
        ("UPS Standard", "UPS"),
        ("Mondial-Relay", "Mondial Relay"),
        ("Prevote", "Prévoté"),
    ],
)
async def test_an_unknown_spelling_is_not_sent_and_the_nearest_is_named(world: World, name: str, near: str) -> None:
    [outcome] = await world.connect().ship([parcel(accepted(world), whole=True, carrier_name=name)])
    assert (outcome.state, world.http.calls) == (REJECTED, [])
    assert repr(name) in outcome.reason
    assert near in outcome.reason
    assert nearest(name)[0] == near


async def test_a_name_that_resembles_nothing_gets_no_suggestion(world: World) -> None:
    [outcome] = await world.connect().ship([parcel("M1", whole=True, carrier_name="Qzx!")])
    assert outcome.state == REJECTED
    assert "nearest" not in outcome.reason
    assert nearest("") == nearest("!") == []


async def test_every_name_of_the_list_is_taken(world: World) -> None:
    orders = [accepted(world) for _ in CARRIER_NAMES]
    parcels = [parcel(order, whole=True, carrier_name=name) for order, name in zip(orders, CARRIER_NAMES, strict=True)]
    outcomes = await world.connect().ship(parcels)
    assert {outcome.state for outcome in outcomes} == {DONE}
    assert [item["carrier"] for call in world.http.calls for item in call.json] == list(CARRIER_NAMES)


async def test_other_carriers_go_out_as_other_where_that_is_allowed(make_world: Callable[..., World]) -> None:
    world = make_world(other_carrier=True)
    connection = world.connect(allow_other_carrier=True)
    first, second = accepted(world), accepted(world)
    outcomes = await connection.ship(
        [
            parcel(first, whole=True, carrier_name="Camions Testa"),
            parcel(second, whole=True, carrier_name="Camions Testa", tracking_url=None),
        ]
    )
    assert [outcome.state for outcome in outcomes] == [DONE, REJECTED]
    assert outcomes[0].answer["carrier"] == "Other"
    assert [item["carrier"] for item in world.http.calls[0].json] == ["Other"]
    [refused] = await world.connect().ship([parcel(second, whole=True, carrier_name="Other")])
    assert refused.state == REJECTED


async def test_a_link_is_always_sent_and_an_odd_number_cannot_change_it(world: World) -> None:
    order = accepted(world)
    request = parcel(order, whole=True, carrier_name="UPS", tracking_number="1Z/9&x=?{n}", tracking_url=None)
    [outcome] = await world.connect().ship([request])
    link = "https://www.ups.com/track?tracknum=1Z%2F9%26x%3D%3F%7Bn%7D"
    assert (outcome.state, outcome.answer["tracking_url"]) == (DONE, link)
    assert world.http.calls[0].json[0]["tracking_url"] == link


async def test_the_link_of_the_parcel_goes_first(world: World) -> None:
    order = accepted(world)
    [outcome] = await world.connect().ship([parcel(order, whole=True, tracking_url="https://own.example.invalid/1")])
    assert world.http.calls[0].json[0]["tracking_url"] == "https://own.example.invalid/1"
    assert "tracking_url" not in outcome.answer


@pytest.mark.parametrize("link", ["javascript:alert(1)", "ftp://x/1", "https://a:b@c.example/1", "no link", "https://"])
async def test_a_link_that_no_buyer_can_open_is_replaced_or_refused(world: World, link: str) -> None:
    connection = world.connect()
    [built] = await connection.ship([parcel(accepted(world), whole=True, tracking_url=link)])
    assert built.answer["tracking_url"] == "https://gls-group.com/FR/fr/suivi-colis?match=00401234567890"
    [refused] = await connection.ship([parcel("M1", whole=True, tracking_url=link, carrier_name="Trusk")])
    assert refused.state == REJECTED
    assert refused.reason.startswith("tracking_url: ")


async def test_without_any_link_nothing_is_sent_and_the_reason_says_what_to_do(world: World) -> None:
    connection = world.connect()
    no_page, no_number = await connection.ship(
        [
            parcel("M1", whole=True, carrier_name="Trusk", tracking_url=None),
            parcel("M2", whole=True, tracking_url=None, tracking_number=None),
        ]
    )
    assert (no_page.state, no_number.state, world.http.calls) == (REJECTED, REJECTED, [])
    assert "tracking_link_template" in no_page.reason
    assert "tracking number" in no_number.reason


async def test_the_sellers_template_stands_in_where_no_page_is_known(world: World) -> None:
    connection = world.connect(tracking_link_template="https://track.example.invalid/?c={carrier}&n={n}")
    first, second = accepted(world), accepted(world)
    trusk, gls = await connection.ship(
        [
            parcel(first, whole=True, carrier_name="Tred Chariot", tracking_url=None, tracking_number="7 7"),
            parcel(second, whole=True, tracking_url=None),
        ]
    )
    assert trusk.answer["tracking_url"] == "https://track.example.invalid/?c=Tred%20Chariot&n=7%207"
    assert gls.answer["tracking_url"].startswith("https://gls-group.com/FR/")


async def test_the_demand_for_a_link_can_be_switched_off(world: World) -> None:
    connection = world.connect(require_tracking_link=False)
    bare = parcel(accepted(world), whole=True, tracking_url=None, tracking_number=None)
    [outcome] = await connection.ship([bare])
    assert outcome.state == DONE
    assert set(world.http.calls[0].json[0]) == {"order_reference", "seller_contract_id", "carrier"}


def test_the_pages_are_of_known_carriers_and_sound() -> None:
    assert set(LINKS) <= set(CARRIER_NAMES)
    assert {name for name, _ in COUNTRY_LINKS} <= set(LINKS)
    for template in [*LINKS.values(), *COUNTRY_LINKS.values()]:
        assert template_problem(template) is None
        link = tracking_link(None, "X", "1", country=None, template=template)
        assert link is not None
        assert link_problem(link) is None


def test_pages_follow_the_country() -> None:
    links = {
        country: tracking_link(None, "DPD", "1", country=country, template=None) for country in ("FR", "DE", "IT", None)
    }
    assert links["FR"] == "https://trace.dpd.fr/fr/trace/1"
    assert links["DE"] == "https://tracking.dpd.de/parcelstatus?query=1"
    assert links["IT"] == links[None] == "https://www.dpdgroup.com/tracking?parcelNumber=1"
