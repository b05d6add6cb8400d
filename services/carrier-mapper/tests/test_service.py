"""Parcels in, carriers out: told once, parked with a cause, resumed by the fact that was missing, in whatever order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carrier_mapper.carrier_lists import CarrierLists, Undecided
from carrier_mapper.handlers import on_parcel
from carrier_mapper.tables import METADATA
from connector_mirakl.sandbox.profiles import PROFILES
from hub_common.testing.schema import schema_differences
from hub_contracts.connections import ConnectionState, HubSettings
from hub_contracts.envelope import Event, Origin, decode_headers
from hub_contracts.orders import Environment, OrderChanged, OrderStatusChanged
from hub_contracts.status import OrderStatus

from .conftest import MANOMANO, MIRAKL, Stage, default, order_id, parcel_id, types

MAPPED, PARKED, RESUMED = "parcel.carrier_mapped.v1", "work.parked.v1", "work.resumed.v1"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"


async def test_migrated_schema_equals_the_tables(database: str) -> None:
    assert await schema_differences(database, METADATA) == []


async def test_a_named_carrier_is_told_as_the_marketplace_lists_it(stage: Stage) -> None:
    await stage.connect()
    await stage.fetch_lists()
    await stage.know("o1")
    [event] = await stage.hand_over("p1", carrier_name="chronopost", tracking_number="XY123456789FR")
    assert event.type == MAPPED
    assert event.key == str(order_id("o1"))
    assert (event.data.carrier_code, event.data.carrier_name, event.data.mapped_by) == ("CHRONO", "Chronopost", "name")
    assert event.data.tracking_number == "XY123456789FR"
    assert any(rule.rule == "name" and rule.outcome == "passed" for rule in event.data.rules)
    assert event.headers["ce_causationid"]
    shown = await stage.shown("p1")
    assert (shown["outcome"], shown["mapped_by"], shown["cause"]) == ("mapped", "name", None)
    assert shown["decision"]["trials"]


async def test_a_marketplace_of_names_gets_no_code(stage: Stage) -> None:
    await stage.connect(MANOMANO)
    await stage.fetch_lists()
    await stage.know("o1", connection_id=MANOMANO)
    [event] = await stage.hand_over("p1", connection_id=MANOMANO, carrier_name="COLIS_PRIVE")
    assert (event.data.carrier_code, event.data.carrier_name) == (None, "Colis Privé")


async def test_default_by_country_of_the_order(stage: Stage) -> None:
    both = default("Chronopost", carrier_code="CHRONO").default_carriers
    spain = default("UPS", carrier_code="UPS", country="ES").default_carriers
    await stage.connect(carriers=default("x").model_copy(update={"default_carriers": both + spain}))
    await stage.know("o1")
    await stage.know("o2", destination_country="ES")
    [first] = await stage.hand_over("p1", "o1", tracking_number="QQ1234567890")
    [second] = await stage.hand_over("p2", "o2", tracking_number="QQ1234567891")
    assert (first.data.carrier_code, second.data.carrier_code) == ("CHRONO", "UPS")
    assert first.data.mapped_by == "default"
    assert any(warning.startswith("marketplace_list_unknown") for warning in first.data.warnings)


async def test_repeats_tell_nothing_and_a_correction_tells_again(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD", carrier_code="DPD"))
    await stage.know("o1")
    assert types(await stage.hand_over("p1")) == [MAPPED]
    stage.clock.advance(60)
    assert await stage.hand_over("p1") == []
    [corrected] = await stage.hand_over("p1", tracking_number="6A00000000079")
    assert corrected.data.tracking_number == "6A00000000079"
    assert corrected.data.parcel_id == parcel_id("p1")


async def test_two_corrections_in_one_batch_tell_the_last(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.know("o1")
    first, second = (stage.parcel("p1", tracking_number=number) for number in ("AAAA11111111", "BBBB22222222"))
    await stage.harness.feed((order_id("o1"), first), (order_id("o1"), second))
    [event] = await stage.harness.emitted()
    assert event.data.tracking_number == "BBBB22222222"


@pytest.mark.parametrize("first", ["parcel", "order", "connection"])
async def test_facts_in_any_order_lead_to_the_same(stage: Stage, first: str) -> None:
    facts: dict[str, Any] = {
        "parcel": (order_id("o1"), stage.parcel("p1")),
        "order": (order_id("o1"), stage.order("o1")),
        "connection": (MIRAKL, stage.connection(carriers=default("DPD", carrier_code="DPD"))),
    }
    order = [first, *(name for name in ("connection", "parcel", "order") if name != first)]
    for name in order:
        await stage.harness.feed(facts[name])
    events = await stage.harness.emitted()
    assert [event.data.carrier_code for event in events if event.type == MAPPED] == ["DPD"]
    assert types(events).count(PARKED) == types(events).count(RESUMED)
    assert await stage.harness.parked() == []


async def test_the_order_number_is_no_tracking_number(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.know("o1")
    [event] = await stage.hand_over("p1", tracking_number="NO-o1-0001")
    assert (event.type, event.data.cause) == (PARKED, "tracking_number_unusable")
    [item] = await stage.harness.parked()
    assert item["due_at"] == stage.order("o1").order.ship_by
    assert item["next_step"]
    resumed, mapped = sorted(types(await stage.hand_over("p1")))[::-1]
    assert (resumed, mapped) == (RESUMED, MAPPED)


async def test_an_order_number_learnt_later_is_looked_at(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    assert types(await stage.hand_over("p1", tracking_number="NO-o1-0001")) == [PARKED]
    await stage.know("o1")
    causes = {item["cause"] for item in await stage.harness.parked()}
    assert causes == {"tracking_number_unusable"}


async def test_a_default_carrier_resumes_what_is_parked(stage: Stage) -> None:
    await stage.connect()
    await stage.know("o1", "o2")
    events = await stage.hand_over("p1") + await stage.hand_over("p2", "o2")
    assert [event.data.cause for event in events] == ["no_default_carrier"] * 2
    await stage.connect(carriers=default("DPD", carrier_code="DPD"))
    events = await stage.harness.emitted()
    assert sorted(types(events)) == [MAPPED, MAPPED, RESUMED, RESUMED]
    assert await stage.harness.parked() == []


async def test_another_cause_closes_the_first(stage: Stage) -> None:
    await stage.connect()
    await stage.know("o1")
    await stage.hand_over("p1", carrier_name="Nobody Knows Them")
    assert [item["cause"] for item in await stage.harness.parked()] == ["marketplace_carriers_unknown"]
    await stage.fetch_lists()
    events = await stage.harness.emitted()
    assert types(events) == [RESUMED, PARKED]
    assert [item["cause"] for item in await stage.harness.parked()] == ["carrier_unmapped"]


async def test_sandbox_parcels_never_reach_a_production_connection(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.know("o1")
    [event] = await stage.hand_over("p1", environment=Environment.PRODUCTION)
    assert event.data.cause == "environment_mismatch"


async def test_test_parcels_stay_flagged(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.know("o1", is_test=True)
    [event] = await stage.hand_over("p1", is_test=True)
    assert event.data.is_test is True
    [event] = await stage.hand_over("p2", is_test=True, tracking_number="TBC")
    assert (event.type, event.data.is_test) == (PARKED, True)


async def test_replayed_parcels_are_kept_and_not_told(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.know("o1")
    assert await stage.hand_over("p1", origin=Origin.REPLAY) == []
    assert (await stage.shown("p1"))["outcome"] is None


async def test_several_numbers_send_the_first_and_say_so(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.know("o1")
    [event] = await stage.hand_over("p1", tracking_number="QQ12345678901, QQ12345678902")
    assert event.data.tracking_number == "QQ12345678901"
    assert any(warning.startswith("several_numbers") for warning in event.data.warnings)


async def test_a_new_ship_by_moves_the_due_date_of_later_parking(stage: Stage) -> None:
    await stage.connect()
    await stage.know("o1", ship_by=None)
    later = stage.clock.now()
    changed = OrderStatusChanged(
        order_id=order_id("o1"),
        connection_id=MIRAKL,
        environment=Environment.SANDBOX,
        from_status=OrderStatus.ACCEPTED,
        to_status=OrderStatus.PREPARATION,
        trigger="released",
        marketplace_status="SHIPPING",
        marketplace_updated_at=later,
        ship_by=later,
    )
    await stage.harness.feed((order_id("o1"), changed))
    await stage.hand_over("p1")
    assert (await stage.harness.parked())[0]["due_at"] == later


async def test_an_order_that_changes_again_repeats_nothing(stage: Stage) -> None:
    await stage.connect()
    await stage.know("o1")
    assert types(await stage.hand_over("p1")) == [PARKED]
    order = stage.order("o1").order
    changed = OrderChanged(order=order, changed_fields=("lines",), snapshot_id=order_id("s"))
    await stage.harness.feed((order_id("o1"), changed))
    assert await stage.harness.emitted() == []
    assert len(await stage.harness.parked()) == 1


async def test_what_a_person_closed_comes_back_with_a_correction_only(stage: Stage) -> None:
    await stage.connect()
    await stage.know("o1")
    await stage.hand_over("p1")
    [item] = await stage.harness.parked()
    await stage.call("POST", f"/operations/parked/{item['parked_id']}/close", {"resolution": "told them myself"})
    await stage.harness.emitted()
    changed = OrderChanged(order=stage.order("o1").order, changed_fields=("lines",), snapshot_id=order_id("s"))
    await stage.harness.feed((order_id("o1"), changed))
    assert await stage.harness.emitted() == []
    assert types(await stage.hand_over("p1", tracking_number="QQ12345678901")) == [PARKED]


async def test_an_order_waits_for_the_parcel_that_is_being_stored(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    await stage.hand_over("p1")
    key, parcel = order_id("o1"), stage.parcel("p2")
    event = Event(decode_headers(stage.harness.record(key, parcel).headers), parcel)
    pool = stage.harness.runtime.pool
    async with stage.harness.runtime.transactions.begin() as tx:
        await on_parcel(tx, [event])
        order = asyncio.create_task(stage.know("o1"))
        async with asyncio.timeout(30):
            while not order.done() and not await pool.fetchval(WAITING):
                continue
    await order
    assert await stage.harness.parked() == []


async def test_a_link_that_stays_unknown_is_not_told_again(stage: Stage) -> None:
    await stage.connect(MANOMANO)
    await stage.fetch_lists()
    await stage.know("o1", connection_id=MANOMANO)
    [event] = await stage.hand_over("p1", connection_id=MANOMANO, carrier_name="Heppner", tracking_number="HEP123456")
    assert event.data.tracking_url is None
    rule = {"kind": "explicit", "priority": 1, "shop_carrier": "Other", "carrier_name": "GLS"}
    made = await stage.call("POST", f"/connections/{MANOMANO}/carrier-rules", rule, expect=201)
    assert made["decided_again"] == 1
    assert await stage.harness.emitted() == []


async def test_parcel_and_order_at_the_same_moment_cannot_miss_each_other(stage: Stage) -> None:
    await stage.connect(carriers=default("DPD"))
    names = [f"o{i}" for i in range(20)]
    parcels = [(order_id(name), stage.parcel(f"p-{name}", name)) for name in names]
    orders = [(order_id(name), stage.order(name)) for name in names]
    await asyncio.gather(
        *(stage.harness.feed(each) for each in parcels), *(stage.harness.feed(each) for each in reversed(orders))
    )
    assert await stage.harness.parked() == []
    assert types(await stage.harness.emitted()).count(MAPPED) == 20


async def test_lists_are_fetched_once_a_day_and_survive_failures(stage: Stage) -> None:
    await stage.connect()
    stage.fault("error_500_before_effect", "list_carriers")
    await stage.fetch_lists()
    shown = await stage.call("GET", f"/connections/{MIRAKL}/carriers")
    assert shown["carriers"] is None
    assert shown["error"]
    stage.simulator.faults.set([])
    await stage.fetch_lists()
    assert (await stage.call("GET", f"/connections/{MIRAKL}/carriers"))["carriers"] is None, "not before its time"
    stage.clock.advance(3600)
    await stage.fetch_lists()
    shown = await stage.call("GET", f"/connections/{MIRAKL}/carriers")
    assert [each["code"] for each in shown["carriers"]] == ["DPD", "CHRONO", "COLISSIMO", "MR", "UPS"]
    assert shown["error"] == ""
    stage.fault("html_answer", "list_carriers")
    stage.clock.advance(86_400)
    await stage.fetch_lists()
    shown = await stage.call("GET", f"/connections/{MIRAKL}/carriers")
    assert len(shown["carriers"]) == 5
    assert shown["error"]


async def test_an_empty_list_never_replaces_a_good_one(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    await stage.connect()
    await stage.fetch_lists()
    monkeypatch.setitem(PROFILES, "pixmania", replace(PROFILES["pixmania"], carriers=()))
    stage.clock.advance(86_400)
    await stage.fetch_lists()
    shown = await stage.call("GET", f"/connections/{MIRAKL}/carriers")
    assert len(shown["carriers"]) == 5
    assert "lists no carrier" in shown["error"]


async def test_nothing_is_fetched_without_lease_or_when_paused_or_switched_off(stage: Stage) -> None:
    await stage.connect()
    lists = CarrierLists(stage.harness.runtime)
    assert await lists.step() is False, "the lease is not held"
    await stage.connect(state=ConnectionState.PAUSED)
    await stage.fetch_lists()
    await stage.connect(settings=HubSettings(capabilities_off=("carriers",)))
    await stage.fetch_lists()
    assert (await stage.call("GET", f"/connections/{MIRAKL}/carriers"))["carriers"] is None
    problem = await stage.call("POST", f"/connections/{MIRAKL}/carriers/refresh", expect=409)
    assert problem["type"].endswith("list-not-possible")


async def test_a_person_asks_for_the_list_now(stage: Stage) -> None:
    await stage.connect()
    await stage.fetch_lists()
    before = (await stage.call("GET", f"/connections/{MIRAKL}/carriers"))["fetched_at"]
    stage.clock.advance(10)
    await stage.call("POST", f"/connections/{MIRAKL}/carriers/refresh", expect=202)
    await stage.fetch_lists()
    assert (await stage.call("GET", f"/connections/{MIRAKL}/carriers"))["fetched_at"] > before


async def test_a_list_that_arrives_resumes_what_waited_for_it(stage: Stage) -> None:
    await stage.connect()
    await stage.know("o1")
    assert types(await stage.hand_over("p1", carrier_name="DPD France")) == [PARKED]
    await stage.fetch_lists()
    events = await stage.harness.emitted()
    assert sorted(types(events)) == [MAPPED, RESUMED]


async def test_a_link_learnt_later_is_told_where_the_marketplace_needs_one(stage: Stage) -> None:
    await stage.connect(MANOMANO)
    await stage.know("o1", connection_id=MANOMANO)
    await stage.fetch_lists()
    rule = {"kind": "explicit", "priority": 1, "shop_carrier": "Truck", "carrier_name": "Heppner"}
    made = await stage.call("POST", f"/connections/{MANOMANO}/carrier-rules", rule, expect=201)
    [event] = await stage.hand_over("p1", connection_id=MANOMANO, carrier_name="truck", tracking_number="HEP123456")
    assert event.data.tracking_url is None
    rule["tracking_url_template"] = "https://heppner.example/{n}"
    path = f"/connections/{MANOMANO}/carrier-rules/{made['id']}"
    assert (await stage.call("PUT", path, rule))["decided_again"] == 1
    [event] = await stage.harness.emitted()
    assert event.data.tracking_url == "https://heppner.example/HEP123456"


async def test_what_was_too_much_for_one_change_is_decided_by_the_duty(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    await stage.connect()
    await stage.know("o1")
    for name in ("p1", "p2", "p3"):
        await stage.hand_over(name)
    monkeypatch.setattr("carrier_mapper.mapping.AT_ONCE", 1)
    await stage.connect(carriers=default("DPD"))
    assert types(await stage.harness.emitted()).count(MAPPED) == 1
    duty = Undecided(stage.harness.runtime, 1)
    steps = 0
    while await duty.step():
        steps += 1
    assert steps == 2
    assert types(await stage.harness.emitted()).count(MAPPED) == 2
    assert await stage.harness.parked() == []


@given(count=st.integers(0, 130), applied=st.sets(st.integers(0, 129), max_size=70))
def test_a_long_trace_keeps_what_applied_and_counts_the_rest(count: int, applied: set[int]) -> None:
    from carrier_mapper.model import Trial
    from carrier_mapper.translate import TOLD_TRIALS, traces

    trials = [Trial("pattern", str(i), 1, (), i in applied, "because") for i in range(count)]
    told = traces(trials)
    assert len(told) == min(count, TOLD_TRIALS)
    hits = [t for t in told if t.outcome == "passed"]
    wanted = sum(1 for i in applied if i < count)
    assert len(hits) == min(wanted, TOLD_TRIALS - (count > TOLD_TRIALS))
    if count > TOLD_TRIALS:
        assert str(count - TOLD_TRIALS + 1) in told[-1].reason
