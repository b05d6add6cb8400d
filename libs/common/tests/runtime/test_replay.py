"""Rebuilding on a real database: the same tables come out, no effect gets through, and what must not count does not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import replace
from uuid import UUID, uuid4

import asyncpg
import pytest

from hub_common.effects.model import PlannedEffect
from hub_common.kafka.records import InRecord
from hub_common.parked import Park, park, resume
from hub_common.replay import Compared, FenceBroken, NotFresh, ReplayPlan, as_replayed, plan_problems, rebuild_from
from hub_common.replay_digest import compare, digest, odd_rows
from hub_common.replay_given import Given, GivenWritten
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.routing import Handler
from hub_common.service import ServiceSpec
from hub_common.testing import Harness
from hub_common.testing.history import History, batches, interleaved
from hub_common.testing.probe import handlers
from hub_common.testing.probe.main import SPEC
from hub_common.tx import Cause, Tx
from hub_contracts.base import Fact
from hub_contracts.envelope import Event, Origin
from hub_contracts.shop_activity import StockReported

SHOP = uuid4()
PLAN = ReplayPlan(tables=(Compared("notes"), CONNECTIONS, PARKED), own=PARKED_ROUTES)
PROBE = replace(SPEC, replay=PLAN)
NewDatabase = Callable[[str | None], str]


def probe_with(handler: Handler) -> ServiceSpec:
    """The probe with one more handler of stock levels."""
    return replace(PROBE, routes={**SPEC.routes, StockReported: (handlers.on_stock, handler)})


@pytest.fixture
async def harness(database: str) -> AsyncIterator[Harness]:
    async with Harness(PROBE, database) as running:
        yield running
    handlers.failing.clear()


def stock(harness: Harness, sku: str, quantity: int) -> tuple[str, StockReported]:
    return sku, StockReported(shop_connection_id=SHOP, shop_sku=sku, quantity=quantity, reported_at=harness.clock.now())


async def live(harness: Harness) -> History:
    history = History(harness)
    for quantity in range(1, 6):
        await harness.feed(*(stock(harness, sku, quantity) for sku in "ABCDE"))
    await harness.feed(stock(harness, "F", 1), origin=Origin.BACKFILL)
    await harness.runtime.inbox.process(history.heard[:7])  # delivered again
    return history


async def test_the_same_tables_come_out_and_nothing_is_sent(harness: Harness, new_database: NewDatabase) -> None:
    history, shadow = await live(harness), new_database(None)
    before = await history.told()
    verdicts = await history.verdicts(shadow)
    assert all(verdict.equal for verdict in verdicts.values())
    assert verdicts["notes"].rebuilt.rows == 6
    report = history.report
    assert report is not None
    assert (report.records, report.handled, report.dead, report.waiting) == (33 + len(before), 26, 0, 0)
    assert report.untold == 26
    assert await history.told() == before


@pytest.mark.parametrize("seed", range(3))
async def test_topics_and_keys_may_come_in_any_order(harness: Harness, new_database: NewDatabase, seed: int) -> None:
    history = await live(harness)
    verdicts = await history.verdicts(new_database(None), seed=seed, batch=1 + seed * 5)
    assert all(verdict.equal for verdict in verdicts.values())


async def test_a_difference_is_seen_and_named_by_its_key(harness: Harness, new_database: NewDatabase) -> None:
    history, shadow = await live(harness), new_database(None)
    await harness.runtime.pool.execute("UPDATE notes SET quantity = 99 WHERE sku = 'C'")
    await harness.runtime.pool.execute("DELETE FROM notes WHERE sku = 'F'")
    verdicts = await history.verdicts(shadow)
    assert {name: verdict.equal for name, verdict in verdicts.items()} == {
        "notes": False,
        "connections": True,
        "parked": True,
    }
    present = harness.settings.database_dsn.get_secret_value()
    odd = await odd_rows(present, shadow, Compared("notes"), ["sku"])
    assert sorted((row.side, row.key["sku"]) for row in odd) == [("present", "C"), ("rebuilt", "C"), ("rebuilt", "F")]
    assert len(await odd_rows(present, shadow, Compared("notes"), ["sku"], limit=1)) == 1


async def on_clock(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """What a handler must not do with the clock."""
    await tx.conn.execute("UPDATE notes SET quantity = $1", int(tx.now.timestamp()) % 1_000_000)


async def test_a_handler_that_depends_on_the_clock_is_found_out(database: str, new_database: NewDatabase) -> None:
    async with Harness(probe_with(on_clock), database) as harness:
        verdicts = await (await live(harness)).verdicts(new_database(None))
    assert [name for name, verdict in verdicts.items() if not verdict.equal] == ["notes"]


class Ask(Fact):
    """Request of the effect in these tests."""

    what: str


def planned(event: Event[StockReported], cause: Cause) -> PlannedEffect:
    return PlannedEffect(
        kind="ask",
        natural_key=f"ask:{event.meta.event_id}",
        connection_id=UUID(int=7),
        credential_ref="c",
        request=Ask(what=event.key),
        cause=cause,
        order_key=event.key,
    )


async def plans_well(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """Effects that inherit the origin of what caused them."""
    tx.plan(*(planned(event, Cause.of(event.meta)) for event in events))


async def plans_badly(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """Effects with a cause made up on the spot, which counts as live."""
    tx.plan(*(planned(event, Cause(tenant=event.meta.tenant)) for event in events))


async def test_effects_of_replayed_events_are_dropped(database: str, new_database: NewDatabase) -> None:
    async with Harness(probe_with(plans_well), database) as harness:
        history = await live(harness)
        report = await history.rebuild(new_database(None))
        assert len(await harness.effects()) == 25
    assert report.fenced == 26


async def test_an_effect_that_passes_the_fence_fails_the_replay(database: str, new_database: NewDatabase) -> None:
    async with Harness(probe_with(plans_badly), database) as harness:
        history = await live(harness)
        with pytest.raises(FenceBroken, match="planned 26 effects"):
            await history.rebuild(new_database(None))


async def test_a_database_in_use_is_never_replayed_into(harness: Harness, new_database: NewDatabase) -> None:
    history = await live(harness)
    before = await digest(harness.settings.database_dsn.get_secret_value(), PLAN)
    with pytest.raises(NotFresh, match="needs an empty one"):
        await history.rebuild(harness.settings.database_dsn.get_secret_value())
    assert await digest(harness.settings.database_dsn.get_secret_value(), PLAN) == before


async def test_what_failed_for_a_passing_reason_is_tried_again(harness: Harness, new_database: NewDatabase) -> None:
    history = await live(harness)

    async def healing(records: Sequence[InRecord]) -> AsyncIterator[Sequence[InRecord]]:
        handlers.failing.add("B")
        yield records
        handlers.failing.clear()

    shadow = new_database(None)
    report = await rebuild_from(PROBE, harness.settings, shadow, healing(history.heard), batches([], 1))
    assert (report.waiting, report.dead) == (0, 0)
    present = await digest(harness.settings.database_dsn.get_secret_value(), PLAN)
    assert all(verdict.equal for verdict in compare(present, await digest(shadow, PLAN)))


async def test_what_can_never_be_handled_is_counted(harness: Harness, new_database: NewDatabase) -> None:
    history = History(harness)
    await harness.feed(stock(harness, "A", 1), stock(harness, handlers.POISON_SKU, 1))
    report = await history.rebuild(new_database(None))
    assert (report.dead, report.handled) == (1, 1)


async def test_parked_items_come_back_from_our_own_events(harness: Harness, new_database: NewDatabase) -> None:
    history = History(harness)

    def item(number: int, detail: str = "it waits") -> Park:
        return Park("offer", f"offer-{number}", "why", detail, "do something", "key", Cause("tenant-1"), data={"a": 1})

    for step in range(3):
        async with harness.runtime.transactions.begin() as tx:
            await park(tx, [item(1, f"for the {step}. time"), item(2), item(3)])
        harness.clock.advance(60)  # type: ignore[attr-defined]  # a ManualClock
        async with harness.runtime.transactions.begin() as tx:
            await resume(tx, [item(n).parked_id("probe") for n in (1, 2)[step % 2 :]], resolution="done", actor="ann")
    verdicts = await history.verdicts(new_database(None), batch=100)
    assert verdicts["parked"].equal
    assert verdicts["parked"].present.rows == 3


def test_only_live_events_become_replayed_ones(harness: Harness) -> None:
    def origins(record: InRecord) -> list[bytes]:
        return [value for name, value in as_replayed(record).headers if name == "origin"]

    key, data = stock(harness, "A", 1)
    assert origins(harness.record(key, data)) == [b"replay"]
    assert origins(harness.record(key, data, origin=Origin.REPLAY)) == [b"replay"]
    assert origins(harness.record(key, data, origin=Origin.BACKFILL)) == [b"backfill"]
    record = harness.record(key, data)
    silent = [(name, value) for name, value in record.headers if name != "origin"]
    assert origins(InRecord("t", 0, 1, b"A", record.value, silent, 0)) == [b"replay"]
    twice = [("origin", b"backfill"), *record.headers]
    assert origins(InRecord("t", 0, 1, b"A", record.value, twice, 0)) == [b"replay"]


def test_interleaving_keeps_the_order_of_each_key() -> None:
    records = [InRecord("t", 0, n, f"k{n % 3}".encode(), None, [], 0) for n in range(30)]
    mixed = interleaved(records, 1)
    assert mixed != records
    assert sorted(mixed) == sorted(records)
    for key in (b"k0", b"k1", b"k2"):
        assert [r.offset for r in mixed if r.key == key] == [r.offset for r in records if r.key == key]


def test_a_plan_must_speak_of_every_table_and_only_of_what_exists() -> None:
    assert plan_problems(PROBE) == []
    bad = ReplayPlan(
        tables=(Compared("notes", ignore={"sku": "x", "colour": "x"}), Compared("nothing")), left_out={"notes": "x"}
    )
    assert plan_problems(replace(SPEC, replay=bad)) == [
        "connections: neither compared, given nor left out",
        "parked: neither compared, given nor left out",
        "nothing: no such table",
        "notes: named twice",
        "notes.sku: is part of the key, without which rows cannot be compared",
        "notes.colour: no such column",
    ]
    with pytest.raises(ValueError, match="has no replay plan"):
        plan_problems(SPEC)


async def on_stock_of_others(tx: Tx, events: Sequence[Event[StockReported]]) -> None:
    """The probe's handler, for what people did not note down."""
    await handlers.on_stock(tx, [event for event in events if not event.key.startswith("by-hand")])


