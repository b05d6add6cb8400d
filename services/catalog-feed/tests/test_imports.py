"""Product files: kept before they are looked at, handed over once, followed for days, reported row by row."""

from __future__ import annotations

import csv
import gzip
import io
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from catalog_feed.effects_import import counted
from catalog_feed.keeping import FileKeeper
from catalog_feed.product_files import TooBig, look, unpack
from hub_contracts.catalog import ProductImportEnded
from hub_contracts.connections import HubSettings

from .markets import MARKET, Markets

HEAD = "sku;category;title;description;brand\n"
GOOD = HEAD + "P-1;DEMO;A;b;c\nP-4;DEMO;D;e;f\n"
MIXED = HEAD + "P-1;DEMO;A;b;c\nP-2;NONE;A;b;c\nP-3;DEMO;A;b;NOBRAND\nP-5;DEMO;;b;c\n"
NAME = {"file_name": "lamps.csv"}


async def upload(stage: Markets, content: str, status: int = 202, **params: Any) -> Any:
    return await stage.post("/product-imports", status, NAME | params, content=content.encode())


async def ended(stage: Markets, import_id: str) -> Any:
    """The import once the operator is through with it: P42 is asked once a minute, then every quarter of an hour."""
    for _ in range(12):
        stage.clock.advance(901)
        await stage.h.make_due()
        await stage.h.run_effects()
        shown = await stage.get(f"/product-imports/{import_id}")
        if shown["ended_at"]:
            return shown
    raise AssertionError(f"the import never ended: {shown}")


async def test_a_file_is_taken_whole(mirakl: Markets) -> None:
    made = await upload(mirakl, GOOD)
    assert (made["rows"], made["state"]) == (2, "sending")
    shown = await ended(mirakl, made["import_id"])
    assert (shown["state"], shown["counters"]["rows_taken"], shown["counters"]["rows_failed"]) == ("ended", 2, 0)
    [told] = await mirakl.told(ProductImportEnded)
    assert (told.import_id, told.file_name, told.rows_read, told.rows_failed) == (
        UUID(made["import_id"]), "lamps.csv", 2, 0
    )  # fmt: skip
    assert told.import_reference == shown["import_reference"] is not None
    assert await mirakl.causes() == []
    assert {"P-1", "P-4"} <= mirakl.simulator.world.products


async def test_the_ledger_holds_the_name_of_the_file_and_not_the_file(mirakl: Markets) -> None:
    made = await upload(mirakl, GOOD)
    await ended(mirakl, made["import_id"])
    [effect] = await mirakl.h.effects("import_products")
    assert effect["request"]["content_base64"] == ""
    assert "P-4" not in str(effect)
    answer = await mirakl.client.get(f"/v1/connections/{MARKET}/product-imports/{made['import_id']}/file")
    assert answer.content == GOOD.encode()


async def test_both_reports_are_kept_row_by_row(mirakl: Markets) -> None:
    made = await upload(mirakl, MIXED)
    shown = await ended(mirakl, made["import_id"])
    assert (shown["state"], shown["counters"]["rows_read"], shown["counters"]["rows_failed"]) == ("ended", 4, 3)
    found = {(problem["row"], problem["code"]): problem for problem in shown["problems"]}
    assert {(2, "1001"), (4, "1000")} <= found.keys()
    assert all(found[key]["next_step"] for key in ((2, "1001"), (4, "1000")))
    assert any("brand" in problem["rule"] for problem in shown["problems"]), "the operator's own report"
    path = f"/v1/connections/{MARKET}/product-imports/{made['import_id']}/report.csv"
    report = list(csv.DictReader(io.StringIO((await mirakl.client.get(path)).text, newline="")))
    assert len(report) == len(shown["problems"])
    assert ("2", "1001", True) in {(row["row"], row["code"], bool(row["next_step"])) for row in report}
    [told] = await mirakl.told(ProductImportEnded)
    assert (told.rows_failed, told.rows_taken) == (3, 1)
    assert told.problems[0].startswith("row ")
    [waiting] = await mirakl.h.parked()
    assert (waiting["cause"], waiting["subject_id"]) == ("product_import_incomplete", made["import_id"])


