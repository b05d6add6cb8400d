"""The door for what marketplaces push: proven, kept, read at once, and worth nothing to a stranger."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from connector_kit.capabilities import ConnectionContext
from connector_kit.discovery import connector, load_connectors
from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.reading import BadNotice, Notice
from connector_kit.simulator import FaultRule
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_contracts.connections import ConnectionState, HubSettings, ImportSettings
from hub_contracts.orders import OrderReceived, OrderStatusChanged
from order_ingest.notice_rate import NoticeRates
from order_ingest.notices import forget_step
from order_ingest.pollers import pollers_of
from order_ingest.rereads import Rereads

SECRET = "notice-secret-0123"
SIGNATURE = "X-Fake-Signature"
NOT_PROVEN = {"type": "urn:hub:problem:unauthorised", "title": "Not authenticated", "status": 401}
REASON = "words of the connector about what came"


class Pushing:
    """ManoMano's connector, at a marketplace that also pushes notices signed with an HMAC."""

    def __init__(self, inner: Any, secret: str) -> None:
        self._inner, self._secret = inner, secret

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def read_notice(self, headers: Mapping[str, str], body: bytes) -> Notice:
        proof = hmac.new(self._secret.encode(), body, hashlib.sha256).hexdigest()
        if not hmac.compare_digest(proof.encode(), headers.get(SIGNATURE.lower(), "").encode()):
            raise BadNotice(REASON)
        if body.startswith(b"fault"):
            raise KeyError(body.decode())
        try:
            return Notice(order_references=tuple(json.loads(body)["orders"]))
        except (ValueError, LookupError, TypeError):
            raise BadNotice(REASON) from None


class PushingFactory:
    """Its factory."""

    def __init__(self) -> None:
        self._inner = connector("manomano")
        known = self._inner.manifest
        added = known.capabilities | {Capability.NOTICES}
        self.manifest = known.model_copy(update={"name": "pushing", "capabilities": added})

    def connect(self, context: ConnectionContext) -> Pushing:
        return Pushing(self._inner.connect(context), context.credentials["notice_secret"].get_secret_value())


@pytest.fixture(autouse=True)
def _pushing() -> Iterator[None]:
    load_connectors()["pushing"] = PushingFactory()  # type: ignore[assignment]  # it needs no simulator of its own
    yield
    del load_connectors()["pushing"]


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    return {SIGNATURE: hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()}


def naming(*references: str) -> bytes:
    return json.dumps({"orders": references}).encode()


class Door:
    """Knocks at a hub with one connection that takes notices."""

    def __init__(self, world: Any, url: str) -> None:
        self.world, self.url = world, url
        self.duty = Rereads(world.h.runtime)
        self.connection: Any = None

    async def connect(self, **changes: Any) -> Any:
        connection_id = uuid4()
        secrets = {"api_key": "manomano-sandbox-key", "notice_secret": SECRET}
        sealed = self.world.h.runtime.keyring.seal(connection_id, secrets)
        values = {"connection_id": connection_id, "connector": "pushing", "credentials": sealed} | changes
        self.connection = await self.world.connect(**values)
        await self.world.poll()
        return self.connection

    async def knock(
        self, body: bytes, headers: Mapping[str, str] | None = None, connection_id: UUID | str | None = None
    ) -> httpx.Response:
        where = connection_id or self.connection.connection_id
        async with httpx.AsyncClient(base_url=self.url) as client:
            given = signed(body) if headers is None else headers
            return await client.post(f"/v1/notices/{where}", content=body, headers=given)

    async def read(self, seconds: float = 1) -> list[str]:
        """Let what is due be read; returns the types of events told."""
        self.world.clock.advance(seconds)
        await self.world.h.lease()
        await self.duty.step()
        return [event.type for event in await self.world.h.emitted()]

    async def rows(self, table: str) -> list[dict[str, Any]]:
        return [dict(row) for row in await self.world.h.runtime.pool.fetch(f"SELECT * FROM {table}")]


MakeDoor = Any


