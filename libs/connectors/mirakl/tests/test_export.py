"""Exports: the past in files, complete or not at all, and the key only ever goes to the connection's own address."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from connector_kit.capabilities import OrderWindow
from connector_kit.http import Ambiguous, Answer, BadAnswer, Call, CallError, Lane
from connector_kit.reading import ExportState
from connector_mirakl.client import Unavailable
from connector_mirakl.export import EARLIEST, export_body

from .asgi_caller import START
from .stage import Stage


async def exported(stage: Stage, ticket: str) -> list[list[str]]:
    return [[order.reference for order in page] async for page in stage.connection.read_export(ticket)]


async def test_orders_come_file_by_file() -> None:
    stage = Stage(sandbox={"export_file_orders": 40})
    expected = stage.orders(95, lines=1)
    ticket = await stage.connection.start_export(OrderWindow(created_from=START - timedelta(days=1)))
    assert await stage.connection.export_state(ticket) is ExportState.PENDING
    stage.clock.pass_seconds(21)
    assert await stage.connection.export_state(ticket) is ExportState.READY
    pages = await exported(stage, ticket)
    assert [len(page) for page in pages] == [40, 40, 15]
    assert sorted(reference for page in pages for reference in page) == sorted(expected)
    assert {call.lane for call in stage.http.calls} == {Lane.BULK}


async def test_an_exported_order_is_mapped_like_a_listed_one(stage: Stage) -> None:
    order = stage.order(lines=2)
    ticket = await stage.connection.start_export(OrderWindow())
    stage.clock.pass_seconds(21)
    [[raw]] = [page async for page in stage.connection.read_export(ticket)]
    [listed] = await stage.listed()
    assert stage.connection.map_order(raw) == stage.connection.map_order(listed)
    assert raw.reference == order.id


async def test_an_empty_export_has_no_orders(stage: Stage) -> None:
    ticket = await stage.connection.start_export(OrderWindow())
    stage.clock.pass_seconds(21)
    assert await exported(stage, ticket) == []


@pytest.mark.parametrize(
    ("window", "body"),
    [
        (OrderWindow(), {"start_date": "2010-01-01T00:00:00Z", "end_date": "2025-11-07T09:14:22Z"}),
        (
            OrderWindow(updated_from=START - timedelta(seconds=0.5)),
            {"start_update_date": "2025-11-07T09:14:21Z", "end_update_date": "2025-11-07T09:14:22Z"},
        ),
        (
            OrderWindow(created_until=START + timedelta(seconds=0.5), updated_from=START),
            {
                "start_date": "2010-01-01T00:00:00Z",
                "end_date": "2025-11-07T09:14:23Z",
                "start_update_date": "2025-11-07T09:14:22Z",
                "end_update_date": "2025-11-07T09:14:22Z",
            },
        ),
    ],
)
def test_a_window_has_both_its_ends_and_is_never_narrower(window: OrderWindow, body: dict[str, Any]) -> None:
    told = export_body(window, START)
    assert told.pop("megabytes_per_chunk") == 10
    assert told == body
    assert EARLIEST < START


async def test_a_second_export_waits_for_the_first(stage: Stage) -> None:
    await stage.connection.start_export(OrderWindow())
    with pytest.raises(Unavailable, match="EXPORT_IN_PROGRESS"):
        await stage.connection.start_export(OrderWindow())
    stage.clock.pass_seconds(21)
    await stage.connection.start_export(OrderWindow())


async def test_a_failed_export_will_never_be_ready(stage: Stage) -> None:
    stage.fault("export_failed")
    ticket = await stage.connection.start_export(OrderWindow())
    stage.clock.pass_seconds(21)
    assert await stage.connection.export_state(ticket) is ExportState.FAILED
    with pytest.raises(BadAnswer, match="no files"):
        await exported(stage, ticket)


async def test_an_export_that_nobody_knows_is_asked_for_again(stage: Stage) -> None:
    assert await stage.connection.export_state("gone") is ExportState.FAILED


@pytest.mark.parametrize("fault", ["rate_limit", "error_500_before_effect", "html_answer", "timeout_after_effect"])
@pytest.mark.parametrize("operation", ["start_export", "export_state", "read_export"])
async def test_what_cannot_be_read_raises_and_is_never_an_empty_export(
    stage: Stage, fault: str, operation: str
) -> None:
    stage.order(lines=1)
    ticket = await stage.connection.start_export(OrderWindow())
    stage.clock.pass_seconds(21)
    stage.fault(fault, operation)
    with pytest.raises(CallError):
        if operation == "start_export":
            await stage.connection.start_export(OrderWindow())
        elif operation == "export_state":
            await stage.connection.export_state(ticket)
        else:
            await exported(stage, ticket)


async def test_an_export_whose_ticket_was_lost_blocks_the_next_only_while_it_runs(stage: Stage) -> None:
    stage.fault("timeout_after_effect", "start_export", times=1)
    with pytest.raises(Ambiguous):
        await stage.connection.start_export(OrderWindow())
    stage.clock.pass_seconds(21)
    assert await stage.connection.start_export(OrderWindow())


class Scripted:
    """Answers OR14 with what a test wants, and keeps the calls."""

    def __init__(self, *bodies: bytes) -> None:
        self.bodies = list(bodies)
        self.calls: list[Call] = []

    async def call(self, call: Call) -> Answer:
        self.calls.append(call)
        return Answer(200, {}, self.bodies.pop(0))


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("https://elsewhere.example.invalid/f/1?sign=a%2Bb", "/f/1"),
        ("/f/1?sign=a%2Bb", "/f/1"),
    ],
)
async def test_files_are_fetched_from_the_own_address_whatever_host_is_named(stage: Stage, url: str, path: str) -> None:
    told = b'{"status": "COMPLETED", "urls": ["' + url.encode() + b'"]}'
    outside = Scripted(told, b'{"orders": [{"order_id": "A"}]}')
    connection = stage.connect(http=outside)
    assert [[o.reference for o in page] async for page in connection.read_export("T/1")] == [["A"]]
    assert outside.calls[0].path == "/api/orders/async-export/status/T%2F1"
    assert (outside.calls[1].path, outside.calls[1].params) == (path, (("sign", "a+b"),))


@pytest.mark.parametrize("url", ["x:https://thief.example.invalid/f", "https://thief.example.invalid", "f", ""])
async def test_an_address_without_a_path_of_its_own_is_not_called(stage: Stage, url: str) -> None:
    outside = Scripted(b'{"status": "COMPLETED", "urls": ["' + url.encode() + b'"]}')
    with pytest.raises(BadAnswer, match="no path"):
        _ = [page async for page in stage.connect(http=outside).read_export("T")]
    assert len(outside.calls) == 1


@pytest.mark.parametrize("told", [b'{"status": "PENDING", "urls": []}', b'{"status": "COMPLETED"}'])
async def test_files_of_an_export_that_is_not_ready_are_not_an_empty_export(stage: Stage, told: bytes) -> None:
    with pytest.raises(BadAnswer, match="no files"):
        _ = [page async for page in stage.connect(http=Scripted(told)).read_export("T")]


@pytest.mark.parametrize("body", [b'{"status": "ARCHIVED"}', b"{}", b"[]", b"<html>"])
async def test_an_unknown_state_is_not_guessed(stage: Stage, body: bytes) -> None:
    with pytest.raises(BadAnswer):
        await stage.connect(http=Scripted(body)).export_state("T")