async def test_a_corrected_file_of_the_same_name_ends_the_waiting(mirakl: Markets) -> None:
    await ended(mirakl, (await upload(mirakl, MIXED))["import_id"])
    assert await mirakl.causes() == ["product_import_incomplete"]
    await ended(mirakl, (await upload(mirakl, GOOD, file_name="other.csv"))["import_id"])
    assert await mirakl.causes() == ["product_import_incomplete"]
    await ended(mirakl, (await upload(mirakl, GOOD))["import_id"])
    assert await mirakl.causes() == []
    items = (await mirakl.get("/product-imports"))["items"]
    assert [item["file_name"] for item in items] == ["lamps.csv", "other.csv", "lamps.csv"]
    assert [item["rows"] for item in (await mirakl.get("/product-imports", limit=1))["items"]] == [2]


async def test_an_import_that_fails_whole_never_looks_like_success(mirakl: Markets) -> None:
    mirakl.fault("import_failed", "import_products")
    made = await upload(mirakl, GOOD)
    shown = await ended(mirakl, made["import_id"])
    assert (shown["state"], bool(shown["reason"])) == ("failed", True)
    [told] = await mirakl.told(ProductImportEnded)
    assert (told.rows_read, told.rows_taken, told.rows_failed) == (2, 0, 2)
    assert await mirakl.causes() == ["product_import_incomplete"]


async def test_a_lost_answer_is_found_among_the_imports_and_not_sent_again(mirakl: Markets) -> None:
    mirakl.fault("timeout_after_effect", "import_products")
    made = await upload(mirakl, GOOD)
    shown = await ended(mirakl, made["import_id"])
    assert shown["state"] == "ended"
    assert len(mirakl.recorded("import_products")) == 1


async def test_where_a_file_stands_can_be_seen_before_it_ends(mirakl: Markets) -> None:
    made = await upload(mirakl, GOOD)
    mirakl.clock.advance(1)
    await mirakl.h.run_effects()
    shown = await mirakl.get(f"/product-imports/{made['import_id']}")
    assert (shown["state"], shown["effect_state"], shown["ended_at"]) == ("sending", "SENT", None)
    assert shown["import_reference"] == str(next(iter(mirakl.simulator.world.product_imports)))


async def test_the_same_file_is_not_sent_twice_while_it_is_on_its_way(mirakl: Markets) -> None:
    first = await upload(mirakl, GOOD)
    second = await upload(mirakl, GOOD, 409)
    assert second["type"] == "urn:hub:problem:import-repeated"
    assert first["import_id"] in second["detail"]
    await upload(mirakl, GOOD, again=True)
    await ended(mirakl, first["import_id"])
    assert [item["state"] for item in (await mirakl.get("/product-imports", state="refused"))["items"]] == ["refused"]
    assert len(mirakl.recorded("import_products")) == 2


@pytest.mark.parametrize(
    ("content", "pointer"),
    [
        (b"", "#"),
        (HEAD.encode(), "#"),
        (b"sku;title\nA;\xff\n", "row:2/"),
        (b"sku;sku\nA;B\n", "row:1/sku"),
        (b"sku;title\nA;B;C\n", "row:2/"),
        (b"sku;\nA;B\n", "row:1/"),
    ],
)
async def test_a_file_that_nobody_could_take_is_kept_and_refused(mirakl: Markets, content: bytes, pointer: str) -> None:
    answer = await mirakl.post("/product-imports", 422, NAME, content=content)
    assert [error["pointer"] for error in answer["errors"]] == [pointer]
    shown = await mirakl.get(f"/product-imports/{answer['import_id']}")
    assert (shown["state"], shown["bytes"]) == ("refused", len(content))
    assert await mirakl.h.effects() == []


async def test_files_may_come_packed(mirakl: Markets) -> None:
    packed = gzip.compress(GOOD.encode())
    headers = {"content-encoding": "gzip"}
    made = await mirakl.post("/product-imports", 202, NAME, content=packed, headers=headers)
    assert (await ended(mirakl, made["import_id"]))["counters"]["rows_taken"] == 2
    broken = await mirakl.post("/product-imports", 422, NAME, content=packed[:-9], headers=headers)
    assert "gzip" in broken["errors"][0]["detail"]
    bomb = gzip.compress(b"0" * (33 * 1024 * 1024))
    huge = await mirakl.post("/product-imports", 413, NAME, content=bomb, headers=headers)
    assert huge["type"] == "urn:hub:problem:file-too-large"


