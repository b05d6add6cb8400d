"""Product files: three places to look for errors, and none of them passed over."""

from __future__ import annotations

import base64
import json
from typing import Any
from uuid import UUID

import pytest

from connector_kit.http import Answer, BadAnswer, Call
from connector_kit.offers import ImportProducts, ImportsProducts
from connector_kit.outcome import OutcomeState, ProbeResult, ProbeState
from connector_mirakl.client import Unavailable
from connector_mirakl.products import counters
from connector_mirakl.products_codes import CODES
from connector_mirakl.products_report import messages, report_problems
from connector_mirakl.profiles import PROFILES

from .stage import Stage

HEADER = "sku;category;title;description;color;pieces;weight;brand"
GOOD = "P-1;SMARTPHONE;Phone;A phone;Noir;2;0.5;Acme"


def product_file(*rows: str, header: str = HEADER, name: str = "products.csv") -> ImportProducts:
    content = "\n".join((header, *rows)).encode()
    encoded = base64.b64encode(content).decode()
    return ImportProducts(import_id=UUID(int=7), file_name=name, content_base64=encoded)


async def played(stage: Stage, request: ImportProducts, seconds: float = 100) -> ProbeResult:
    [outcome] = await stage.connection.import_products([request])
    assert outcome.state is OutcomeState.SENT
    stage.clock.pass_seconds(seconds)
    return await stage.connection.probe_import_products(request, outcome.answer)


async def test_an_import_goes_through_its_states_and_ends_with_counters(stage: Stage) -> None:
    assert isinstance(stage.connection, ImportsProducts)
    request = product_file(GOOD)
    [outcome] = await stage.connection.import_products([request])
    [call] = stage.http.made("import_products")
    assert {part.name: part.content for part in call.parts}["operator_format"] == b"true"
    seen = []
    for _ in range(6):
        probe = await stage.connection.probe_import_products(request, outcome.answer)
        seen.append((probe.state.value, probe.check_after))
        stage.clock.pass_seconds(5)
    assert seen == [("pending", 60.0)] * 3 + [("pending", 900.0)] + [("applied", None)] * 2
    assert probe.answer["problems"] == []
    assert probe.answer["counters"] == {
        "rows_read": 1,
        "rows_taken": 1,
        "rows_failed": 0,
        "rows_warned": 0,
        "products_added": 1,
        "rejected_products": 0,
        "products_successfully_synchronized": 1,
    }


async def test_both_reports_are_read_row_by_row(stage: Stage) -> None:
    rows = (
        GOOD,
        "P-2;SMARTPHONE;;;Vert;two;heavy;Acme",
        "P-3;BOATS;Boat;A boat;;;;Acme",
        "P-4;UNMAPPED-1;Thing;A thing;;;;Acme",
        "P-5;SMARTPHONE;Phone",
        "P-6;SMARTPHONE;Phone;A phone;;;;NOBRAND",
        "P-7;SMARTPHONE;Phone;;;;;Acme",
    )
    probe = await played(stage, product_file(*rows))
    assert probe.state is ProbeState.APPLIED
    told = probe.answer["counters"]
    assert [told[name] for name in ("rows_read", "rows_taken", "rows_failed", "rows_warned")] == [7, 2, 5, 2]
    found = [(p["row"], p["offer_sku"], p["code"], p["severity"]) for p in probe.answer["problems"]]
    assert found == [
        (2, "P-2", "2000", "warning"),
        (2, "P-2", "1000", "error"),
        (2, "P-2", "2006", "error"),
        (2, "P-2", "2010", "error"),
        (2, "P-2", "2011", "error"),
        (3, "P-3", "1001", "error"),
        (4, "P-4", "1006", "error"),
        (5, "P-5", "1002", "error"),
        (7, "P-7", "2000", "warning"),
        (1, "P-6", None, "error"),
    ]
    errors = [problem for problem in probe.answer["problems"] if problem["code"] and problem["severity"] == "error"]
    assert all(problem["next_step"] for problem in errors)
    assert stage.applied("product") == ["P-1", "P-7"]


async def test_a_file_without_a_category_column_adds_nothing(stage: Stage) -> None:
    probe = await played(stage, product_file("P-1;Phone", header="sku;title"))
    assert probe.answer["counters"]["rows_taken"] == 0
    assert {problem["code"] for problem in probe.answer["problems"]} == {"1004", "2000"}


async def test_a_failed_transformation_is_refused_with_its_reason(stage: Stage) -> None:
    stage.fault("import_failed")
    probe = await played(stage, product_file(GOOD))
    assert probe.state is ProbeState.REJECTED
    assert probe.answer["problems"][0]["rule"] == "The file could not be read"


@pytest.mark.parametrize(
    ("fault", "end"),
    [
        ("timeout_after_effect", "applied"),
        ("error_500_after_effect", "applied"),
        ("error_500_before_effect", "not_applied"),
        ("html_answer", "not_applied"),
    ],
)
async def test_a_lost_answer_is_found_by_its_time(stage: Stage, fault: str, end: str) -> None:
    request = product_file(GOOD)
    await stage.connection.import_products([product_file("OLD;DEMO;x;x")])
    stage.clock.pass_seconds(900)
    stage.fault(fault, "import_products", times=1)
    [outcome] = await stage.connection.import_products([request])
    assert outcome.state is OutcomeState.UNKNOWN
    stage.clock.pass_seconds(900)
    await stage.connection.import_products([product_file("NEW;DEMO;x;x")])
    probe = await stage.connection.probe_import_products(request, outcome.answer)
    assert probe.state.value == end


