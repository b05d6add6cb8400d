"""Spans: one chain per order across services, nothing when off, and a dead receiver costs nothing but spans."""

from __future__ import annotations

import asyncio
import io
import json
import socket
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from connector_kit.http import Lane
from connector_kit.outcome import Outcome
from hub_common import logs
from hub_common.effects.model import Effect
from hub_common.ids import SystemIds
from hub_common.kafka.records import InRecord, OutRecord
from hub_common.relay import Relay
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_common.testing.otlp import OtlpReceiver, SeenSpan
from hub_common.testing.probe.handlers import failing
from hub_common.testing.probe.main import SPEC
from hub_common.trace import Trace, new_trace, parse, use
from hub_common.tracing import STOP_SECONDS, Tracing
from hub_common.tracing_work import Attempts
from hub_contracts.shop_activity import StockReported

SHARDS = (0, 1, 2, 3)


@pytest.fixture
def receiver() -> Iterator[OtlpReceiver]:
    with OtlpReceiver() as running:
        yield running


class Told:
    """Takes what a relay sends, as a broker would."""

    def __init__(self) -> None:
        self.records: list[OutRecord] = []

    async def send(self, records: Sequence[OutRecord]) -> list[bool]:
        self.records += records
        return [True] * len(records)


@asynccontextmanager
async def service(database: str, endpoint: str, **settings: Any) -> AsyncIterator[Harness]:
    async with Harness(SPEC, database, otlp_endpoint=endpoint, **settings) as harness:
        yield harness
        if harness.runtime.tracing is not None:
            await harness.runtime.tracing.stop()


def stock(harness: Harness, sku: str, trace: Trace | None) -> InRecord:
    data = StockReported(shop_connection_id=uuid4(), shop_sku=sku, quantity=1, reported_at=harness.clock.now())
    record = harness.record(sku, data)
    headers = [*record.headers, ("traceparent", trace.traceparent.encode())] if trace else record.headers
    return InRecord(record.topic, record.partition, record.offset, record.key, record.value, headers, 0)


async def relayed(harness: Harness) -> list[OutRecord]:
    told = Told()
    relay = Relay(harness.runtime.pool, told, 100, "probe", tracing=harness.runtime.tracing)
    while await relay.step(SHARDS):
        continue
    return told.records


def named(spans: list[SeenSpan], name: str) -> list[SeenSpan]:
    return [span for span in spans if span.name == name]


async def test_what_is_told_follows_from_what_was_heard_and_readers_follow_from_the_sending(
    database: str, receiver: OtlpReceiver
) -> None:
    first, second = new_trace(), new_trace()
    async with service(database, receiver.url) as harness:
        await harness.runtime.inbox.process([stock(harness, "A", first), stock(harness, "B", second)])
        records = await relayed(harness)
    for trace, record in zip((first, second), records, strict=True):
        spans = receiver.trace(trace.trace_id)
        (heard,), (sent,) = named(spans, "process hub.shop-activity"), named(spans, "send hub.stock")
        assert (heard.kind, heard.parent_id, heard.service) == ("CONSUMER", trace.span_id, "probe")
        assert (sent.kind, sent.parent_id) == ("PRODUCER", heard.span_id)
        follows = parse(dict(record.headers)["traceparent"].decode())
        assert follows == Trace(trace.trace_id, sent.span_id)
        assert sent.attributes["messaging.message.id"] == dict(record.headers)["ce_id"].decode()
        assert {"messaging.system", "messaging.destination.name", "hub.event.type"} <= set(heard.attributes)
    (batch,) = named(receiver.spans(), "process batch")
    assert batch.attributes["messaging.batch.message_count"] == 2
    assert {s.links for s in named(receiver.spans(), "process hub.shop-activity")} == {(batch.trace_id,)}


async def test_a_batch_that_failed_leaves_failed_spans_and_the_repeat_its_own(
    database: str, receiver: OtlpReceiver
) -> None:
    good, bad = new_trace(), new_trace()
    failing.add("FLAKY")
    try:
        async with service(database, receiver.url) as harness:
            await harness.runtime.inbox.process([stock(harness, "A", good), stock(harness, "FLAKY", bad)])
    finally:
        failing.discard("FLAKY")
    assert sorted(span.error for span in receiver.trace(good.trace_id)) == [False, True]
    assert [span.attributes["error.type"] for span in receiver.trace(bad.trace_id)] == ["Transient", "Transient"]


async def test_an_effects_attempt_stands_between_the_event_and_what_it_tells(
    database: str, receiver: OtlpReceiver
) -> None:
    trace, seen = new_trace(), []

    async def execute(_: Any, effects: Sequence[Effect]) -> Sequence[Outcome]:
        seen.append(logs_trace())
        return [Outcome.done() if each.request["shop_sku"] == "A" else Outcome.rejected("no") for each in effects]

    async with service(database, receiver.url) as harness:
        tracing = harness.runtime.tracing
        effects = [_effect(trace, "A"), _effect(trace, "B")]
        attempts = Attempts(tracing, effects, "toy", "accept_order")
        with use(attempts.trace(effects)):
            outcomes = await execute(None, effects)
            async with harness.runtime.transactions.begin() as tx:
                assert tx.spans is not None
                tx.spans.settle(attempts.steps)
                data = StockReported(
                    shop_connection_id=uuid4(), shop_sku="A", quantity=1, reported_at=harness.clock.now()
                )
                tx.emit(data, key="A", cause=effects[0].cause)
            attempts.end(outcomes)
        await relayed(harness)
    one, other = sorted(named(receiver.trace(trace.trace_id), "effect accept"), key=lambda s: s.error)
    assert (one.parent_id, other.parent_id, other.links) == (trace.span_id, trace.span_id, (trace.trace_id,))
    assert one.attributes["hub.effect.outcome"] == "done"
    assert other.attributes["error.type"] == "rejected"
    assert one.attributes["hub.operation"] == "accept_order"
    (sent,) = named(receiver.trace(trace.trace_id), "send hub.shop-activity")
    assert sent.parent_id in (one.span_id, other.span_id)
    assert seen == [trace.trace_id]


