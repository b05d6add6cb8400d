"""notification-service with a real database, mail server and webhook receiver."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from standardwebhooks.webhooks import Webhook

from hub_common.replay import plan_problems
from hub_common.testing.history import History
from hub_common.testing.schema import schema_differences
from hub_contracts.connections import ConnectionChanged, ConnectionState
from hub_contracts.envelope import Origin
from hub_contracts.examples import EXAMPLE_BY_TYPE, EXAMPLES
from hub_contracts.listeners import LISTENERS, OWN_TOPIC
from hub_contracts.orders import OrderReceived
from hub_contracts.topics import TOPIC_BY_NAME
from hub_contracts.work import DeadlineApproaching, DeadlineKind, DeadlineMissed, WorkParked, WorkResumed
from hub_tools.run.api import ApiError
from notification_service.handlers import ROUTES
from notification_service.main import SPEC

from .conftest import World

ORDER = EXAMPLE_BY_TYPE[OrderReceived.TYPE].data
CONNECTION = EXAMPLE_BY_TYPE[ConnectionChanged.TYPE].data
assert isinstance(ORDER, OrderReceived)
assert isinstance(CONNECTION, ConnectionChanged)
NUMBER, CONNECTION_ID = ORDER.order.order_number, CONNECTION.connection_id


def parked(cause: str = "sku_unlinked", *, due_at: datetime | None = None, **changes: Any) -> WorkParked:
    return WorkParked(
        **{
            "parked_id": uuid4(),
            "owner": "order-router",
            "subject_kind": "order",
            "subject_id": "1",
            "order_id": ORDER.order.order_id,
            "connection_id": CONNECTION_ID,
            "cause": cause,
            "detail": "Anna Weber, Rue de la Paix 1",
            "next_step": "link it",
            "due_at": due_at,
        }
        | changes
    )


def missed(world: World, **changes: Any) -> DeadlineMissed:
    common = {"order_id": ORDER.order.order_id, "connection_id": CONNECTION_ID, "owner": "order-acceptance"}
    what = {"deadline": DeadlineKind.ACCEPT_BY, "due_at": world.clock.now(), "last_resort": "alarm"}
    return DeadlineMissed(**(common | what | changes))


def approaching(world: World, hours: float, **changes: Any) -> DeadlineApproaching:
    return DeadlineApproaching(
        **{
            "order_id": uuid4(),
            "connection_id": CONNECTION_ID,
            "owner": "order-acceptance",
            "deadline": DeadlineKind.ACCEPT_BY,
            "due_at": world.clock.now() + timedelta(hours=hours),
            "percent_used": 50,
            "seconds_left": int(hours * 3600),
        }
        | changes
    )


def subjects(world: World) -> list[str]:
    return [str(letter["Subject"]) for letter in world.post.letters]


async def test_migrated_schema_is_what_the_code_believes(world: World) -> None:
    dsn = world.harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, SPEC.metadata) == []


def test_the_contract_knows_what_this_service_writes_and_hears() -> None:
    assert TOPIC_BY_NAME[SPEC.own_topic].writer == SPEC.name
    assert {name for name, services in LISTENERS.items() if SPEC.name in services} == set(SPEC.listens)
    assert plan_problems(SPEC) == []


async def test_a_letter_says_number_marketplace_cause_deadline_and_link_and_nothing_else(world: World) -> None:
    await world.subscribe()
    await world.tell(CONNECTION, key=CONNECTION_ID)
    await world.tell(ORDER, parked(due_at=world.clock.now() + timedelta(minutes=90)), key=ORDER.order.order_id)
    await world.work()
    (letter,) = world.post.letters
    text = letter.get_payload()
    assert str(letter["Subject"]) == f"[CRITICAL] needs a decision: sku_unlinked, order {NUMBER}"
    assert f"{CONNECTION.connector}, {CONNECTION.label} ({CONNECTION.environment.value})" in text
    assert "(1 h 30 min left)" in text
    assert f"https://hub.example/console/orders/{ORDER.order.order_id}" in text
    assert "Weber" not in letter.as_string()
    assert letter["To"] == "ops@example.com"


async def test_a_webhook_is_signed_and_a_repeat_has_the_same_id(world: World) -> None:
    made = await world.subscribe("webhook")
    assert "secret" not in await world.ask("GET", f"/v1/subscriptions/{made['subscription_id']}")
    world.hooks.status = 503
    await world.tell(missed(world))
    await world.work()
    world.hooks.status = 204
    await world.later(minutes=2)
    (first, body), (second, same) = world.hooks.calls
    assert first["webhook-id"] == second["webhook-id"]
    hook = Webhook(made["secret"])
    assert hook.sign(second["webhook-id"], _instant(second), same.decode()) == second["webhook-signature"]
    (notice,) = json.loads(body)["notices"]
    assert (notice["kind"], notice["severity"], notice["cause"]) == ("deadline_missed", "critical", "accept_by")


def _instant(headers: dict[str, str]) -> datetime:
    return datetime.fromtimestamp(int(headers["webhook-timestamp"]), UTC)


async def test_one_cause_is_one_letter_in_fifteen_minutes(world: World) -> None:
    await world.subscribe()
    await world.tell(parked())
    await world.work()
    await world.tell(*(parked() for _ in range(5)))
    await world.later(minutes=13)
    assert len(world.post.letters) == 1
    await world.tell(parked("carrier_unmapped"))
    await world.work()
    assert len(world.post.letters) == 2
    await world.later(minutes=3)
    assert subjects(world)[2].endswith("and 4 more")


async def test_nothing_quiet_holds_a_deadline_back(world: World) -> None:
    """Muted for weeks, quiet all day, a digest a day, and it asked for other things."""
    await world.subscribe(
        muted_until=(world.clock.now() + timedelta(days=30)).isoformat(),
        quiet_from="00:00",
        quiet_until="23:59",
        digest_minutes=1440,
        kinds=["difference_found"],
        severity="critical",
    )
    await world.tell(parked())
    await world.work()
    assert world.post.letters == []
    await world.tell(missed(world), approaching(world, 1), parked("x", due_at=world.clock.now() + timedelta(hours=2)))
    await world.work()
    assert len(world.post.letters) == 1
    await world.tell(approaching(world, 10))
    await world.later(hours=4)
    assert len(world.post.letters) == 1
    await world.later(hours=1, minutes=1)
    assert len(world.post.letters) == 2


async def test_what_is_over_before_its_turn_is_not_told(world: World) -> None:
    await world.subscribe()
    await world.tell(parked())
    await world.work()
    item = parked()
    await world.tell(item)
    await world.work()
    await world.tell(WorkResumed(parked_id=item.parked_id, owner="order-router", resolution="linked"))
    await world.later(minutes=30)
    assert len(world.post.letters) == 1


async def test_test_orders_replays_and_strangers_tenants_are_silent(world: World) -> None:
    await world.subscribe(tenant="somebody else")
    await world.subscribe()
    test = ORDER.model_copy(update={"order": ORDER.order.model_copy(update={"is_test": True})})
    await world.tell(test, key=ORDER.order.order_id)
    await world.tell(parked(), missed(world), parked(is_test=True, order_id=None))
    await world.tell(missed(world, order_id=uuid4()), origin=Origin.REPLAY)
    await world.tell(missed(world, order_id=uuid4()), origin=Origin.BACKFILL)
    await world.later(minutes=20)
    assert world.post.letters == []


async def test_a_channel_that_fails_is_followed_by_the_next_and_in_the_end_by_a_person(world: World) -> None:
    await world.subscribe()
    await world.subscribe("webhook", severity="critical", kinds=["connection_paused"])
    world.post.refuses = True
    await world.tell(missed(world))
    await world.work()
    assert len(world.hooks.calls) == 1, "the webhook did not ask for it, but the mail server failed"
    assert await world.harness.parked() == []
    world.hooks.status = 500
    await world.tell(missed(world, order_id=uuid4()))
    await world.later(minutes=2)
    (item,) = await world.harness.parked()
    assert item["cause"] == "notification_undelivered"
    assert "example.com" not in item["detail"]
    await world.gauges.step()
    assert b"hub_notifications_undelivered 1.0" in world.runtime.metrics.render()
    world.post.refuses, world.hooks.status = False, 204
    await world.later(minutes=5)
    assert await world.harness.parked() == []
    assert len(world.post.letters) == 2


async def test_a_deadline_that_nobody_subscribed_to_is_measured(world: World) -> None:
    await world.tell(missed(world))
    await world.work()
    await world.gauges.step()
    assert b"hub_notifications_unaddressed 1.0" in world.runtime.metrics.render()


async def test_a_subscription_that_goes_leaves_its_deadlines_to_the_others(world: World) -> None:
    first = await world.subscribe(muted_until=(world.clock.now() + timedelta(days=9)).isoformat())
    await world.tell(approaching(world, 100))
    await world.work()
    await world.subscribe("webhook")
    await world.ask("PATCH", f"/v1/subscriptions/{first['subscription_id']}", {"active": False})
    await world.work()
    assert (world.post.letters, len(world.hooks.calls)) == ([], 1)


async def test_a_process_that_died_while_sending_sends_again_and_nothing_else_does(world: World) -> None:
    await world.subscribe()
    await world.tell(missed(world))
    await world.planner.step()
    await world.runtime.pool.execute(
        "UPDATE sendings SET state = 'IN_FLIGHT', attempts = 1, next_at = $1", world.clock.now() + timedelta(seconds=60)
    )
    await world.work()
    assert world.post.letters == []
    await world.later(minutes=2)
    assert len(world.post.letters) == 1
    await world.later(hours=2)
    assert len(world.post.letters) == 1


async def test_a_paused_connection_is_told_once(world: World) -> None:
    await world.subscribe()
    active = CONNECTION.model_copy(update={"state": ConnectionState.ACTIVE})
    paused = CONNECTION.model_copy(update={"state": ConnectionState.PAUSED})
    for body in (active, paused, paused):
        await world.tell(body, key=CONNECTION_ID)
    await world.work()
    assert subjects(world) == [f"[WARNING] connection paused: connection_paused, {CONNECTION.label}"]


async def test_a_subscription_can_be_tried_changed_and_removed(world: World) -> None:
    made = await world.subscribe(quiet_from="22:00", quiet_until="07:00", timezone="Europe/Paris")
    path = f"/v1/subscriptions/{made['subscription_id']}"
    sending = await world.ask("POST", f"{path}/test")
    await world.work()
    assert subjects(world) == ["[TEST] Notifications arrive"]
    assert (await world.ask("GET", f"/v1/sendings/{sending['sending_id']}"))["state"] == "DONE"
    changed = await world.ask("PATCH", path, {"digest_minutes": 60, "severity": "info", "kinds": ["work_parked"]})
    assert (changed["digest_minutes"], changed["severity"], changed["kinds"]) == (60, "info", ["work_parked"])
    assert changed["quiet_from"] == "22:00"
    await world.ask("DELETE", path)
    with pytest.raises(ApiError) as gone:
        await world.ask("GET", path)
    assert gone.value.status == 404


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        ({"address": "two@example.com, three@example.com"}, "one e-mail address"),
        ({"address": "x@example.com\nBcc: y@example.com"}, "one e-mail address"),
        ({"quiet_from": "22:00"}, "neither"),
        ({"timezone": "Mars/Olympus"}, "time zone"),
        ({"severity": "loud"}, "must be one of"),
        ({"digest_minutes": 1441}, "digest_minutes"),
        ({"colour": "red"}, "colour"),
        ({"channel": "webhook", "address": "http://169.254.169.254/latest"}, "address"),
        ({"channel": "webhook", "address": "file:///etc/passwd"}, "address"),
    ],
)
async def test_a_bad_wish_is_refused_by_field_and_rule(world: World, wish: dict[str, Any], says: str) -> None:
    with pytest.raises(ApiError) as refused:
        await world.subscribe(**wish)
    assert refused.value.status == 422
    assert says in json.dumps(refused.value.problem)


@pytest.mark.parametrize("batch", [1, 7])
async def test_what_people_should_know_is_rebuilt_from_the_topics(
    world: World, new_database: Callable[[str | None], str], batch: int
) -> None:
    """Facts about work come on their owner's topic, where the events that close them come as well."""
    history, known = History(world.harness), {model.TYPE for model in ROUTES}
    told = [(each.key, each.data) for each in EXAMPLES if each.data.TYPE in known]
    told += [(str(data.order_id), data) for data in (parked(), missed(world), approaching(world, 3))]
    records = [world.harness.record(key, data) for key, data in told]
    for number, (_, data) in enumerate(told):
        topic = data.TOPIC or OWN_TOPIC[getattr(data, "owner", "order-acceptance")]
        records[number] = records[number]._replace(topic=topic)
    await world.runtime.inbox.process(records)
    await history.prove(new_database(None), seed=batch, batch=batch, empty={"parked"})