async def test_two_imports_at_the_same_time_are_for_a_person_to_tell_apart(stage: Stage) -> None:
    stage.fault("timeout_after_effect", "import_products")
    [outcome, _] = await stage.connection.import_products([product_file(GOOD), product_file(GOOD)])
    probe = await stage.connection.probe_import_products(product_file(GOOD), outcome.answer)
    assert probe.state is ProbeState.UNDECIDED


async def test_too_many_calls_wait_and_a_file_that_mirakl_refuses_is_rejected(stage: Stage) -> None:
    stage.fault("rate_limit", "import_products", times=1)
    [outcome] = await stage.connection.import_products([product_file(GOOD)])
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, 60)
    [outcome] = await stage.connection.import_products([product_file(header="\n")])
    assert outcome.state is OutcomeState.REJECTED


@pytest.mark.parametrize("content", ["", "not base64!"])
async def test_a_file_that_is_none_is_not_sent(stage: Stage, content: str) -> None:
    request = product_file(GOOD).model_copy(update={"content_base64": content})
    [outcome] = await stage.connection.import_products([request])
    assert outcome.state is OutcomeState.REJECTED
    assert stage.http.calls == []


async def test_without_an_import_nothing_was_applied_and_an_unknown_one_is_undecided(stage: Stage) -> None:
    request = product_file(GOOD)
    assert (await stage.connection.probe_import_products(request, {})).state is ProbeState.NOT_APPLIED
    lost = await stage.connection.probe_import_products(request, {"import_id": "1"})
    assert lost.state is ProbeState.UNDECIDED


async def test_a_probe_that_cannot_read_raises(stage: Stage) -> None:
    request = product_file("P-3;BOATS;Boat;A boat;;;;Acme")
    [outcome] = await stage.connection.import_products([request])
    stage.clock.pass_seconds(100)
    for operation in ("read_product_import", "read_product_report"):
        stage.fault("error_500_before_effect", operation)
        with pytest.raises(Unavailable):
            await stage.connection.probe_import_products(request, outcome.answer)
    stage.fault("html_answer", "read_product_import")
    with pytest.raises(BadAnswer):
        await stage.connection.probe_import_products(request, outcome.answer)


@pytest.mark.parametrize("status", ["BRAND_NEW", "", None])
async def test_an_unknown_status_is_never_success(stage: Stage, status: Any) -> None:
    class Canned:
        async def call(self, call: Call) -> Answer:
            return Answer(200, {}, json.dumps({"import_id": 1, "import_status": status}).encode())

    probe = await stage.connect(http=Canned()).probe_import_products(product_file(GOOD), {"import_id": "1"})
    assert probe.state is ProbeState.UNDECIDED


async def test_a_report_that_is_an_html_page_is_told_as_a_problem(stage: Stage) -> None:
    request = product_file(GOOD)
    [outcome] = await stage.connection.import_products([request])
    [running] = stage.simulator.world.product_imports.values()
    running.status = "COMPLETE"
    running.errors = {2: ["1001|x"]}
    stage.fault("html_answer", "read_product_report")
    probe = await stage.connection.probe_import_products(request, outcome.answer)
    assert probe.answer["counters"]["rows_failed"] == 1
    assert "not a readable CSV" in str(probe.answer["problems"]) or "no column of errors" in str(
        probe.answer["problems"]
    )


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("", []),
        ("1000|The attribute a, b is required", [("1000", "The attribute a, b is required")]),
        ("1000|first,2006|second; third", [("1000", "first"), ("2006", "second; third")]),
        ("1000|", [("1000", "error 1000")]),
        ("plain words", [(None, "plain words")]),
        ("EAN 40061000|x", [(None, "EAN 40061000|x")]),
    ],
)
def test_messages_of_a_cell(cell: str, expected: list[Any]) -> None:
    assert messages(cell) == expected


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04\xff\xfe", b"a;b\n1;2\n"])
def test_a_report_that_cannot_be_matched_is_still_a_problem(content: bytes) -> None:
    [problem] = report_problems(content, "product", None)
    assert problem.severity == "error"
    assert problem.next_step


def test_the_operators_own_words_win_over_those_of_the_code() -> None:
    [profile] = PROFILES
    report = b"sku;errors\nA;1001|The product does not exist\n"
    with_profile, without = (report_problems(report, "product", one)[0] for one in (profile, None))
    assert "import the product first" in with_profile.next_step
    assert with_profile.next_step != without.next_step
    assert len({remedy.says for remedy in CODES}) == 11


def test_counters_are_never_negative_and_take_the_operators_own() -> None:
    told = {"transform_lines_read": 3, "transform_lines_in_error": 2, "integration_details": {"rejected_products": 2}}
    found = counters(told, (), 0)
    assert (found["rows_read"], found["rows_failed"], found["rows_taken"]) == (3, 4, 0)
    assert counters({"transform_lines_read": "3"}, (), 0)["rows_read"] == 0