def logs_trace() -> str:
    """The trace that a log line written now names."""
    lines = io.StringIO()
    before = logs._output.stream
    logs._output.stream = lines
    try:
        logs.get_logger("x").warning("line")
    finally:
        logs._output.stream = before
    return str(json.loads(lines.getvalue()).get("trace"))


def _effect(trace: Trace, sku: str) -> Effect:
    return Effect(
        effect_id=uuid4(),
        kind="accept",
        natural_key=f"accept:{sku}",
        connection_id=UUID(int=7),
        credential_ref="c",
        tenant="t",
        order_id=None,
        order_key=sku,
        lane=Lane.LIVE,
        deadline=None,
        attempts=1,
        request={"shop_sku": sku},
        context={},
        answer={},
        reason="",
        traceparent=trace.traceparent,
        causation_id=None,
    )


async def test_requests_have_spans_without_paths_and_strangers_choose_no_trace(
    database: str, receiver: OtlpReceiver
) -> None:
    stranger = new_trace()
    async with service(database, receiver.url) as harness:
        url = await harness.serve()
        headers = {"authorization": f"Bearer {OPERATOR_TOKEN}", "traceparent": stranger.traceparent}
        async with httpx.AsyncClient() as client:
            await client.get(f"{url}/v1/operations/parked?cause=secret-word", headers=headers)
            await client.get(f"{url}/healthz")
    (span,) = receiver.spans()
    assert (span.name, span.kind) == ("GET /v1/operations/parked", "SERVER")
    assert (span.attributes["http.route"], span.attributes["http.response.status_code"]) == (
        "/v1/operations/parked",
        200,
    )
    assert span.trace_id != stranger.trace_id
    assert span.links == (stranger.trace_id,)
    assert "secret-word" not in str(span)


async def test_off_is_absent_and_events_keep_their_trace(database: str) -> None:
    trace = new_trace()
    async with service(database, "") as harness:
        assert harness.runtime.tracing is None
        await harness.runtime.inbox.process([stock(harness, "A", trace)])
        (record,) = await relayed(harness)
    assert dict(record.headers)["traceparent"].decode() == trace.traceparent


async def test_a_receiver_that_never_answers_neither_slows_nor_fails_the_work(database: str) -> None:
    """It takes connections and says nothing, which is worse than one that refuses them."""
    with socket.create_server(("127.0.0.1", 0), backlog=50) as silent:
        async with Harness(SPEC, database, otlp_endpoint=f"http://127.0.0.1:{silent.getsockname()[1]}") as harness:
            total = 6000
            for start in range(0, total, 500):
                batch = [stock(harness, f"S{n}", new_trace()) for n in range(start, start + 500)]
                result = await harness.runtime.inbox.process(batch)
                assert result.handled == 500
            assert harness.runtime.tracing is not None
            async with asyncio.timeout(2 * STOP_SECONDS):
                await harness.runtime.tracing.stop()
            assert await harness.runtime.pool.fetchval("SELECT count(*) FROM outbox") == total


def test_services_agree_on_who_is_sampled_whatever_made_the_ids() -> None:
    """Ids made of a UUIDv7 have a time and fixed bits in front; only the last 32 bits decide."""

    class Nowhere:
        def begin(self, *_: Any) -> Any:
            raise AssertionError("not reached")

        def close(self) -> None:
            return None

    tracing, all_of_it = Tracing(Nowhere(), 0.25), Tracing(Nowhere(), 1.0)
    ids = SystemIds()
    traces = [new_trace(lambda size: ids.new().bytes[-size:]) for _ in range(4000)]
    share = sum(map(tracing.sampled, traces)) / len(traces)
    assert 0.2 < share < 0.3
    assert all(map(all_of_it.sampled, traces))
    assert not all_of_it.sampled(replace(traces[0], sampled=False))
    below = Trace("f" * 24 + "0" * 8, "1" * 16)
    assert tracing.sampled(below)


async def test_unsampled_events_are_passed_on_as_they_came(database: str, receiver: OtlpReceiver) -> None:
    dropped = Trace("1" * 24 + "f" * 8, "2" * 16)
    async with service(database, receiver.url, trace_sample_ratio=0.5) as harness:
        await harness.runtime.inbox.process([stock(harness, "A", dropped)])
        (record,) = await relayed(harness)
    assert receiver.trace(dropped.trace_id) == []
    assert dict(record.headers)["traceparent"].decode() == dropped.traceparent