@pytest.mark.parametrize("name", ["lamps.exe", "../lamps.csv", "", "lämps.csv", ".csv"])
async def test_names_of_files_are_checked(mirakl: Markets, name: str) -> None:
    answer = await mirakl.post("/product-imports", 422, {"file_name": name}, content=GOOD)
    assert answer["errors"][0]["pointer"] == "query:/file_name"


async def test_a_connection_without_the_capability_takes_no_files(manomano: Markets, mirakl: Markets) -> None:
    answer = await manomano.post("/product-imports", 409, NAME, content=GOOD)
    assert answer["type"] == "urn:hub:problem:capability-off"
    await mirakl.connect(settings=HubSettings(capabilities_off=("products",)))
    await mirakl.post("/product-imports", 409, NAME, content=GOOD)


async def test_old_files_are_dropped_and_their_reports_stay(mirakl: Markets) -> None:
    made = await upload(mirakl, MIXED)
    on_its_way = await upload(mirakl, GOOD)
    shown = await ended(mirakl, made["import_id"])
    keeper = FileKeeper(mirakl.h.runtime.transactions, days=30)
    assert not await keeper.step()
    mirakl.clock.advance(timedelta(days=31).total_seconds())
    await mirakl.h.runtime.pool.execute(
        "UPDATE product_imports SET ended_at = NULL WHERE import_id = $1", UUID(on_its_way["import_id"])
    )
    assert await keeper.step()
    assert not await keeper.step()
    path = f"/v1/connections/{MARKET}/product-imports"
    assert (await mirakl.client.get(f"{path}/{made['import_id']}/file")).status_code == 404
    assert (await mirakl.client.get(f"{path}/{on_its_way['import_id']}/file")).status_code == 200
    after = await mirakl.get(f"/product-imports/{made['import_id']}")
    assert (after["kept"], after["problems"]) == (False, shown["problems"])


async def test_a_file_that_is_gone_is_a_refusal_and_no_empty_file(mirakl: Markets) -> None:
    made = await upload(mirakl, GOOD)
    await mirakl.h.runtime.pool.execute("UPDATE product_imports SET content = NULL")
    shown = await ended(mirakl, made["import_id"])
    assert (shown["state"], mirakl.recorded("import_products")) == ("failed", [])
    assert "no longer kept" in shown["reason"]


@pytest.mark.parametrize(
    ("given_counters", "rows", "problems", "done", "expected"),
    [
        (None, 12, [], True, (12, 12, 0)),
        ({"rows_read": 12, "rows_taken": 11, "rows_failed": 1}, 12, [], True, (12, 11, 1)),
        ({"rows_read": 12, "rows_taken": 12, "rows_failed": 0}, 12, [{"row": 3, "rule": "x"}], True, (12, 11, 1)),
        ({"rows_read": 2}, None, [{"rule": "x"}], True, (2, 1, 1)),
        (None, None, [{"rule": "x", "severity": "warning"}], True, (0, 0, 0)),
        (None, None, [], False, (1, 0, 1)),
        ({"rows_read": 5, "rows_taken": 5, "rows_failed": 0}, 5, [], False, (5, 0, 5)),
        ({"rows_read": "5", "rows_failed": -1}, 3, [], True, (3, 3, 0)),
    ],
)
def test_only_a_whole_success_has_no_failed_rows(
    given_counters: Any, rows: int | None, problems: list[Any], done: bool, expected: tuple[int, int, int]
) -> None:
    found = counted(given_counters, rows, problems, done=done)
    assert (found["rows_read"], found["rows_taken"], found["rows_failed"]) == expected


@given(content=st.binary(max_size=300))
def test_no_file_makes_the_look_fail(content: bytes) -> None:
    look("x.csv", content)
    look("x.xlsx", content)
    try:
        assert len(unpack(content, "gzip", 1000)) <= 1000
    except (ValueError, TooBig):
        return
