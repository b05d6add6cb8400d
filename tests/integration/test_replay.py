"""Rebuilding from a real broker: what services keep follows from their topics, and a replay disturbs nobody."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from typer.testing import CliRunner

from hub_common.clock import SystemClock
from hub_common.ids import SystemIds
from hub_common.kafka.client import KafkaProducer, bounds, committed, ensure_topics
from hub_common.kafka.records import BrokerDown, OutRecord
from hub_common.replay import Compared, ReplayPlan, plan_of, plan_problems, rebuild
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.runtime import Runtime
from hub_common.service import ServiceSpec
from hub_common.testing.harness import settings_for
from hub_common.testing.probe.main import SPEC
from hub_contracts.envelope import Metadata, Origin, encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE, EXAMPLES
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY, STOCK, TOPICS, Topic
from hub_tools.cli import app
from hub_tools.run.cluster import installed_services
from hub_tools.run.replaying import replay_service
from hub_tools.stack.databases import drop_database, ensure_service_databases
from hub_tools.stack.waiting import run_sync
from ops_console.handlers import OWN_TOPICS
from ops_console.main import SPEC as CONSOLE

from .hub import Hub
from .replay_traffic import play

pytestmark = [pytest.mark.stack, pytest.mark.timeout(300)]
PROBE = replace(SPEC, replay=ReplayPlan(tables=(Compared("notes"), CONNECTIONS, PARKED), own=PARKED_ROUTES))
SEEN = {
    "carrier-mapper": "parcels",
    "order-acceptance": "orders",
    "order-ingest": "orders",
    "order-router": "routes",
    "refund-service": "ledger_entries",
    "shipment-notifier": "parcels",
    "shop-gateway": "shop_orders",
    "stock-sync": "offers",
}
"""Service → a table that the traffic must have filled: proving two empty tables equal proves nothing."""
SKUS = [f"sku-{number}" for number in range(30)]
ROUNDS = 10
DECISION = Path(__file__).parents[2] / "docs" / "adr" / "0037-replay-proof.md"


@asynccontextmanager
async def running(spec: ServiceSpec, database: str, kafka: str, prefix: str) -> AsyncIterator[Runtime]:
    settings = settings_for(spec, database, kafka=kafka, topic_prefix=prefix, drain_seconds=5.0)
    runtime = Runtime(spec, settings)
    await runtime.start()
    try:
        yield runtime
    finally:
        await runtime.stop()


async def send(kafka: str, records: list[OutRecord]) -> None:
    producer = KafkaProducer(kafka, "test")
    try:
        assert all(await producer.send(records))
    finally:
        await producer.stop()


def level(prefix: str, sku: str, quantity: int, origin: Origin = Origin.LIVE) -> OutRecord:
    ids, now = SystemIds(), SystemClock().now()
    data = StockReported(shop_connection_id=UUID(int=1), shop_sku=sku, quantity=quantity, reported_at=now)
    meta = Metadata(ids.new(), data.TYPE, "test", now, sku, "t", quantity, origin)
    return OutRecord(prefix + SHOP_ACTIVITY, sku.encode(), data.model_dump_json().encode(), encode_headers(meta))


async def shadows(admin_dsn: str) -> list[str]:
    conn = await asyncpg.connect(admin_dsn)
    try:
        return [
            row["datname"] for row in await conn.fetch("SELECT datname FROM pg_database WHERE datname ~ '^replay_'")
        ]
    finally:
        await conn.close()


async def execute(dsn: str, statement: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        await conn.execute(statement)
    finally:
        await conn.close()


async def test_a_running_service_is_rebuilt_beside_itself(
    database: str, kafka: str, topic_prefix: str, postgres: str
) -> None:
    """While it runs: its group, its topics and its database are as before, and the rebuilt one is gone."""
    await ensure_topics(kafka, [Topic(SHOP_ACTIVITY, "test", "sku"), Topic(STOCK, "probe", "sku")], prefix=topic_prefix)
    records = [level(topic_prefix, sku, quantity) for quantity in range(ROUNDS) for sku in SKUS]
    records.append(level(topic_prefix, "old", 5, Origin.BACKFILL))
    async with running(PROBE, database, kafka, topic_prefix) as runtime:
        await send(kafka, [*records, *records[:25]])  # some come twice
        done = await replay_service(PROBE, runtime.settings, postgres)
        assert done.equal
        assert (done.tables[0].table, done.tables[0].rebuilt.rows) == ("notes", len(SKUS) + 1)
        assert done.report.handled == len(records)
        assert done.report.untold == len(records)
        ends = await bounds(kafka, [topic_prefix + STOCK, topic_prefix + SHOP_ACTIVITY])
        told = sum(end for tp, (_, end) in ends.items() if tp.topic.endswith(STOCK))
        assert told == len(records), "a replay tells nothing"
        assert await shadows(postgres) == []
        await execute(database, "UPDATE notes SET times = times + 1 WHERE sku = 'sku-7'")
        again = await replay_service(PROBE, runtime.settings, postgres)
        assert not again.equal
        assert {(row.side, row.key["sku"]) for row in again.odd["notes"]} == {
            ("present", "sku-7"),
            ("rebuilt", "sku-7"),
        }
        group = await committed(kafka, topic_prefix + "probe")
        assert sum(group.values()) == len(records) + 25


async def test_a_rebuild_stops_where_it_is_told_to(
    database: str, new_database: Any, kafka: str, topic_prefix: str
) -> None:
    topics = [Topic(SHOP_ACTIVITY, "test", "sku"), Topic(STOCK, "probe", "sku")]
    await ensure_topics(kafka, topics, prefix=topic_prefix)
    settings = settings_for(PROBE, database, kafka=kafka, topic_prefix=topic_prefix)
    names = [topic_prefix + topic.name for topic in topics]
    empty = await rebuild(PROBE, settings, new_database(None))
    assert (empty.records, empty.cut) == (0, ())
    await send(kafka, [level(topic_prefix, sku, 1) for sku in SKUS])
    until = {tp: end for tp, (_, end) in (await bounds(kafka, names)).items()}
    await send(kafka, [level(topic_prefix, sku, 2) for sku in SKUS])
    report = await rebuild(PROBE, settings, new_database(None), until)
    assert (report.records, report.handled) == (len(SKUS), len(SKUS))
    everything = await rebuild(PROBE, settings, new_database(None))
    assert everything.handled == 2 * len(SKUS)


async def test_a_topic_that_does_not_exist_is_no_empty_topic(
    database: str, new_database: Any, kafka: str, topic_prefix: str
) -> None:
    settings = settings_for(PROBE, database, kafka=kafka, topic_prefix=topic_prefix)
    with pytest.raises(BrokerDown, match="does not exist"):
        await rebuild(PROBE, settings, new_database(None))


async def test_the_console_is_rebuilt_from_the_broker(
    new_database: Any, kafka: str, topic_prefix: str, postgres: str
) -> None:
    narrow = [replace(topic, partitions=2) for topic in TOPICS]
    await ensure_topics(kafka, narrow, prefix=topic_prefix, dead_letters=False)
    records = []
    for example in EXAMPLES:
        meta = example.metadata(EXAMPLE_BY_TYPE[example.after] if example.after else None)
        topic = topic_prefix + (example.data.TOPIC or OWN_TOPICS[meta.source])
        body = example.data.model_dump_json().encode()
        records.append(OutRecord(topic, meta.key.encode(), body, encode_headers(meta)))
    async with running(CONSOLE, new_database(None), kafka, topic_prefix) as runtime:
        await send(kafka, records)
        done = await replay_service(CONSOLE, runtime.settings, postgres)
    assert done.equal, done.odd
    assert all(table.rebuilt.rows for table in done.tables)
    assert (done.report.handled, done.report.dead) == (len(records), 0)


def test_every_service_has_a_sound_plan() -> None:
    problems = {name: plan_problems(spec) for name, spec in installed_services().items()}
    assert len(problems) >= 13
    assert {name: found for name, found in problems.items() if found} == {}


def test_the_decision_lists_what_is_given() -> None:
    """docs/adr/0037: whoever makes a table given says so where everybody looks."""
    rows = [line.split("|") for line in DECISION.read_text().splitlines() if line.startswith("| `")]
    listed = {cells[1].strip(" `"): set(re.findall(r"`(\w+)`", cells[2])) for cells in rows}
    given = {name: {each.name for each in plan_of(spec).given} for name, spec in installed_services().items()}
    assert {name: tables for name, tables in listed.items() if tables} == {n: t for n, t in given.items() if t}


def replay(hub: Hub, *arguments: str, code: int | None = None) -> str:
    """`hub replay …` as a person would run it beside the running hub; returns what it prints. `code` None: any."""
    env = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    done = subprocess.run(
        [sys.executable, "-c", "from hub_tools.cli import main; main()", "replay", *arguments],
        env=env | {"HUB_DATA_DIR": str(hub.cluster.folder.path), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == code or (code is None and done.stdout), done.stderr + done.stdout
    return done.stdout


def tamper(hub: Hub, service: str, statement: str) -> None:
    run_sync(execute(hub.cluster.dsn(service), statement))


def test_hub_replay_proves_every_service_of_a_hub_that_was_used(hub: Hub) -> None:
    """What happens here and what other tests of this folder did before: equal digests, and no effect planned."""
    play(hub)
    found = {each["service"]: each for each in json.loads(replay(hub, "--all", "--json"))["services"]}
    assert set(found) == set(hub.cluster.specs)
    odd = {
        (name, table["table"]): table["odd"]
        for name, each in found.items()
        for table in each["tables"]
        if not table["equal"]
    }
    assert odd == {}
    for name, each in found.items():
        assert each["equal"] is True, name
        assert (each["waiting"], each["topics_cut"]) == (0, []), name
        assert each["handled"] > 0 or not hub.cluster.specs[name].listens, name
    for name, table in SEEN.items():
        rows = {each["table"]: each["rebuilt"]["rows"] for each in found[name]["tables"]}
        assert rows[table] > 0, (name, rows)
    assert run_sync(shadows(hub.cluster.stack.postgres_dsn)) == []


def test_hub_replay_fails_when_a_table_was_tampered_with(hub: Hub) -> None:
    """Read by a person: one line per table, and which rows it is about."""
    tamper(hub, "order-router", "UPDATE shops SET label = label || ' (changed by hand)'")
    try:
        printed = replay(hub, "order-router", code=1)
    finally:
        tamper(hub, "order-router", "UPDATE shops SET label = replace(label, ' (changed by hand)', '')")
    words = {line.split()[1]: line.split()[-2] for line in printed.splitlines() if line.startswith("│")}
    assert words.pop("shops") == "different"
    assert set(words.values()) == {"equal"}
    assert "not compared: waits" in printed
    assert run_sync(shadows(hub.cluster.stack.postgres_dsn)) == []


def test_hub_replay_says_what_it_wants(hub: Hub) -> None:
    assert replay(hub, "no-such-service", code=2) == ""
    for wrong in (["replay"], ["replay", "order-router", "--all"]):
        answer = CliRunner().invoke(app, wrong)
        assert (answer.exit_code, "name one service, or give --all" in answer.output) == (2, True)


def replay_itself(hub: Hub, service: str, scratch: str, code: int) -> str:
    """`python -m SERVICE replay` with what the CronJob gives it; returns what it prints."""
    env = hub.cluster.environment(service)
    env["HUB_DATABASE_DSN"] += "?default_transaction_read_only=on"
    env |= {"HUB_REPLAY_DATABASE_DSN": scratch, "HUB_LOG_LEVEL": "WARNING"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("HUB_")}
    done = subprocess.run(
        [sys.executable, "-m", hub.cluster.specs[service].package, "replay"],
        env=kept | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert done.returncode == code, done.stderr + done.stdout
    return done.stdout


def test_a_service_replays_itself_as_the_job_of_a_cluster_does(hub: Hub, tmp_path: Path) -> None:
    """In a scratch database of a role that may nothing else, with read-only sessions in its own."""
    admin = hub.cluster.stack.postgres_dsn
    [made] = run_sync(ensure_service_databases(admin, ["hub-replay"], tmp_path)).values()
    try:
        said = json.loads(replay_itself(hub, "carrier-mapper", made.dsn, 0).splitlines()[-1])
        assert (said["service"], said["equal"]) == ("carrier-mapper", True)
        assert said["handled"] > 0
        tamper(hub, "order-router", "UPDATE shops SET label = label || ' (changed by hand)'")
        try:
            said = json.loads(replay_itself(hub, "order-router", made.dsn, 1).splitlines()[-1])
        finally:
            tamper(hub, "order-router", "UPDATE shops SET label = replace(label, ' (changed by hand)', '')")
        assert [each["table"] for each in said["tables"] if not each["equal"]] == ["shops"]
        assert run_sync(relations(made.dsn)) == 0
    finally:
        run_sync(drop_database(admin, made.database))
        run_sync(execute(admin, f"DROP ROLE {made.role}"))


async def relations(dsn: str) -> int:
    conn = await asyncpg.connect(dsn)
    try:
        return int(await conn.fetchval("SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"))
    finally:
        await conn.close()