PARTLY = ReplayPlan(
    tables=(Compared("notes", where="NOT (sku LIKE 'by-hand%')"), CONNECTIONS, PARKED),
    own=PARKED_ROUTES,
    given=(Given("notes", "people note them down", where="sku LIKE 'by-hand%'"),),
)
WHOLLY = replace(PARTLY, tables=(CONNECTIONS, PARKED), given=(Given("notes", "people note them down"),))


async def test_what_is_given_is_copied_and_the_others_are_rebuilt(database: str, new_database: NewDatabase) -> None:
    spec = replace(SPEC, replay=PARTLY, routes={**SPEC.routes, StockReported: on_stock_of_others})
    assert plan_problems(spec) == []
    async with Harness(spec, database) as harness:
        history, shadow = await live(harness), new_database(None)
        await harness.runtime.pool.execute("INSERT INTO notes VALUES ('by-hand-1', 4, 1), ('by-hand-2', 5, 1)")
        verdicts = await history.verdicts(shadow)
        assert verdicts["notes"].equal
        assert verdicts["notes"].rebuilt.rows == 6
        assert history.report is not None
        assert history.report.given == {"notes": 2}
    conn = await asyncpg.connect(shadow)
    copied = await conn.fetch("SELECT sku, quantity FROM notes WHERE sku LIKE 'by-hand%' ORDER BY sku")
    await conn.close()
    assert [tuple(row) for row in copied] == [("by-hand-1", 4), ("by-hand-2", 5)]


