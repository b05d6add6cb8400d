"""The guarded caller against a real socket that misbehaves at every possible moment."""

from __future__ import annotations

import asyncio
import gzip
import io
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.http import Ambiguous, Answer, BadAnswer, Call, CallError, FilePart, HttpCaller, Lane, NotSent
from connector_kit.manifest import Budget
from hub_common.clock import ManualClock
from hub_common.http import AddressPolicy, BreakerRules, CallBudget, ClientFactory, Connection, GuardedCaller, Timeouts
from hub_common.http.breaker import BreakerState
from hub_common.http.factory import _Inflater
from hub_common.logs import get_logger, setup_logging
from hub_common.metrics import Metrics

CANARY = "canary-s3cret"
Script = Callable[["Peer", asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


class Peer:
    """A server that keeps what it received and answers by script, one script per connection, the last one repeated."""

    def __init__(self) -> None:
        self.scripts: list[Script] = [answering(OK)]
        self.received: list[bytes] = []
        self.connections = 0
        self.port = 0
        self.arrived = asyncio.Event()
        self._server: asyncio.Server | None = None

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        script = self.scripts[min(self.connections, len(self.scripts) - 1)]
        self.connections += 1
        try:
            await script(self, reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def read(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (int(x.split(b":")[1]) for x in head.split(b"\r\n") if x.lower().startswith(b"content-length")), 0
        )
        request = head + await reader.readexactly(length)
        self.received.append(request)
        self.arrived.set()
        return request


def answering(raw: bytes) -> Script:
    async def script(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await peer.read(reader)
            writer.write(raw)
            await writer.drain()

    return script


def status(code: int, body: bytes = b"{}", *headers: str) -> Script:
    head = f"HTTP/1.1 {code} X\r\nContent-Length: {len(body)}\r\n" + "".join(f"{line}\r\n" for line in headers)
    return answering(head.encode() + b"\r\n" + body)


async def reads_then_closes(peer: Peer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)


async def reads_then_hangs(peer: Peer, reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    await reader.read()


async def closes_at_once(_peer: Peer, _reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    return None


async def breaks_in_the_body(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{")
    await writer.drain()


async def hangs_in_the_body(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await breaks_in_the_body(peer, reader, writer)
    await reader.read()


async def talks_nonsense(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await peer.read(reader)
    writer.write(f"{CANARY}\r\n\r\n".encode())
    await writer.drain()


async def drips(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Every byte comes within the read time-out, the answer never ends: only the total deadline stops it."""
    await peer.read(reader)
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    while not writer.is_closing():
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(0.01)


class Rig:
    """A caller with everything around it that tests look at."""

    def __init__(self, peer: Peer, log: io.StringIO) -> None:
        self.peer, self.log = peer, log
        self.clock = ManualClock()
        self.metrics = Metrics()
        self.policy = AddressPolicy.parse("127.0.0.0/8")
        self.factories: list[ClientFactory] = []
        self.caller, self.budget = self.make()

    def make(self, **more: Any) -> tuple[GuardedCaller, CallBudget]:
        factory = ClientFactory(
            timeouts=more.pop("timeouts", Timeouts.within(5)), answer_limit=1000, **more.pop("factory", {})
        )
        self.factories.append(factory)
        budgets = [
            Budget(operation="accept", calls=1000, per_seconds=60, burst=100, owner="o", deadline_reserve=1),
            Budget(operation="rare", calls=2, per_seconds=60, burst=2, owner="o", deadline_reserve=1),
        ]
        policy = more.pop("policy", self.policy)
        budget = CallBudget(budgets, self.clock)
        base_url = more.pop("base_url", f"http://127.0.0.1:{self.peer.port}/api")
        caller = GuardedCaller(
            Connection("c-1", "mirakl", base_url),
            sender=factory.sender(policy),
            policy=policy,
            budget=budget,
            clock=self.clock,
            log=get_logger("order-acceptance"),
            jitter=lambda _seconds: 0.0,
            retries=factory.retries,
            rules=BreakerRules(failures=3, cool_down=10),
            observe=self.metrics.observe_call,
            **more,
        )
        return caller, budget

    def count(self, status_class: str, operation: str = "accept") -> float:
        labels = {"connector": "mirakl", "operation": operation, "status": status_class}
        return self.metrics.registry.get_sample_value("hub_http_calls_total", labels) or 0.0


@pytest.fixture
async def peer() -> AsyncIterator[Peer]:
    server = Peer()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    stream = io.StringIO()
    setup_logging(level="DEBUG", stream=stream)
    logging.getLogger().setLevel(logging.DEBUG)
    yield stream
    setup_logging()


@pytest.fixture
async def rig(peer: Peer, log: io.StringIO) -> AsyncIterator[Rig]:
    made = Rig(peer, log)
    yield made
    for factory in made.factories:
        await factory.aclose()


def post(**more: Any) -> Call:
    given: dict[str, Any] = {"operation": "accept", "method": "POST", "path": "/orders", "json": {"a": 1}}
    return Call(**(given | more))


def get(**more: Any) -> Call:
    given: dict[str, Any] = {"operation": "accept", "method": "GET", "path": "/orders", "idempotent": True}
    return Call(**(given | more))


async def test_it_is_an_http_caller_and_answers_whole(rig: Rig) -> None:
    caller: HttpCaller = rig.caller
    rig.peer.scripts = [status(404, b'{"price": 19.90}', "X-Thing: One")]
    answer = await caller.call(get())
    assert (answer.status, answer.headers["x-thing"], answer.json()) == (404, "One", {"price": Decimal("19.90")})
    assert rig.count("4xx") == 1
    assert rig.caller.breaker("accept").state is BreakerState.CLOSED


async def test_what_is_sent(rig: Rig) -> None:
    await rig.caller.call(
        post(
            json={"amount": Decimal("10.10"), "big": Decimal("1E+3"), "text": "é", "n": None, "ok": True, "l": [1, ()]},
            params=[("since", "2026-11-02T09:00:00+01:00"), ("a", "b c&d=é/"), ("a", "2")],
            headers={"Authorization": CANARY},
        )
    )
    head, _, body = rig.peer.received[0].partition(b"\r\n\r\n")
    assert head.startswith(
        b"POST /api/orders?since=2026-11-02T09%3A00%3A00%2B01%3A00&a=b%20c%26d%3D%C3%A9%2F&a=2 HTTP/1.1\r\n"
    )
    assert body.decode() == '{"amount":10.10,"big":1000,"text":"é","n":null,"ok":true,"l":[1,[]]}'
    lines = {line.split(b":")[0].lower(): line for line in head.split(b"\r\n")[1:]}
    assert lines[b"content-type"] == b"content-type: application/json"
    assert lines[b"authorization"] == b"authorization: " + CANARY.encode()
    assert b"python" not in lines[b"user-agent"].lower()


async def test_multipart(rig: Rig) -> None:
    parts = [FilePart("file", b"\x00\x01", "a.pdf", "application/pdf"), FilePart("meta", b"{}")]
    await rig.caller.call(post(json=None, parts=parts))
    head, _, body = rig.peer.received[0].partition(b"\r\n\r\n")
    assert b"content-type: multipart/form-data; boundary=" in head.lower()
    assert b'name="file"; filename="a.pdf"\r\nContent-Type: application/pdf\r\n\r\n\x00\x01\r\n' in body
    assert b'name="meta"\r\n' in body
    assert b'name="meta"; filename' not in body


async def test_absolute_addresses_are_guarded_the_same(rig: Rig) -> None:
    await rig.caller.call(get(path=f"http://127.0.0.1:{rig.peer.port}/next?page=2", params=[("x", "1")]))
    assert rig.peer.received[0].startswith(b"GET /next?page=2&x=1 HTTP/1.1")
    for path in ("http://10.0.0.1/", "https://169.254.169.254/latest", "http://[::1]/", "http://0x7f.1/"):
        with pytest.raises(NotSent):
            await rig.caller.call(get(path=path))
    await rig.caller.call(get(path="//evil.example/x"))
    assert rig.peer.received[1].startswith(b"GET /api/evil.example/x HTTP/1.1")


async def test_a_connection_without_usable_base_address_is_told_so(rig: Rig) -> None:
    for base_url, rule in (("", "is not set"), ("https://shop.example/?a=1", "query"), ("shop.example", "https://")):
        caller, _ = rig.make(base_url=base_url)
        with pytest.raises(NotSent, match=rule):
            await caller.call(post())


@pytest.mark.parametrize(
    "wrong",
    [
        {"json": {"a": 1.5}},
        {"json": {"a": [Decimal("NaN")]}},
        {"json": {1: 2}},
        {"json": {"a": "\ud800"}},
        {"json": object()},
        {"content": b"x"},
        {"method": "post"},
        {"headers": {"X-A": f"{CANARY}\r\nX-B: 1"}},
        {"headers": {"X A": CANARY}},
        {"headers": {"Host": CANARY}},
        {"path": "/orders/../admin"},
        {"path": "/orders/a b"},
        {"json": None, "parts": [FilePart("f", b"", "f", f"{CANARY}\r\nX: y")]},
        {"operation": "undeclared"},
    ],
)
async def test_what_cannot_be_sent_is_not_sent(rig: Rig, wrong: dict[str, Any]) -> None:
    with pytest.raises(NotSent) as error:
        await rig.caller.call(post(**wrong))
    assert CANARY not in "".join(traceback.format_exception(error.value))
    assert rig.peer.connections == 0
    assert rig.count("not_sent", wrong.get("operation", "accept")) == 1


@pytest.mark.parametrize(
    "script", [reads_then_closes, closes_at_once, breaks_in_the_body, talks_nonsense], ids=lambda s: s.__name__
)
@pytest.mark.parametrize("idempotent", [True, False])
async def test_broken_connections_are_ambiguous_and_never_repeated(rig: Rig, script: Script, idempotent: bool) -> None:
    rig.peer.scripts = [script]
    with pytest.raises(Ambiguous) as error:
        await rig.caller.call(post(idempotent=idempotent))
    assert rig.peer.connections == 1
    assert rig.count("ambiguous") == 1
    assert CANARY not in "".join(traceback.format_exception(error.value))


@pytest.mark.parametrize("script", [reads_then_hangs, hangs_in_the_body, drips], ids=lambda s: s.__name__)
@pytest.mark.parametrize("times", [Timeouts(read=0.15), Timeouts(read=10, total=0.2)], ids=["read", "total"])
async def test_time_outs_after_sending_are_ambiguous(rig: Rig, script: Script, times: Timeouts) -> None:
    if script is drips:
        times = Timeouts(read=5, total=0.2)
    rig.peer.scripts = [script]
    caller, _ = rig.make(timeouts=times)
    with pytest.raises(Ambiguous, match="time-out"):
        await caller.call(post())


async def test_a_request_too_large_to_be_taken_is_ambiguous_when_writing_stops(rig: Rig) -> None:
    async def never_reads(_peer: Peer, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await asyncio.wait_for(writer.wait_closed(), 3)

    rig.peer.scripts = [never_reads]
    caller, _ = rig.make(timeouts=Timeouts(write=0.2, total=2))
    with pytest.raises(Ambiguous):
        await caller.call(post(json=None, content=b"x" * 50_000_000))


async def test_a_server_that_closes_an_idle_connection_makes_no_false_not_sent(rig: Rig) -> None:
    async def once(peer: Peer, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await peer.read(reader)
        writer.write(OK)
        await writer.drain()
        await peer.read(reader)

    rig.peer.scripts = [once]
    await rig.caller.call(post())
    with pytest.raises(Ambiguous):
        await rig.caller.call(post())
    assert (len(rig.peer.received), rig.peer.connections) == (2, 1), "the request did arrive, so it may not be repeated"


async def test_refused_connections_are_not_sent_and_open_the_breaker(rig: Rig) -> None:
    await rig.peer.stop()
    for _ in range(3):
        with pytest.raises(NotSent, match="no connection"):
            await rig.caller.call(post())
    assert rig.caller.breaker("accept").state is BreakerState.OPEN
    with pytest.raises(NotSent, match="circuit breaker") as held:
        await rig.caller.call(post())
    assert held.value.retry_after == 10
    await rig.peer.start()
    rig.clock.advance(10)
    assert (await rig.caller.call(post())).status == 200
    assert rig.caller.breaker("accept").state is BreakerState.CLOSED


async def test_breakers_are_per_operation(rig: Rig) -> None:
    rig.peer.scripts = [status(500)]
    for _ in range(3):
        assert (await rig.caller.call(post())).status == 500
    assert rig.caller.breaker("accept").state is BreakerState.OPEN
    assert (await rig.caller.call(post(operation="rare"))).status == 500


async def test_a_connect_time_out_is_not_sent(rig: Rig) -> None:
    async def never(_host: str, _port: int) -> Sequence[str]:
        await asyncio.Event().wait()
        return []

    for times in (Timeouts(connect=0.1), Timeouts(total=0.1)):
        caller, _ = rig.make(base_url="http://slow.example:99", timeouts=times, factory={"resolver": never})
        with pytest.raises(NotSent):
            await caller.call(post())
    assert rig.peer.connections == 0


async def test_a_failure_that_nobody_foresaw_is_ambiguous(rig: Rig) -> None:
    async def surprise(_host: str, _port: int) -> Sequence[str]:
        raise RuntimeError(CANARY)

    caller, _ = rig.make(base_url="http://shop.example:99", factory={"resolver": surprise})
    with pytest.raises(Ambiguous, match="RuntimeError") as error:
        await caller.call(get())
    assert CANARY not in "".join(traceback.format_exception(error.value))


def test_unpacking_stops_at_what_is_still_allowed() -> None:
    inflater = _Inflater(200)
    assert len(inflater.feed(gzip.compress(bytes(10**7)), 100)) == 100


async def test_no_free_connection_is_not_sent(rig: Rig) -> None:
    rig.peer.scripts = [reads_then_hangs]
    caller, _ = rig.make(timeouts=Timeouts(pool=0.1), factory={"max_connections": 1})
    first = asyncio.create_task(caller.call(post()))
    await asyncio.wait_for(rig.peer.arrived.wait(), 5)
    with pytest.raises(NotSent, match="no free connection"):
        await caller.call(post())
    assert len(rig.peer.received) == 1
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first


async def test_a_cancelled_trial_does_not_block_the_breaker(rig: Rig) -> None:
    rig.peer.scripts = [status(500), reads_then_hangs]
    for _ in range(3):
        await rig.caller.call(post())
    rig.clock.advance(10)
    rig.peer.arrived.clear()
    other, _ = rig.make()
    rig.caller._sender = other._sender  # a fresh pool, so that the trial meets the hanging script
    trial = asyncio.create_task(rig.caller.call(post()))
    await asyncio.wait_for(rig.peer.arrived.wait(), 5)
    assert rig.caller.breaker("accept").admit() > 0
    trial.cancel()
    with pytest.raises(asyncio.CancelledError):
        await trial
    assert rig.caller.breaker("accept").admit() == 0


async def test_after_closing_nothing_is_sent(rig: Rig) -> None:
    await rig.factories[0].aclose()
    with pytest.raises(NotSent, match="closed"):
        await rig.caller.call(post())
    assert rig.peer.connections == 0


async def test_tls_failures_are_not_sent(rig: Rig) -> None:
    caller, _ = rig.make(base_url=f"https://127.0.0.1:{rig.peer.port}", timeouts=Timeouts(connect=0.3))
    with pytest.raises(NotSent):
        await caller.call(post())
    assert rig.peer.received == []


async def test_idempotent_calls_are_repeated_once_when_the_connection_fails_within_the_retry_budget(rig: Rig) -> None:
    answers: list[list[str]] = [["127.0.0.1"]]
    tries = 0

    async def flaky(_host: str, _port: int) -> Sequence[str]:
        nonlocal tries
        tries += 1
        if not answers:
            raise OSError("no such name")
        return answers.pop()

    caller, _ = rig.make(base_url=f"http://shop.example:{rig.peer.port}", factory={"resolver": flaky})
    factory = rig.factories[-1]
    for _ in range(10):
        factory.retries.called()
    answers.clear()
    with pytest.raises(NotSent):
        await caller.call(post())
    assert tries == 1, "not idempotent: never repeated here"
    with pytest.raises(NotSent):
        await caller.call(get())
    assert tries == 3
    with pytest.raises(NotSent):
        await caller.call(get())
    assert tries == 4, "the retry budget is used up"


async def test_budget_and_lanes(rig: Rig) -> None:
    assert (await rig.caller.call(post(operation="rare"))).status == 200
    with pytest.raises(NotSent, match="budget") as held:
        await rig.caller.call(post(operation="rare"))
    assert held.value.retry_after is not None
    assert held.value.retry_after > 0
    assert (await rig.caller.call(post(operation="rare", lane=Lane.DEADLINE))).status == 200
    assert rig.peer.connections == 1
    assert rig.count("not_sent", "rare") == 1


@pytest.mark.parametrize(
    ("answer", "wait"),
    [
        (status(429, b"{}", "Retry-After: 7"), 7),
        (status(429, b'{"retry_after": 12}'), 12),
        (status(429), 30),
        (status(429, b"{}", "Retry-After: Mon, 02 Nov 2026 09:01:00 GMT"), 60),
        (status(429, b"{}", "Retry-After: Sun, 01 Nov 2026 09:01:00 GMT"), 0),
        (status(429, b"{}", "Retry-After: \xb2"), 30),
        (status(429, b"[" * 900), 30),
        (status(429, b'{"retry_after": 1' + b"0" * 200 + b"}"), 6 * 3600),
        (status(429, b'{"retry_after": 1' + b"0" * 500 + b"}"), 6 * 3600),
        (status(503, b"{}", "Retry-After: 9"), 9),
        (status(503), 0),
    ],
)
async def test_429_penalises_the_budget_and_leaves_the_breaker(rig: Rig, answer: Script, wait: float) -> None:
    rig.peer.scripts = [answer]
    for _ in range(4):
        try:
            code = (await rig.caller.call(post())).status
        except NotSent:
            break
        if code == 503:
            break
    assert rig.caller.breaker("accept").state is BreakerState.CLOSED
    assert rig.budget.try_take("accept", Lane.DEADLINE) == pytest.approx(wait)


async def test_redirects_are_answers_and_cookies_are_forgotten(rig: Rig) -> None:
    rig.peer.scripts = [status(302, b"", "Location: http://10.0.0.1/", f"Set-Cookie: session={CANARY}; Path=/")]
    assert (await rig.caller.call(get())).status == 302
    await rig.caller.call(get())
    assert len(rig.peer.received) == 2
    assert CANARY.encode() not in rig.peer.received[1]


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 2000\r\n\r\n" + b"x" * 2000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + (b"100\r\n" + b"x" * 256 + b"\r\n") * 8,
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s"
        % (len(gzip.compress(bytes(10**8))), gzip.compress(bytes(10**8))),
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\nnope",
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 10\r\n\r\n" + gzip.compress(b"abc")[:10],
        b"HTTP/1.1 200 OK\r\nContent-Encoding: br\r\nContent-Length: 4\r\n\r\nnope",
    ],
    ids=["length", "chunked", "bomb", "no gzip", "cut gzip", "br"],
)
async def test_answers_too_large_or_wrongly_packed_are_bad(rig: Rig, raw: bytes) -> None:
    rig.peer.scripts = [answering(raw)]
    with pytest.raises(BadAnswer, match="HTTP 200"):
        await rig.caller.call(get())
    assert rig.count("bad_answer") == 1


async def test_gzip_answers_are_unpacked(rig: Rig) -> None:
    packed = gzip.compress(b'{"a":') + gzip.compress(b"1}")
    rig.peer.scripts = [status(200, packed, "Content-Encoding: gzip")]
    assert (await rig.caller.call(get())).json() == {"a": 1}


async def test_an_answer_of_exactly_the_limit_passes(rig: Rig) -> None:
    rig.peer.scripts = [status(200, b"x" * 1000)]
    assert len((await rig.caller.call(get())).body) == 1000


async def failure_of(caller: GuardedCaller, call: Call) -> CallError | None:
    try:
        await caller.call(call)
    except CallError as error:
        return error
    return None


async def test_no_secret_reaches_a_log_line_or_an_exception(rig: Rig) -> None:
    call = post(
        headers={"X-Api-Key": CANARY, "Authorization": f"Bearer {CANARY}"},
        params=[("key", CANARY)],
        json={"password": CANARY},
        path=f"/hooks/{CANARY}",
    )
    scripts = [status(200, CANARY.encode(), f"X-Echo: {CANARY}"), status(500, CANARY.encode()), reads_then_closes]
    texts: list[str] = []
    for script in [*scripts, talks_nonsense]:
        caller, _ = rig.make()
        rig.peer.scripts, rig.peer.connections = [script], 0
        failure = await failure_of(caller, call)
        if failure is not None:
            assert failure.__context__ is None
            texts.append("".join(traceback.format_exception(failure)))
    await rig.peer.stop()
    caller, _ = rig.make()
    with pytest.raises(NotSent) as refused:
        await caller.call(call)
    texts.append("".join(traceback.format_exception(refused.value)))
    assert CANARY not in "".join(texts)
    assert CANARY not in rig.log.getvalue()
    assert '"event":"http_call"' in rig.log.getvalue()
    assert '"connection_id":"c-1"' in rig.log.getvalue()
    assert '"host":"127.0.0.1"' in rig.log.getvalue()


async def test_proxy_variables_are_ignored(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    caller, _ = rig.make()
    assert isinstance(await caller.call(get()), Answer)
