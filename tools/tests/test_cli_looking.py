"""Commands that show something: personal data masked, terminals safe, the past as it was, findings with a remedy."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from hub_common.kafka.records import InRecord
from hub_contracts.examples import EXAMPLES
from hub_contracts.orders import OrderCustomerRecorded
from hub_contracts.topics import ORDER_CUSTOMERS, ORDERS
from hub_tools.cli import app
from hub_tools.client.masking import MASK, readable
from hub_tools.client.output import age, clean
from hub_tools.client.story import until
from hub_tools.client.target import service_names
from hub_tools.client.topics import Filters, opened
from hub_tools.doctor import accounts, broker, machine, services
from hub_tools.doctor.model import Finding, Grade
from hub_tools.testing.fake_hub import FakeHub

NOW = datetime(2026, 11, 6, 14, 3, tzinfo=UTC)
CUSTOMER: dict[str, Any] = {
    "order_id": "01890a5d-ac96-774b-bcce-b302099a8057",
    "connection_id": "01890a5d-ac96-774b-bcce-b302099a8058",
    "shipping": {"first_name": "Marie", "last_name": "Curie", "street_1": "12 rue X", "city": "Paris",
                 "country_code": "FR"},
    "fiscal_number": "FR-TAX-9",
    "later_field": "Marie once more",
}  # fmt: skip


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as running:
        yield running


def strings(value: object) -> list[str]:
    if isinstance(value, dict):
        return [text for member in value.values() for text in strings(member)]
    if isinstance(value, list):
        return [text for member in value for text in strings(member)]
    return [value] if isinstance(value, str) else []


def test_personal_data_is_masked_and_what_no_model_explains_is_hidden() -> None:
    value = json.dumps(CUSTOMER).encode()
    shown = readable(ORDER_CUSTOMERS, OrderCustomerRecorded.TYPE, value, show=False)
    assert not {"Marie", "Curie", "12 rue X", "FR-TAX-9", "Marie once more"} & set(strings(shown))
    assert (shown["shipping"]["first_name"], shown["shipping"]["country_code"]) == (MASK, "FR")
    assert shown["order_id"] == CUSTOMER["order_id"]
    for kind, body in (("order.customer_recorded.v2", value), (OrderCustomerRecorded.TYPE, b'{"shipping": {"city": 1')):
        for topic in (ORDER_CUSTOMERS, f"{ORDER_CUSTOMERS}.dlq", "elsewhere"):
            assert readable(topic, kind, body, show=False) == f"{MASK} ({len(body)} bytes)"
    assert readable(ORDER_CUSTOMERS, OrderCustomerRecorded.TYPE, value, show=True)["shipping"]["city"] == "Paris"
    assert readable(ORDERS, "new.v9", b'{"a": 1}', show=False) == {"a": 1}
    sealed = readable("hub.connections", "connection.changed.v1", b'{"credentials": {"key": "x"}}', show=True)
    assert sealed == {"credentials": MASK}, "sealed credentials are shown to nobody"


def test_every_example_of_every_event_is_shown_without_what_its_model_marks() -> None:
    shown = [readable("hub.orders", e.data.TYPE, e.data.model_dump_json().encode(), show=False) for e in EXAMPLES]
    assert len(shown) > 50
    assert sum(MASK in strings(each) for each in shown) >= 1, "customers are among the examples"


def record(kind: str, key: str, data: dict[str, Any], topic: str = ORDERS) -> dict[str, Any]:
    headers = [("ce_type", kind.encode()), ("tenant", b"demo")]
    return opened(InRecord(topic, 1, 7, key.encode(), json.dumps(data).encode(), headers, 0), show=False)


def test_filters_on_topics() -> None:
    mine = record("order.changed.v1", "k", {"order": {"order_id": "O-1"}, "note": "fragile"})
    assert Filters().fits(mine)
    assert Filters(types=("order.*",), keys=("k",), orders=("O-1",), text="FRAGILE", headers={"tenant": "demo"}).fits(
        mine
    )
    for wrong in (
        Filters(types=("parcel.*",)),
        Filters(keys=("other",)),
        Filters(orders=("O-2",)),
        Filters(text="heavy"),
        Filters(headers={"tenant": "other"}),
    ):
        assert not wrong.fits(mine)
    assert Filters(orders=("k",)).fits(record("x.y.v1", "k", {})), "a key that is the order's id will do"
    customer = record(OrderCustomerRecorded.TYPE, "k", CUSTOMER, ORDER_CUSTOMERS)
    assert not Filters(text="Curie").fits(customer), "what is masked cannot be searched for"


def test_what_comes_from_outside_cannot_steer_the_terminal(hub: FakeHub) -> None:
    row = {
        "reference": "A\x1b[2J\x1b]0;owned\x07[bold]",
        "order_number": "A",
        "order_id": "x",
        "created_at": "2026-11-06",
    }
    row |= {"connector": "m", "is_test": False, "status": "PENDING", "marketplace_status": "S", "units": 1}
    row |= {"total_price": "10.00", "currency": "EUR", "parked": 1, "doubts": 0}
    hub.on("GET", "ops-console", "/v1/orders", {"items": [row], "next_cursor": None})
    shown = CliRunner().invoke(app, ["orders", "find", "A"], env=hub.environment()).stdout
    assert "\x1b" not in shown
    assert "[bold]" in shown, "brackets are text, not markup"
    assert "1 parked" in shown
    assert clean("a\u202eb\r") == "a\ufffdb\ufffd"
    hub.on("GET", "ops-console", "/v1/orders", {"items": [], "next_cursor": None})
    assert CliRunner().invoke(app, ["orders", "find", "A"], env=hub.environment()).exit_code == 1


def effect(state: str, created: datetime, settled: datetime | None, *attempts: tuple[datetime, str]) -> dict[str, Any]:
    return {
        "state": state, "created_at": created.isoformat(), "settled_at": settled and settled.isoformat(),
        "answer": {"id": 7}, "evidence": "e", "reason": "r", "confirmed_by": "c",
        "ledger": [{"at": at.isoformat(), "result": result} for at, result in attempts],
    }  # fmt: skip


def test_effects_of_the_past_stand_as_they_stood() -> None:
    hour = timedelta(hours=1)
    effects = [
        effect("DONE", NOW - 3 * hour, NOW - 2 * hour, (NOW - 2 * hour, "done")),
        effect("DONE", NOW - hour, NOW + hour, (NOW - hour, "retry"), (NOW + hour, "done")),
        effect("DONE", NOW - hour, NOW + hour, (NOW + hour, "done")),
        effect("DONE", NOW + hour, NOW + hour),
    ]
    then = until(effects, NOW)
    assert [each["state"] for each in then] == ["DONE", "retry", "PLANNED"]
    assert [len(each["ledger"]) for each in then] == [1, 1, 0]
    assert (then[1]["answer"], then[1]["evidence"]) == ({}, ""), "nobody knew the answer then"
    assert until(effects, None) == effects


def figures(**changes: Any) -> dict[str, Any]:
    return {
        "service": "order-router", "now": NOW.isoformat(), "clock_skew_seconds": 0.01, "credentials_key": "k1",
        "schema": {"revision": "0003", "head": "0003"}, "outbox": {"rows": 0, "oldest_seconds": None},
        "retries": 0, "dead_letters": 0, "parked": {"count": 0, "overdue": 0, "next_due_at": None},
        "doubts": {"count": 0, "for_operators": 0}, "effects": [], "deadlines": [],
    } | changes  # fmt: skip


def poller(**changes: Any) -> dict[str, Any]:
    usual = {"connection_id": "c", "label": "L", "state": "active", "consecutive_failures": 0, "age_seconds": 3}
    return usual | {"last_error": ""} | changes


def connection(**changes: Any) -> dict[str, Any]:
    usual = {"connection_id": "c", "label": "L", "state": "active", "credentials": [], "verified": True}
    return usual | {"verification": {"ok": True, "detail": "", "at": "now"}} | changes


def budget(**changes: Any) -> dict[str, Any]:
    usual = {"connector": "m", "operation": "o", "credential": "c", "service": "s", "forecast": "f"}
    return usual | {"penalised_until": None, "verdict": "ok"} | changes


def told(**changes: Any) -> list[Finding]:
    return services.figure_findings("order-router", figures(**changes), NOW)


PAST, COMING = (NOW - timedelta(minutes=1)).isoformat(), (NOW + timedelta(minutes=1)).isoformat()
KEY = {"name": "api_key", "required": True, "set": False}
SICK: list[tuple[list[Finding], str, str]] = [
    (told(schema={"revision": "0002", "head": "0003"}), "warn", "python -m order_router migrate"),
    (told(clock_skew_seconds=-9.0), "bad", "keep time"),
    (told(now=(NOW - timedelta(minutes=5)).isoformat()), "warn", "keep time"),
    (told(outbox={"rows": 3, "oldest_seconds": 90.0}), "bad", "relay does not reach the broker"),
    (told(deadlines=[{"kind": "accept_by", "due_at": PAST, "count": 1}]), "bad", "hub parked list"),
    (told(dead_letters=2), "bad", "hub dlq list"),
    (told(doubts={"count": 2, "for_operators": 1}), "bad", "hub effects settle"),
    (told(doubts={"count": 2, "for_operators": 0}), "warn", "hub effects list --state UNKNOWN"),
    (told(parked={"count": 2, "overdue": 1, "next_due_at": PAST}), "bad", "hub parked list"),
    (told(parked={"count": 2, "overdue": 0, "next_due_at": COMING}), "warn", "hub parked list"),
    (told(retries=1), "warn", "/v1/operations/retries"),
    (services.ready_findings("order-router", (False, {"details": {"database": "OSError"}})), "bad", "HUB_DATABASE_DSN"),
    (services.ready_findings("order-router", (True, {"details": {"broker": False}})), "bad", "HUB_KAFKA_BOOTSTRAP"),
    (broker.topic_findings({"hub.orders": 12}, {}), "bad", "create_topics"),
    (broker.topic_findings({"hub.orders": 12}, {"hub.orders": 6}), "bad", "create_topics"),
    (broker.topic_findings({"hub.orders": 12}, {"hub.orders": 24}), "bad", "make the topic anew"),
    (broker.lag_findings({"order-router": 50_000, "stock-sync": 3}), "warn", "replicas"),
    (accounts.connection_findings([connection(credentials=[KEY])]), "bad", "hub connections verify c"),
    (accounts.connection_findings([connection(verification={"ok": False, "detail": "401", "at": ""})]), "bad", "hub"),
    (accounts.connection_findings([connection(verification=None, verified=False)]), "warn", "hub connections verify"),
    (accounts.poller_findings([poller(consecutive_failures=3)]), "bad", "hub connections verify c"),
    (accounts.poller_findings([poller(age_seconds=4000)]), "bad", "hub connections verify c"),
    (accounts.budget_findings([budget(verdict="short")]), "bad", "larger share"),
    (accounts.budget_findings([budget(penalised_until=COMING)]), "warn", "lower the budget"),
    (accounts.key_findings({"a": "k1", "b": "k2"}), "warn", "HUB_CREDENTIALS_KEYS"),
]  # fmt: skip


@pytest.mark.parametrize(("findings", "grade", "remedy"), SICK)
def test_the_doctor_grades_what_is_wrong_and_says_what_to_do(findings: list[Finding], grade: str, remedy: str) -> None:
    assert [each.grade.value for each in findings] == [grade]
    assert remedy in findings[0].do


def test_the_doctor_leaves_the_healthy_alone() -> None:
    assert told() == told(deadlines=[{"kind": "ship_by", "due_at": COMING, "count": 1}]) == []
    listening = (True, {"details": {"broker": True, "database": "ok"}})
    assert services.ready_findings("order-router", listening) == []
    alone = (True, {"details": {"broker": False, "database": "ok"}})
    assert services.ready_findings("connection-registry", alone) == [], "it listens to nothing"
    healthy = [
        *broker.topic_findings({"hub.orders": 12}, {"hub.orders": 12}),
        *broker.lag_findings({"order-router": 3}),
        *accounts.connection_findings([connection(), connection(state="inactive", verified=False)]),
        *accounts.poller_findings([poller(), poller(state="paused", consecutive_failures=4)]),
        *accounts.budget_findings([budget()]),
        *accounts.key_findings({"a": "k1", "b": "k1"}),
    ]
    assert {each.grade for each in healthy} == {Grade.OK}
    assert machine.programs()[0].grade is Grade.OK


def test_a_finding_without_a_remedy_is_a_defect() -> None:
    with pytest.raises(ValueError, match="must say what to do"):
        Finding("x", Grade.BAD, "something")


def test_the_doctor_of_a_remote_hub_says_what_it_did_not_look_at(hub: FakeHub) -> None:
    for name in service_names():
        hub.on("GET", name, "/healthz", {"status": "ok", "details": {}})
        hub.on("GET", name, "/readyz", {"status": "ok", "details": {"broker": True, "database": "ok"}})
        now = datetime.now(UTC).isoformat()
        hub.on("GET", name, "/v1/operations/summary", figures(service=name, now=now))
        hub.on("GET", name, "/v1/operations/budgets", {"items": [], "total": 0})
    hub.on("GET", "connection-registry", "/v1/connections", {"items": [connection()], "next": None})
    hub.on("GET", "order-ingest", "/v1/pollers", {"items": [poller()], "next": None})
    env = hub.environment() | {"HUB_KAFKA_BOOTSTRAP": ""}
    result = CliRunner().invoke(app, ["doctor", "--json"], env=env)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["counts"] | {"ok": 0} == {"ok": 0, "warn": 0, "bad": 0, "skipped": 2}
    hub.on("GET", "stock-sync", "/readyz", {"status": "failing", "details": {"database": "OSError"}}, status=503)
    result = CliRunner().invoke(app, ["doctor"], env=env)
    assert result.exit_code == 1
    assert "bad     readyz          stock-sync: not ready" in result.stdout
    assert "→ see that its database runs" in result.stdout


def test_spans_of_time() -> None:
    assert [age(each) for each in (None, 5, 90, 7_200, -7_200, 100 * 86_400)] == [
        "", "5 s", "1.5 min", "2.0 h", "-2.0 h", "100 d",
    ]  # fmt: skip