@pytest.fixture
async def make_door(make_world: Any) -> MakeDoor:
    async def make(**settings: Any) -> Door:
        world = await make_world(**settings)
        made = Door(world, await world.h.serve())
        await made.connect()
        return made

    return make


@pytest.fixture
async def door(make_door: MakeDoor) -> Door:
    made: Door = await make_door()
    return made


def problem_of(answer: httpx.Response) -> dict[str, Any]:
    assert answer.headers["content-type"] == "application/problem+json"
    found: dict[str, Any] = answer.json()
    return {name: value for name, value in found.items() if name != "instance"}


async def test_an_order_that_a_notice_names_is_read_before_the_next_poll(door: Door) -> None:
    [reference] = door.world.orders()
    answer = await door.knock(naming(reference))
    assert (answer.status_code, answer.json()) == (202, {"state": "taken"})
    assert OrderReceived.TYPE in await door.read()
    door.world.sandbox.set_status(reference, "PREPARATION")
    await door.knock(naming(reference, reference))
    assert await door.read() == [OrderStatusChanged.TYPE]
    assert [(row["state"], row["order_references"]) for row in await door.rows("notices")] == [("taken", 1)] * 2


async def test_repeated_notices_cost_one_row_and_one_wish_and_tell_nothing_twice(door: Door) -> None:
    [reference] = door.world.orders()
    for _ in range(5):
        assert (await door.knock(naming(reference))).status_code == 202
    [notice] = await door.rows("notices")
    assert (notice["times"], notice["body"]) == (5, naming(reference))
    [wish] = await door.rows("rereads")
    assert (wish["wishes"], wish["state"], wish["difference_id"]) == (5, "open", None)
    assert (await door.read()).count(OrderReceived.TYPE) == 1
    assert await door.read() == []
    await door.knock(naming(reference))
    assert await door.read() == []


async def test_the_same_bytes_may_tell_of_another_change(door: Door) -> None:
    [reference] = door.world.orders()
    await door.knock(naming(reference))
    await door.read()
    door.world.sandbox.set_status(reference, "PREPARATION")
    await door.knock(naming(reference))
    assert await door.read() == [OrderStatusChanged.TYPE]


async def test_a_notice_that_comes_while_its_order_is_being_read_is_not_lost(door: Door) -> None:
    [reference] = door.world.orders()
    await door.knock(naming(reference))
    speaker = pollers_of(door.world.h.runtime).reader.book.connector(door.connection.connection_id, Lane.LIVE)
    real, began, go_on = speaker._inner.read_order, asyncio.Event(), asyncio.Event()

    async def slowly(wanted: str) -> Any:
        answer = await real(wanted)
        began.set()
        await go_on.wait()
        return answer

    speaker.read_order = slowly
    reading = asyncio.create_task(door.read())
    await began.wait()
    door.world.sandbox.set_status(reference, "PREPARATION")
    await door.knock(naming(reference))
    go_on.set()
    assert OrderReceived.TYPE in await reading
    assert (await door.rows("rereads"))[0]["state"] == "open"
    assert await door.read() == [OrderStatusChanged.TYPE]


@pytest.mark.parametrize("body", [naming(), naming("", "x" * 201, "a\x00b")])
async def test_a_notice_that_names_nothing_to_read_lets_the_connection_be_polled_soon(door: Door, body: bytes) -> None:
    door.world.orders()
    assert (await door.knock(body)).status_code == 202
    assert await door.rows("rereads") == []
    assert await door.world.poll(1) == [], "a poll was just made"
    assert OrderReceived.TYPE in [event.type for event in await door.world.poll(10)]
    [state] = await door.rows("poll_state")
    assert (state["polls"], state["last_manual_by"], state["run_requested_at"]) == (2, "notice", None)


async def test_many_notices_without_references_make_no_more_polls_than_one_each_ten_seconds(door: Door) -> None:
    for _ in range(30):
        await door.knock(naming())
        await door.world.poll(1)
    assert (await door.rows("poll_state"))[0]["polls"] in (3, 4)


