"""Stating offers whole: nothing that is not stated gets lost, and a taken import is no success yet."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.http import BadAnswer
from connector_kit.offers import ChannelPrice, PublishOffer, VolumePrice
from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.client import Unavailable
from connector_mirakl.imports import OFFER, report_errors
from connector_mirakl.pricefile import CannotExpress
from connector_mirakl.publish_merge import merged_offer
from connector_mirakl.sandbox.world import SimPrice

from .stage import Stage, euros, sent_rows

SKU = "TEL-PRO-128"
END = datetime(2025, 12, 1, 23, tzinfo=UTC)


def offer(sku: str = SKU, amount: str | None = None, **stated: Any) -> PublishOffer:
    prices = () if amount is None else (ChannelPrice(price=euros(amount)),)
    return PublishOffer(offer_sku=sku, **{"prices": prices, **stated})


def new_offer(sku: str, **stated: Any) -> PublishOffer:
    given: dict[str, Any] = {"product_id": "4006381333931", "product_id_type": "EAN", "state_code": "11", **stated}
    return offer(sku, "49.90", **given)


def ended(stage: Stage) -> None:
    stage.clock.pass_seconds(61)
    stage.simulator.desk.advance()


async def probes(stage: Stage, requests: list[PublishOffer], outcomes: Any) -> list[str]:
    ended(stage)
    pairs = zip(requests, outcomes, strict=True)
    return [(await stage.connection.probe_publish_offer(r, o.answer)).state.value for r, o in pairs]


async def test_what_is_not_stated_keeps_its_value(stage: Stage) -> None:
    known = stage.simulator.world.offers[SKU]
    known.details |= {
        "internal_description": "shelf 4",
        "price_additional_info": "eco part included",
        "max_order_quantity": 5,
        "available_started": "2025-11-01T00:00:00Z",
        "allow_quote_requests": True,
    }
    known.prices = [
        SimPrice(Decimal("119.90"), discount=Decimal("99.90"), discount_end="2025-12-01T00:00:00Z"),
        SimPrice(Decimal("130.00"), channels=("ES_B2C",), ranges=((5, Decimal("125.00")),)),
    ]
    before, product = (dict(known.details), list(known.prices), known.quantity), known.product_sku
    request = offer(lead_time_days=4)
    outcomes = await stage.connection.publish_offers([request])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.SENT]
    [call] = stage.http.made("publish_offer")
    [sent] = call.json["offers"]
    assert (sent["product_id"], sent["product_id_type"], sent["update_delete"]) == (product, "SKU", "update")
    assert "min_order_quantity" not in sent
    assert await probes(stage, [request], outcomes) == ["applied"]
    fields = [{**one, "type": "STRING"} for one in before[0]["offer_additional_fields"]]
    expected = {**before[0], "leadtime_to_ship": 4, "offer_additional_fields": fields}
    assert (known.details, known.prices, known.quantity) == (expected, *before[1:])
    assert stage.applied("publish_offer") == [SKU]


async def test_stated_values_replace_those_that_were_there(stage: Stage) -> None:
    known = stage.simulator.world.offers[SKU]
    spain = ChannelPrice(
        channel="ES_B2C",
        price=euros("130.00"),
        discount_price=euros("120.00"),
        discount_until=END,
        volume_prices=(VolumePrice(from_quantity=5, price=euros("125.00")),),
        discount_volume_prices=(VolumePrice(from_quantity=5, price=euros("115.00")),),
    )
    request = PublishOffer(
        offer_sku=SKU,
        state_code="13",
        prices=(ChannelPrice(price=euros("118.00"), discount_price=euros("100.00"), discount_from=END), spain),
        quantity=3,
        description="as good as new",
        lead_time_days=0,
        logistic_class="LARGE",
        max_order_quantity=2,
        attributes={"warranty": "12"},
    )
    outcomes = await stage.connection.publish_offers([request])
    assert await probes(stage, [request], outcomes) == ["applied"]
    assert (known.state_code, known.quantity, known.details["logistic_class"]) == ("13", 3, "LARGE")
    assert {one["code"]: one["value"] for one in known.details["offer_additional_fields"]} == {
        "warranty": "12",
        "warehouselocation": "France",
    }
    assert known.prices == [
        SimPrice(Decimal("118.00"), discount=Decimal("100.00"), discount_start="2025-12-01T23:00:00Z"),
        SimPrice(
            Decimal("130.00"),
            discount=Decimal("120.00"),
            discount_end="2025-12-01T23:00:00Z",
            channels=("ES_B2C",),
            ranges=((5, Decimal("125.00")),),
            discount_ranges=((5, Decimal("115.00")),),
        ),
    ]
    assert (await stage.connection.probe_publish_offer(request, {})).state is ProbeState.APPLIED


async def test_a_new_offer_is_created_and_withdrawn(stage: Stage) -> None:
    request, gone = new_offer("NEW-1", quantity=4), offer("NEW-1", withdraw=True)
    assert (await stage.connection.probe_publish_offer(request, {})).state is ProbeState.NOT_APPLIED
    assert await probes(stage, [request], await stage.connection.publish_offers([request])) == ["applied"]
    assert stage.simulator.world.offers["NEW-1"].quantity == 4
    assert (await stage.connection.probe_publish_offer(gone, {})).state is ProbeState.NOT_APPLIED
    assert await probes(stage, [gone], await stage.connection.publish_offers([gone])) == ["applied"]
    assert "NEW-1" not in stage.simulator.world.offers
    [again] = await stage.connection.publish_offers([gone])
    assert again.state is OutcomeState.DONE
    assert (await stage.connection.probe_publish_offer(gone, {})).state is ProbeState.APPLIED


@pytest.mark.parametrize(
    ("request_", "field"),
    [
        (offer("NEW-1"), "product_id"),
        (offer("NEW-1", product_id="MP1", product_id_type="SKU", amount="1"), "state_code"),
        (offer("NEW-1", product_id="MP1", product_id_type="SKU", state_code="11"), "price"),
    ],
)
async def test_a_new_offer_needs_its_product_state_and_price(stage: Stage, request_: Any, field: str) -> None:
    [outcome] = await stage.connection.publish_offers([request_])
    assert outcome.state is OutcomeState.REJECTED
    assert outcome.answer["problems"][0]["field"] == field
    assert stage.http.made("publish_offer") == []


async def test_prices_that_the_call_would_delete_are_never_deleted(stage: Stage) -> None:
    stage.simulator.world.offers[SKU].prices.append(SimPrice(Decimal("50.00"), groups=("VIP",)))
    [outcome] = await stage.connection.publish_offers([offer(quantity=1)])
    assert "would delete" in outcome.reason
    assert stage.http.made("publish_offer") == []


async def test_many_offers_go_as_one_file_that_says_the_same() -> None:
    stages = [Stage(settings={"offers_import_threshold": threshold}) for threshold in ("3", "50")]
    requests = [
        offer(amount="118.00", quantity=7),
        new_offer("NEW;1", description='12" wide; "new"', attributes={"warranty": "24"}),
        offer("COQUE-NOIR", prices=(ChannelPrice(channel="ES_B2C", price=euros("21.00")),)),
    ]
    for stage in stages:
        first = stage.simulator.world.offers[SKU]
        ranges = ((5, Decimal("109.00")),)
        first.prices = [SimPrice(Decimal("119.90"), ranges=ranges), SimPrice(Decimal("120.00"), channels=("ES_B2C",))]
        outcomes = await stage.connection.publish_offers(requests)
        assert await probes(stage, requests, outcomes) == ["applied"] * 3
    by_file, by_json = stages
    assert (len(by_file.http.made("import_offers")), len(by_file.http.made("publish_offer"))) == (1, 0)
    header, *rows = sent_rows(by_file, "import_offers")
    assert header[:3] == ["sku", "product-id", "product-id-type"]
    assert {"price[channel=ES_B2C]", "price-ranges", "warehouselocation"} <= set(header)
    assert len(rows) == 3
    assert by_file.simulator.state()["offers"].keys() == by_json.simulator.state()["offers"].keys()
    for sku in (SKU, "NEW;1", "COQUE-NOIR"):
        one, other = by_file.simulator.world.offers[sku], by_json.simulator.world.offers[sku]
        assert (one.prices, one.quantity, one.state_code) == (other.prices, other.quantity, other.state_code)
        assert one.details.get("description") == other.details.get("description")


async def test_an_offer_that_no_file_can_hold_goes_by_json() -> None:
    stage = Stage(settings={"offers_import_threshold": "1"})
    stage.simulator.world.offers[SKU].details["offer_additional_fields"] = [
        {"code": "colors", "type": "MULTIPLE_VALUES_LIST", "value": ["RED", "BLUE"]}
    ]
    await stage.connection.publish_offers([offer(quantity=1), offer("COQUE-NOIR", quantity=1)])
    assert (len(stage.http.made("import_offers")), len(stage.http.made("publish_offer"))) == (1, 1)
    ended(stage)
    assert stage.simulator.world.offers[SKU].details["offer_additional_fields"][0]["value"] == ["RED", "BLUE"]


@pytest.mark.parametrize("threshold", ["1", "50"])
async def test_a_refused_row_is_told_with_what_to_do_next(threshold: str) -> None:
    stage = Stage(settings={"operator_profile": "pixmania", "offers_import_threshold": threshold})
    requests = [new_offer("NEW-1", product_id="UNKNOWN-1", product_id_type="SKU"), offer("COQUE-NOIR", quantity=2)]
    outcomes = await stage.connection.publish_offers(requests)
    assert await probes(stage, requests, outcomes) == ["rejected", "applied"]
    refused = await stage.connection.probe_publish_offer(requests[0], outcomes[0].answer)
    [problem] = refused.answer["problems"]
    assert (problem["offer_sku"], problem["row"], problem["severity"]) == ("NEW-1", 1, "error")
    assert "does not exist" in problem["rule"]
    assert "import the product first" in problem["next_step"]


async def test_a_sku_of_a_deleted_offer_stays_with_its_product(stage: Stage) -> None:
    gone = offer("COQUE-NOIR", withdraw=True)
    await probes(stage, [gone], await stage.connection.publish_offers([gone]))
    again = new_offer("COQUE-NOIR")
    outcomes = await stage.connection.publish_offers([again])
    assert await probes(stage, [again], outcomes) == ["rejected"]
    stage.clock.pass_seconds(31 * 86_400)
    assert await probes(stage, [again], await stage.connection.publish_offers([again])) == ["applied"]


async def test_a_repeated_request_may_be_answered_with_the_running_import(stage: Stage) -> None:
    first, second = [(await stage.connection.publish_offers([offer(quantity=5)]))[0].answer for _ in range(2)]
    assert first["import_id"] == second["import_id"]
    assert len(stage.simulator.world.imports) == 1


async def test_the_id_of_an_old_import_proves_nothing(stage: Stage) -> None:
    request = offer(amount="119.90", description="as stated")
    [first] = await stage.connection.publish_offers([request])
    assert await probes(stage, [request], [first]) == ["applied"]
    stage.clock.pass_seconds(7_200)
    known = stage.simulator.world.offers[SKU]
    stage.fault("stale_import_id", times=1)
    [again] = await stage.connection.publish_offers([request])
    assert again.answer["import_id"] == first.answer["import_id"]
    known.details["description"] = "changed by somebody else"
    probe = await stage.connection.probe_publish_offer(request, again.answer)
    assert probe.state is ProbeState.UNDECIDED
    assert "older than the request" in probe.evidence
    known.details["description"] = "as stated"
    assert (await stage.connection.probe_publish_offer(request, again.answer)).state is ProbeState.APPLIED


@pytest.mark.parametrize("operation", ["read_offers", "publish_offer"])
@pytest.mark.parametrize("fault", ["error_500_before_effect", "timeout_after_effect", "rate_limit", "html_answer"])
async def test_whatever_is_unclear_may_be_sent_again(stage: Stage, fault: str, operation: str) -> None:
    stage.fault(fault, operation, times=1)
    [outcome] = await stage.connection.publish_offers([offer(quantity=5)])
    assert outcome.state is OutcomeState.RETRY
    outcomes = await stage.connection.publish_offers([offer(quantity=5)])
    assert await probes(stage, [offer(quantity=5)], outcomes) == ["applied"]
    assert stage.applied("publish_offer") == [SKU]


async def test_a_failed_import_is_not_applied_and_a_running_one_is_pending(stage: Stage) -> None:
    stage.fault("import_failed")
    [outcome] = await stage.connection.publish_offers([offer(quantity=5)])
    assert (await stage.connection.probe_publish_offer(offer(quantity=5), outcome.answer)).state is ProbeState.PENDING
    assert await probes(stage, [offer(quantity=5)], [outcome]) == ["not_applied"]


async def test_a_probe_that_cannot_read_raises(stage: Stage) -> None:
    [outcome] = await stage.connection.publish_offers([offer(quantity=5)])
    for fault, error in (("error_500_before_effect", Unavailable), ("html_answer", BadAnswer)):
        stage.fault(fault, "read_offer_import")
        with pytest.raises(error):
            await stage.connection.probe_publish_offer(offer(quantity=5), outcome.answer)


async def test_of_two_requests_for_one_offer_the_last_is_sent(stage: Stage) -> None:
    outcomes = await stage.connection.publish_offers([offer(quantity=1), offer(quantity=2)])
    assert len(outcomes) == 2
    assert [one["quantity"] for one in stage.http.made("publish_offer")[0].json["offers"]] == [2]


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'"sku";"price";"error-line";"error-message"\n"A";"1";"3";"bad"\n', ("A", 3, "bad")),
        (b'"error-line";"error-message";"shop_sku"\n"";"";"A"\n', ("A", None, "no reason given")),
        (b"line;reason;offer-sku\n2;;A\n3;bad;A\n", ("A", 3, "bad")),
    ],
)
def test_rows_of_reports_are_read_wherever_their_columns_stand(content: bytes, expected: Any) -> None:
    errors = report_errors(content)
    assert errors is not None
    assert [(error.sku, error.line, error.message) for error in errors] == [expected]


async def test_an_import_of_another_product_waits_for_it(stage: Stage) -> None:
    [outcome] = await stage.connection.publish_offers([offer(quantity=5)])
    stage.simulator.world.imports[outcome.answer["import_id"]].status = "WAITING_SYNCHRONIZATION_PRODUCT"
    probe = await stage.connection.probe_publish_offer(offer(quantity=5), outcome.answer)
    assert (probe.state, probe.check_after) == (ProbeState.PENDING, OFFER.check_seconds)


@pytest.mark.parametrize(
    ("shown", "expected"),
    [
        ({"product_sku": "P", "state_code": "11", "price": Decimal(5), "leadtime_to_ship": 2}, {"leadtime_to_ship": 2}),
        (
            {
                "product_sku": "P",
                "state_code": "11",
                "price": "5.00",
                "retail_prices": [{"price": 1, "unit_origin_price": 2}],
            },
            {"retail_prices": [{"unit_origin_price": 2}]},
        ),
        (
            {"product_sku": "P", "state_code": 11, "price": 5, "eco_contributions": [{"epr_category_code": "FR-DEEE"}]},
            {"eco_contributions": [{"epr_category_code": "FR-DEEE"}]},
        ),
        ({"product_sku": "P", "state_code": "11", "price": 5, "description": None, "min_order_quantity": 0}, {}),
    ],
)
def test_odd_shown_values_are_carried_as_they_are(shown: Any, expected: Any) -> None:
    settings = Stage().connection._publisher._settings
    merged = merged_offer(shown, offer(), settings.dates, keep_discounts=False)
    always = {"shop_sku", "update_delete", "product_id", "product_id_type", "state_code", "price"}
    assert {name: value for name, value in merged.items() if name not in always} == expected
    with pytest.raises(CannotExpress, match="state_code"):
        merged_offer({**shown, "state_code": None}, offer(), settings.dates, keep_discounts=False)