@pytest.mark.parametrize("plan", [PARTLY, WHOLLY])
async def test_handlers_may_not_write_what_is_given(database: str, new_database: NewDatabase, plan: ReplayPlan) -> None:
    """Copied, it would be equal whatever the handlers do."""
    async with Harness(replace(SPEC, replay=plan), database) as harness:
        history = await live(harness)
        await harness.feed(stock(harness, "by-hand", 1), stock(harness, "by-hand", 2))
        with pytest.raises(GivenWritten, match=r"\d+ rows of notes"):
            await history.rebuild(new_database(None))
        with pytest.raises(ValueError, match="taken: probe needs what is given of"):
            await rebuild_from(
                harness.runtime.spec, harness.settings, new_database(None), batches([], 1), batches([], 1)
            )


def test_what_is_given_needs_a_reason_of_its_own_and_is_told_by_nobody() -> None:
    bad = ReplayPlan(
        tables=(CONNECTIONS, Compared("notes")),
        given=(Given("parked", "people"), Given("notes", "people", where="sku = 'A'"), Given("nothing", " ")),
    )
    assert plan_problems(replace(SPEC, replay=bad)) == [
        "nothing: no such table",
        "parked: follows from events and cannot be given",
        "parked: given for the same reason as another table; say whose it is",
        "notes: given for the same reason as another table; say whose it is",
        "notes: given in part; compare the others with where=NOT (sku = 'A')",
        "nothing: given without a reason",
    ]
    twice = replace(PLAN, given=(Given("notes", "people"),))
    assert plan_problems(replace(SPEC, replay=twice)) == ["notes: named twice"]


async def test_digests_do_not_depend_on_where_rows_lie_but_on_every_column(
    harness: Harness, new_database: NewDatabase
) -> None:
    dsn = harness.settings.database_dsn.get_secret_value()
    pool: asyncpg.Pool[asyncpg.Record] = harness.runtime.pool
    await pool.execute("INSERT INTO notes VALUES ('A', 1, 1), ('B', 2, 2)")
    first = await digest(dsn, PLAN)
    await pool.execute("DELETE FROM notes WHERE sku = 'A'")
    await pool.execute("INSERT INTO notes VALUES ('A', 1, 1)")
    assert await digest(dsn, PLAN) == first
    narrow = ReplayPlan(tables=(Compared("notes", instead={"quantity": "quantity > 0"}, where="sku <> 'B'"),))
    seen = await digest(dsn, narrow)
    await pool.execute("UPDATE notes SET quantity = 7")
    assert await digest(dsn, narrow) == seen
    assert (await digest(dsn, PLAN))["notes"] != first["notes"]
    await pool.execute("UPDATE notes SET quantity = -7")
    assert await digest(dsn, narrow) != seen