async def test_a_forged_notice_is_refused_without_a_word_and_changes_nothing(door: Door) -> None:
    [reference] = door.world.orders()
    body = naming(reference)
    for headers in ({}, signed(body, "another secret"), {SIGNATURE: ""}, {SIGNATURE: "0" * 4000}):
        answer = await door.knock(body, headers)
        assert answer.status_code == 401
        assert problem_of(answer) == {
            "type": "urn:hub:problem:unauthorised",
            "title": "Not authenticated",
            "status": 401,
        }
    assert await door.rows("rereads") == []
    assert await door.read() == []
    [notice] = await door.rows("notices")
    assert (notice["state"], notice["times"]) == ("refused", 4)


async def test_a_forged_copy_does_not_undo_what_was_proven(door: Door) -> None:
    body = naming("M1")
    await door.knock(body)
    await door.knock(body, {})
    [notice] = await door.rows("notices")
    assert (notice["state"], notice["times"]) == ("taken", 2)


async def test_connections_that_take_no_notices_answer_like_a_forged_one(door: Door) -> None:
    body = naming("M1")
    forged = problem_of(await door.knock(body, {}))
    settings = HubSettings(orders=ImportSettings(), capabilities_off=("notices",))
    others = [
        (await door.world.connect()).connection_id,
        (await door.world.connect(connector="pushing", settings=settings)).connection_id,
        (await door.world.connect(connector="pushing", state=ConnectionState.INACTIVE)).connection_id,
        (await door.world.connect(connector="not_installed")).connection_id,
        uuid4(),
        "nonsense",
    ]
    for connection_id in others:
        answer = await door.knock(body, connection_id=connection_id)
        assert (answer.status_code, problem_of(answer)) == (401, forged)
    assert len(await door.rows("notices")) == 1


@pytest.mark.parametrize("body", [b"", b"{", b"\xff\xfe\x00", b"[]", b'{"orders": 7}', b'{"orders": [{}]}', b"fault"])
async def test_proven_bytes_that_cannot_be_read_are_kept_and_refused(door: Door, body: bytes) -> None:
    assert (await door.knock(body)).status_code == 401
    [notice] = await door.rows("notices")
    assert (notice["state"], notice["body"]) == ("refused", body)
    assert await door.rows("rereads") == []


async def test_a_notice_that_is_too_long_is_neither_kept_nor_read(make_door: MakeDoor) -> None:
    door = await make_door(notice_max_bytes=1024)
    assert (await door.knock(b"x" * 1024)).status_code == 401
    for where in (None, uuid4()):
        answer = await door.knock(b"x" * 1025, connection_id=where)
        assert problem_of(answer)["type"] == "urn:hub:problem:body-too-large"
    assert len(await door.rows("notices")) == 1


async def test_a_connection_that_is_flooded_is_told_to_wait_and_others_are_not(make_door: MakeDoor) -> None:
    door = await make_door(notices_per_minute=12)
    first = door.connection.connection_id
    await door.connect()
    answers = [await door.knock(naming(f"M{n}"), connection_id=first) for n in range(4)]
    assert [answer.status_code for answer in answers] == [202, 202, 429, 429]
    assert int(answers[-1].headers["retry-after"]) == 5
    assert problem_of(answers[-1])["type"] == "urn:hub:problem:too-many-notices"
    assert (await door.knock(naming("M9"))).status_code == 202
    assert len(await door.rows("notices")) == 3
    door.world.clock.advance(5)
    assert (await door.knock(naming("M2"), connection_id=first)).status_code == 202


