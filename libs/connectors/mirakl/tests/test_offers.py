"""Stock and prices: an import that was taken proves nothing, and a price file deletes what it does not carry."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector_kit.http import BadAnswer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.client import Unavailable
from connector_mirakl.csvfile import read_csv
from connector_mirakl.imports import STOCK, ImportResult, judge_import, report_errors
from connector_mirakl.sandbox.world import SimPrice

from .asgi_caller import START
from .stage import Stage, price, stock


def sent_rows(stage: Stage, operation: str) -> list[list[str]]:
    [call] = stage.http.made(operation)[-1:]
    [part] = call.parts
    assert part.name == "file"
    return read_csv(part.content)


async def test_quantities_go_as_one_import_and_are_confirmed_later(stage: Stage) -> None:
    requests = [stock("TEL-PRO-128", 5), stock("COQUE-NOIR", 0)]
    outcomes = await stage.connection.set_stock(requests)
    assert [outcome.state for outcome in outcomes] == [OutcomeState.SENT] * 2
    assert sent_rows(stage, "set_stock") == [
        ["offer-sku", "quantity", "warehouse-code", "update-delete"],
        ["TEL-PRO-128", "5", "", ""],
        ["COQUE-NOIR", "0", "", ""],
    ]
    answer = outcomes[0].answer
    seen = []
    for _ in range(3):
        probe = await stage.connection.probe_stock(requests[0], answer)
        seen.append(probe.state)
        stage.clock.pass_seconds(16)
    assert seen == [ProbeState.PENDING, ProbeState.APPLIED, ProbeState.APPLIED]
    assert stage.simulator.world.offers["TEL-PRO-128"].quantity == 5
    assert stage.applied("stock") == ["TEL-PRO-128", "COQUE-NOIR"]


async def test_a_bad_row_is_rejected_and_the_others_are_not(stage: Stage) -> None:
    requests = [stock("TEL-PRO-128", 5), stock('NO;SUCH"SKU', 1), stock("COQUE-NOIR", 2)]
    outcomes = await stage.connection.set_stock(requests)
    stage.clock.pass_seconds(20)
    probes = [await stage.connection.probe_stock(request, outcomes[0].answer) for request in requests]
    assert [probe.state.value for probe in probes] == ["applied", "rejected", "applied"]
    assert "no existing offer" in probes[1].evidence


async def test_thousands_of_probes_read_status_and_report_once(stage: Stage) -> None:
    requests = [stock(f"SKU-{index}", 1) for index in range(300)]
    [answer] = {outcome.answer["import_id"] for outcome in await stage.connection.set_stock(requests)}
    for _ in range(2):
        for request in requests:
            await stage.connection.probe_stock(request, {"import_id": answer})
    assert len(stage.http.made("read_stock_import")) == 1
    stage.clock.pass_seconds(20)
    for request in requests:
        await stage.connection.probe_stock(request, {"import_id": answer})
    assert len(stage.http.made("read_stock_import")) == 2
    assert len(stage.http.made("read_stock_report")) == 1


async def test_a_negative_quantity_is_rejected_alone(stage: Stage) -> None:
    outcomes = await stage.connection.set_stock([stock("TEL-PRO-128", -1), stock("COQUE-NOIR", 2)])
    assert [outcome.state.value for outcome in outcomes] == ["rejected", "sent"]
    assert (await stage.connection.set_stock([stock("TEL-PRO-128", -1)]))[0].state is OutcomeState.REJECTED
    assert len(stage.http.made("set_stock")) == 1


async def test_of_two_values_for_one_offer_the_last_is_sent(stage: Stage) -> None:
    await stage.connection.set_stock([stock("TEL-PRO-128", 1), stock("TEL-PRO-128", 2), stock("TEL-PRO-128", 3, "W1")])
    assert sent_rows(stage, "set_stock")[1:] == [["TEL-PRO-128", "2", "", ""], ["TEL-PRO-128", "3", "W1", ""]]


@pytest.mark.parametrize(
    "fault", ["timeout_after_effect", "error_500_after_effect", "error_500_before_effect", "html_answer", "rate_limit"]
)
async def test_whatever_is_unclear_about_stock_may_be_sent_again(stage: Stage, fault: str) -> None:
    stage.fault(fault, "set_stock", times=1)
    [outcome] = await stage.connection.set_stock([stock("TEL-PRO-128", 5)])
    assert outcome.state is OutcomeState.RETRY
    [again] = await stage.connection.set_stock([stock("TEL-PRO-128", 5)])
    stage.clock.pass_seconds(20)
    assert (await stage.connection.probe_stock(stock("TEL-PRO-128", 5), again.answer)).state is ProbeState.APPLIED
    assert stage.simulator.world.offers["TEL-PRO-128"].quantity == 5


async def test_a_failed_import_may_be_sent_again(stage: Stage) -> None:
    stage.fault("import_failed")
    [outcome] = await stage.connection.set_stock([stock("TEL-PRO-128", 5)])
    stage.clock.pass_seconds(20)
    probe = await stage.connection.probe_stock(stock("TEL-PRO-128", 5), outcome.answer)
    assert probe.state is ProbeState.NOT_APPLIED
    assert stage.applied("stock") == []


@pytest.mark.parametrize(
    ("sku", "quantity", "expected"),
    [
        ("TEL-PRO-128", 10, ProbeState.APPLIED),
        ("TEL-PRO-128", 11, ProbeState.NOT_APPLIED),
        ("NOBODY", 1, ProbeState.UNDECIDED),
    ],
)
@pytest.mark.parametrize("answer", [{}, {"import_id": "forgotten"}])
async def test_without_an_import_the_offer_itself_is_read(
    stage: Stage, sku: str, quantity: int, expected: ProbeState, answer: dict[str, str]
) -> None:
    assert (await stage.connection.probe_stock(stock(sku, quantity), answer)).state is expected


async def test_a_probe_that_cannot_read_raises(stage: Stage) -> None:
    [outcome] = await stage.connection.set_stock([stock("TEL-PRO-128", 5)])
    for fault, error in (("error_500_before_effect", Unavailable), ("html_answer", BadAnswer)):
        stage.fault(fault, "read_stock_import")
        with pytest.raises(error):
            await stage.connection.probe_stock(stock("TEL-PRO-128", 5), outcome.answer)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b'line;reason;offer-sku;quantity\n"2";"bad";"A";"1"\n', [("A", "bad")]),
        (b"\xef\xbb\xbfline;reason;Offer-SKU\n2;;A\n3;x;B\n", [("A", "no reason given"), ("B", "x")]),
        (b"line;reason;something\n2;bad;A\n", None),
    ],
)
def test_reports_are_matched_by_their_sku_column(content: bytes, expected: list[tuple[str, str]] | None) -> None:
    errors = report_errors(content)
    assert (None if errors is None else [(error.sku, error.message) for error in errors]) == expected


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00"])
def test_an_unreadable_report_is_no_success(content: bytes) -> None:
    with pytest.raises(BadAnswer):
        report_errors(content)


@pytest.mark.parametrize(
    ("status", "errors", "expected"),
    [
        ("WAITING", (), ProbeState.PENDING),
        ("QUEUED", (), ProbeState.PENDING),
        ("COMPLETE", (), ProbeState.APPLIED),
        ("COMPLETE", None, ProbeState.UNDECIDED),
        ("FAILED", (), ProbeState.NOT_APPLIED),
        ("BRAND_NEW", (), ProbeState.UNDECIDED),
        ("", (), ProbeState.UNDECIDED),
    ],
)
def test_how_an_import_is_judged(status: str, errors: Any, expected: ProbeState) -> None:
    assert judge_import(ImportResult("1", status, START, errors), STOCK, "A").state is expected


async def test_a_price_is_sent_and_confirmed(stage: Stage) -> None:
    [outcome] = await stage.connection.set_price([price("TEL-PRO-128", "109.90")])
    assert outcome.state is OutcomeState.SENT
    assert sent_rows(stage, "set_price") == [
        ["offer-sku", "price", "discount-price", "discount-start-date", "discount-end-date"],
        ["TEL-PRO-128", "109.90", "", "", ""],
    ]
    assert (await stage.connection.probe_price(price("TEL-PRO-128", "109.90"), outcome.answer)).state.value == "pending"
    stage.clock.pass_seconds(61)
    probe = await stage.connection.probe_price(price("TEL-PRO-128", "109.90"), outcome.answer)
    assert probe.state is ProbeState.APPLIED
    assert stage.simulator.world.offers["TEL-PRO-128"].prices == [SimPrice(Decimal("109.90"))]


async def test_prices_of_other_channels_periods_and_volumes_survive(stage: Stage) -> None:
    offer = stage.simulator.world.offers["TEL-PRO-128"]
    kept = [
        SimPrice(Decimal("125.00"), channels=("ES_B2C",)),
        SimPrice(Decimal("99.00"), start="2025-11-28T00:00:00Z", end="2025-11-29T00:00:00Z"),
    ]
    offer.prices = [SimPrice(Decimal("119.90"), ranges=((5, Decimal("109.20")), (10, Decimal("108.73")))), *kept]
    [outcome] = await stage.connection.set_price([price("TEL-PRO-128", "118.00")])
    assert outcome.state is OutcomeState.SENT
    rows = sent_rows(stage, "set_price")
    assert rows[1][rows[0].index("price-ranges")] == "5|109.2,10|108.73"
    assert "discount-ranges" not in rows[0]
    stage.clock.pass_seconds(20)
    stage.simulator.desk.advance()
    assert offer.prices[0] == SimPrice(Decimal("118.00"), ranges=((5, Decimal("109.2")), (10, Decimal("108.73"))))
    assert sorted(offer.prices[1:], key=str) == sorted(kept, key=str)


async def test_a_channel_price_leaves_the_basic_price_alone(stage: Stage) -> None:
    requests = [price("TEL-PRO-128", "130.00", channel="ES_B2C"), price("TEL-PRO-128", "129.00", channel="FR_B2C")]
    await stage.connection.set_price(requests)
    stage.clock.pass_seconds(20)
    state = stage.simulator.state()["offers"]["TEL-PRO-128"]["prices"]
    assert {channel: Decimal(value) for channel, value in state.items()} == {
        "": Decimal("119.90"),
        "ES_B2C": Decimal("130.00"),
        "FR_B2C": Decimal("129.00"),
    }


async def test_a_running_discount_is_kept_while_it_is_below_the_price(stage: Stage) -> None:
    offer = stage.simulator.world.offers["TEL-PRO-128"]
    offer.prices = [SimPrice(Decimal("119.90"), discount=Decimal("100.00"), discount_end="2025-12-01T00:00:00Z")]
    await stage.connection.set_price([price("TEL-PRO-128", "110.00")])
    assert sent_rows(stage, "set_price")[1] == ["TEL-PRO-128", "110.00", "100.0", "", "2025-12-01T00:00:00Z"]
    await stage.connection.set_price([price("TEL-PRO-128", "95.00")])
    assert sent_rows(stage, "set_price")[1] == ["TEL-PRO-128", "95.00", "", "", ""]
    await stage.connection.set_price([price("TEL-PRO-128", "95.00", discount="90.00")])
    assert sent_rows(stage, "set_price")[1][2] == "90.00"


@pytest.mark.parametrize(
    ("present", "request_", "reason"),
    [
        ([SimPrice(Decimal(1)), SimPrice(Decimal(1), groups=("VIP",))], price("TEL-PRO-128", "2"), "would delete"),
        ([SimPrice(Decimal(1), channels=("A", "B"))], price("TEL-PRO-128", "2", channel="A"), "shares its price"),
        ([], price("TEL-PRO-128", "2", channel="A"), "no price for all channels"),
        ([SimPrice(Decimal(1))], price("NOBODY", "2"), "no such offer"),
    ],
)
async def test_what_would_delete_prices_is_rejected(stage: Stage, present: Any, request_: Any, reason: str) -> None:
    stage.simulator.world.offers["TEL-PRO-128"].prices = present
    [outcome] = await stage.connection.set_price([request_])
    assert outcome.state is OutcomeState.REJECTED
    assert reason in outcome.reason
    assert stage.http.made("set_price") == []


async def test_too_many_prices_and_another_currency_are_rejected(stage: Stage) -> None:
    many = [price("TEL-PRO-128", "2", channel=f"C{index}") for index in range(50)]
    assert "51 prices" in (await stage.connection.set_price(many))[0].reason
    dollars = price("TEL-PRO-128", "2")
    dollars = dollars.model_copy(update={"price": dollars.price.model_copy(update={"currency": "USD"})})
    assert "USD" in (await stage.connection.set_price([dollars]))[0].reason


@pytest.mark.parametrize("operation", ["read_offers", "set_price"])
@pytest.mark.parametrize("fault", ["error_500_before_effect", "timeout_after_effect", "rate_limit", "html_answer"])
async def test_whatever_is_unclear_about_prices_may_be_sent_again(stage: Stage, fault: str, operation: str) -> None:
    stage.fault(fault, operation, times=1)
    [outcome] = await stage.connection.set_price([price("TEL-PRO-128", "109.90")])
    assert outcome.state is OutcomeState.RETRY
    [again] = await stage.connection.set_price([price("TEL-PRO-128", "109.90")])
    assert again.state is OutcomeState.SENT


async def test_a_price_that_the_operator_refuses_is_rejected(stage: Stage) -> None:
    requests = [price("TEL-PRO-128", "109.90", discount="120.00"), price("COQUE-NOIR", "18.00")]
    outcomes = await stage.connection.set_price(requests)
    stage.clock.pass_seconds(20)
    probes = [await stage.connection.probe_price(r, o.answer) for r, o in zip(requests, outcomes, strict=True)]
    assert [probe.state.value for probe in probes] == ["rejected", "applied"]
    assert "discount" in probes[0].evidence


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (price("TEL-PRO-128", "119.90"), ProbeState.APPLIED),
        (price("TEL-PRO-128", "1.00"), ProbeState.NOT_APPLIED),
        (price("TEL-PRO-128", "119.90", channel="ES_B2C"), ProbeState.NOT_APPLIED),
        (price("NOBODY", "1.00"), ProbeState.UNDECIDED),
    ],
)
async def test_without_an_import_the_shown_price_is_read(stage: Stage, request_: Any, expected: ProbeState) -> None:
    assert (await stage.connection.probe_price(request_, {"import_id": "forgotten"})).state is expected
