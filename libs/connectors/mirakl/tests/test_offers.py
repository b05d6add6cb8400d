"""Stock: an import that was taken proves nothing."""

from __future__ import annotations

from typing import Any

import pytest

from connector_kit.http import BadAnswer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.client import Unavailable
from connector_mirakl.imports import STOCK, ImportResult, judge_import, report_errors

from .asgi_caller import START
from .stage import Stage, sent_rows, stock


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
    assert "existing offer" in probes[1].evidence


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


async def test_lines_of_one_offer_stand_together(stage: Stage) -> None:
    await stage.connection.set_stock([stock("A", 1, "W1"), stock("B", 2), stock("A", 3, "W2")])
    assert [row[0] + row[2] for row in sent_rows(stage, "set_stock")[1:]] == ["AW1", "AW2", "B"]


async def test_a_refused_stock_row_says_what_to_do_next() -> None:
    stage = Stage(settings={"operator_profile": "pixmania"})
    [outcome] = await stage.connection.set_stock([stock("NOBODY", 1)])
    stage.clock.pass_seconds(20)
    probe = await stage.connection.probe_stock(stock("NOBODY", 1), outcome.answer)
    [problem] = probe.answer["problems"]
    assert (problem["field"], problem["row"], problem["offer_sku"]) == ("stock", 1, "NOBODY")
    assert "SKU" in problem["next_step"]