async def test_strangers_connections_share_a_limit_so_that_it_tells_nothing(make_door: MakeDoor) -> None:
    door = await make_door(notices_per_minute=12)
    answers = [await door.knock(b"x", {}, uuid4()) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [401, 401, 429]


async def test_a_paused_connection_reads_when_it_goes_on(door: Door) -> None:
    [reference] = door.world.orders()
    paused = door.connection.model_copy(update={"state": ConnectionState.PAUSED})
    await door.world.tell(paused)
    assert (await door.knock(naming(reference))).status_code == 202
    assert await door.read() == []
    await door.world.tell(door.connection)
    assert OrderReceived.TYPE in await door.read()


async def test_a_notice_during_an_outage_brings_the_next_try_forward_and_keeps_the_count(door: Door) -> None:
    [reference] = door.world.orders()
    await door.knock(naming(reference))
    door.world.sandbox.faults.set([FaultRule(fault="html_answer")])
    await door.read()
    await door.knock(naming(reference))
    await door.read()
    assert [(row["attempts"], row["state"]) for row in await door.rows("rereads")] == [(2, "open")]
    door.world.no_faults()
    await door.knock(naming(reference))
    assert OrderReceived.TYPE in await door.read()


async def test_credentials_that_cannot_be_opened_are_our_fault_and_the_bytes_are_kept(door: Door) -> None:
    connection_id = uuid4()
    await door.world.connect(connection_id=connection_id, connector="pushing", credentials=door.connection.credentials)
    answer = await door.knock(naming("M1"), connection_id=connection_id)
    assert (answer.status_code, problem_of(answer)["type"]) == (503, "urn:hub:problem:not-ready")
    assert [row["state"] for row in await door.rows("notices")] == ["received"]


async def test_nothing_of_a_notice_reaches_the_logs(
    door: Door, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    await door.knock(naming("M-PRIVATE"))
    await door.knock(b'{"name": "M-PRIVATE"}')
    await door.knock(naming("M-PRIVATE"), {SIGNATURE: "M-PRIVATE"})
    await door.knock(b"fault M-PRIVATE")
    await door.read()
    said = caplog.text + "".join(capfd.readouterr())
    assert "notice_refused" in said
    assert "notice_reading_broke" in said
    assert "M-PRIVATE" not in said
    assert REASON not in said
    assert SECRET not in said


async def test_operators_see_what_came_and_only_they_its_bytes(door: Door) -> None:
    await door.knock(naming("M1"))
    headers = {"Authorization": f"Bearer {OPERATOR_TOKEN}"}
    async with httpx.AsyncClient(base_url=door.url, headers=headers) as client:
        [item] = (await client.get(f"/v1/notices?connection_id={door.connection.connection_id}")).json()["items"]
        assert (item["state"], item["order_references"], item["bytes"]) == ("taken", 1, len(naming("M1")))
        assert "body" not in item
        raw = await client.get(f"/v1/notices/{item['notice_id']}/raw")
        assert raw.json()["body"] == naming("M1").decode()
        assert (await client.get(f"/v1/notices/{uuid4()}/raw")).status_code == 404
        assert (await client.get("/v1/notices?state=odd")).status_code == 422
    async with httpx.AsyncClient(base_url=door.url) as stranger:
        assert (await stranger.get("/v1/notices")).status_code == 401
        assert (await stranger.get(f"/v1/notices/{item['notice_id']}/raw")).status_code == 401


async def test_old_notices_and_the_wishes_they_made_are_forgotten(door: Door) -> None:
    [reference] = door.world.orders()
    await door.knock(naming(reference))
    await door.knock(b"forged", {})
    await door.read()
    door.world.clock.advance(timedelta(days=2).total_seconds())
    assert await forget_step(door.world.h.runtime) is False
    assert [row["state"] for row in await door.rows("notices")] == ["taken"]
    door.world.clock.advance(timedelta(days=6).total_seconds())
    await forget_step(door.world.h.runtime)
    assert await door.rows("notices") == []
    assert await door.rows("rereads") == []


def test_a_bucket_fills_up_again_and_never_above_its_burst() -> None:
    rates = NoticeRates(60)
    assert [rates.take("a", 0.0) for _ in range(11)] == [0.0] * 10 + [1.0]
    assert rates.take("b", 0.0) == 0.0
    assert rates.take("a", 0.5) == 0.5
    assert rates.take("a", 1.5) == 0.0
    assert [rates.take("a", 1000.0) for _ in range(11)] == [0.0] * 10 + [1.0]
