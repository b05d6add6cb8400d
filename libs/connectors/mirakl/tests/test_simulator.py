"""The simulator behaves as the documentation says Mirakl does, and its record holds what was really applied."""

from __future__ import annotations

from typing import Any

import pytest

from connector_kit.capabilities import SandboxOptions
from connector_kit.http import Answer, Call, FilePart
from connector_kit.simulator import FaultRule
from connector_mirakl.connector import CONNECTOR
from connector_mirakl.sandbox.desk import FAULTS

from .asgi_caller import ManualClock
from .stage import KEY, Stage, answer_for


async def ask(stage: Stage, method: str, path: str, key: str = KEY, **more: Any) -> Answer:
    return await stage.http.call(Call("test", method, path, headers={"Authorization": key}, **more))


@pytest.mark.parametrize("key", ["", "wrong", f"Bearer {KEY}", KEY.upper()])
async def test_only_the_raw_key_opens(stage: Stage, key: str) -> None:
    assert (await ask(stage, "GET", "/api/account", key)).status == 401


async def test_another_shop_is_forbidden(stage: Stage) -> None:
    assert (await ask(stage, "GET", "/api/account", params=[("shop_id", "9")])).status == 403


async def test_accepting_answers_204_without_a_body(stage: Stage) -> None:
    order = stage.order(lines=1)
    body = {"order_lines": [{"id": order.lines[0].id, "accepted": True}]}
    answer = await ask(stage, "PUT", f"/api/orders/{order.id}/accept", json=body)
    assert (answer.status, answer.body) == (204, b"")


@pytest.mark.parametrize(
    ("lines", "code"),
    [
        ([], "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"),
        ([None], "ORDER_LINE_NULL_ELEMENT"),
        ([{"id": "1", "accepted": True}], "ORDER_LINE_ACCEPTANCE_DECISION_MISSING"),
        ([{"id": "1", "accepted": True}, {"id": "1", "accepted": True}], "ORDER_LINE_DUPLICATE_ID"),
        ([{"id": "9", "accepted": True}], "ORDER_LINE_NOT_FOUND"),
        ([{"id": "1"}], "VALIDATION_ERROR"),
    ],
)
async def test_every_line_must_be_present_once(stage: Stage, lines: list[Any], code: str) -> None:
    order = stage.order(lines=2)
    given = [{**line, "id": f"{order.id}-{line['id']}"} if line else line for line in lines]
    stage.http.unwatched = True
    answer = await ask(stage, "PUT", f"/api/orders/{order.id}/accept", json={"order_lines": given})
    assert (answer.status, answer.json()["code"]) == (400, code)
    assert order.state == "WAITING_ACCEPTANCE"


@pytest.mark.parametrize(("maximum", "status"), [("100", 200), ("101", 400), ("0", 400), ("x", 400)])
async def test_pages_hold_at_most_100(stage: Stage, maximum: str, status: int) -> None:
    assert (await ask(stage, "GET", "/api/orders", params=[("max", maximum)])).status == status


async def test_a_plus_that_is_not_encoded_is_a_malformed_date(stage: Stage) -> None:
    path = "/api/orders?start_update_date=2025-11-07T09:00:00+01:00"
    stage.http.unwatched = True
    assert (await ask(stage, "GET", path)).status == 400
    assert (await ask(stage, "GET", path.replace("+", "%2B"))).status == 200


async def test_faults_that_do_not_exist_are_refused(stage: Stage) -> None:
    with pytest.raises(ValueError, match="no_such_fault"):
        stage.simulator.faults.set([FaultRule(fault="no_such_fault")])
    assert set(FAULTS) == stage.simulator.faults.known


@pytest.mark.parametrize(
    "options", [{"no_such": 1}, {"skus": []}, {"lines": 0}, {"reference": "A-1", "country": 5}, {"created_at": "never"}]
)
def test_wrong_options_are_named(stage: Stage, options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options)) + "|country"):
        stage.simulator.create_orders(1, options)


def test_wrong_settings_are_named() -> None:
    for settings in ({"no_such": 1}, {"operator": "nobody"}, {"error_shape": "odd"}):
        with pytest.raises(ValueError, match=next(iter(settings))):
            CONNECTOR.build_sandbox(SandboxOptions(clock=ManualClock(), settings=settings))


def test_the_same_seed_gives_the_same_orders() -> None:
    def invented(seed: int) -> Any:
        simulator = CONNECTOR.build_sandbox(SandboxOptions(clock=ManualClock(), seed=seed))
        simulator.create_orders(30, {})
        return simulator.state()["orders"]

    assert invented(1) == invented(1)
    assert invented(1) != invented(2)


def test_buyers_are_clearly_invented(stage: Stage) -> None:
    stage.orders(30)
    for order in stage.simulator.state()["orders"].values():
        assert order["customer_notification_email"].endswith("@notification.example.invalid")
    sizes = {len(order["order_lines"]) for order in stage.simulator.state()["orders"].values()}
    assert sizes == {1, 2, 3, 4}


async def test_reset_forgets_everything(stage: Stage) -> None:
    before = stage.simulator.state()
    order = stage.order(lines=1)
    stage.fault("rate_limit", "verify")
    await stage.connection.accept([answer_for(order)])
    stage.simulator.reset()
    assert stage.simulator.state() == before
    assert stage.simulator.record.entries == []
    assert (await stage.connection.verify()).ok


async def test_a_full_replace_resets_what_is_left_out(stage: Stage) -> None:
    offer = stage.simulator.world.offers["TEL-PRO-128"]
    assert (offer.quantity, bool(offer.details)) == (10, True)
    row = {"shop_sku": "TEL-PRO-128", "state_code": "11", "update_delete": "", "price": 99}
    row.update(product_id=offer.product_sku, product_id_type="SKU")
    assert (await ask(stage, "POST", "/api/offers", json={"offers": [row]})).status == 201
    stage.clock.pass_seconds(20)
    stage.simulator.desk.advance()
    assert (offer.quantity, offer.details) == (0, {})


async def test_imports_are_worked_off_over_time(stage: Stage) -> None:
    part = FilePart("file", b"offer-sku;quantity\nTEL-PRO-128;3\n", "s.csv", "text/csv")
    taken = (await ask(stage, "POST", "/api/offers/stock/imports", parts=[part])).json()
    seen = []
    for _ in range(3):
        path = f"/api/offers/stock/imports/{taken['import_id']}/status"
        seen.append(((await ask(stage, "GET", path)).json()["status"], len(stage.applied("stock"))))
        stage.clock.pass_seconds(6)
    assert seen == [("WAITING", 0), ("RUNNING", 0), ("COMPLETE", 1)]


async def test_published_frequencies_can_be_enforced() -> None:
    stage = Stage(sandbox={"enforce_frequencies": True})
    stage.orders(150, lines=1)
    assert len(await stage.listed()) >= 150
    answer = await ask(stage, "GET", "/api/orders", params=[("max", "10")])
    assert (answer.status, answer.headers["retry-after"]) == (429, "60")
    stage.clock.pass_seconds(60)
    assert (await ask(stage, "GET", "/api/orders", params=[("max", "10")])).status == 200


async def test_integrators_may_list_orders_every_quarter_of_an_hour() -> None:
    stage = Stage(sandbox={"enforce_frequencies": True, "call_contract": "integrator"})
    asked = []
    for seconds in (0, 60, 839, 1):
        stage.clock.pass_seconds(seconds)
        asked.append((await ask(stage, "GET", "/api/orders")).status)
    assert asked == [200, 429, 429, 200]


async def test_the_control_routes_take_wishes_of_buyers(stage: Stage) -> None:
    stage.http.unwatched = True
    order = stage.shipping_order(status="SHIPPED")
    wish = {"order_id": order.id, "lines": {order.lines[0].id: 1}}
    made = await ask(stage, "POST", "/_sandbox/returns", json=wish)
    assert set(stage.simulator.state()["returns"]) == {made.json()["return_id"]}
    said = await ask(stage, "POST", "/_sandbox/messages", json={"order_id": order.id, "body": "Where is it?"})
    assert set(stage.simulator.state()["threads"]) == {said.json()["thread_id"]}
    for path, bad in (("returns", {**wish, "lines": {"x": 1}}), ("messages", {"order_id": "nobody", "body": "?"})):
        assert (await ask(stage, "POST", f"/_sandbox/{path}", json=bad)).status == 422


async def test_orders_reach_the_buyer_when_time_is_set_for_it() -> None:
    stage = Stage(sandbox={"receive_seconds": 100})
    order = stage.shipping_order(status="SHIPPED")
    stage.clock.pass_seconds(101)
    stage.simulator.desk.advance()
    assert order.state == "RECEIVED"


async def test_addresses_can_be_hidden_until_the_acceptance() -> None:
    stage = Stage(sandbox={"hide_addresses_before_acceptance": True, "debit_seconds": 0})
    order = stage.order(lines=1)
    stage.http.unwatched = True
    hidden, shown = await stage.connection.read_order(order.id), None
    await stage.connection.accept([answer_for(order)])
    shown = await stage.connection.read_order(order.id)
    assert hidden is not None
    assert shown is not None
    assert stage.connection.map_order(hidden).snapshot.missing_address_fields != ()
    assert stage.connection.map_order(shown).snapshot.missing_address_fields == ()


async def test_the_control_routes_steer_it(stage: Stage) -> None:
    stage.http.unwatched = True
    made = await ask(stage, "POST", "/_sandbox/orders", json={"count": 2, "options": {"lines": 1}})
    references = made.json()["references"]
    assert (await ask(stage, "PUT", "/_sandbox/faults", json=[{"fault": "odd"}])).status == 422
    assert (await ask(stage, "PUT", "/_sandbox/faults", json=[{"fault": "rate_limit", "times": 1}])).status == 200
    assert (await ask(stage, "GET", "/api/account")).status == 429
    assert (await ask(stage, "GET", "/api/account")).status == 200
    order = stage.simulator.world.orders[references[0]]
    await stage.connection.accept([answer_for(order)])
    record = (await ask(stage, "GET", "/_sandbox/record")).json()
    assert [(entry["kind"], entry["reference"]) for entry in record["entries"]] == [("accept", order.id)]
    assert set((await ask(stage, "GET", "/_sandbox/state")).json()["orders"]) == set(references)
    stage.clock.pass_seconds(31)
    state = (await ask(stage, "GET", "/_sandbox/state")).json()
    assert state["orders"][order.id]["order_state"] == "SHIPPING"
    assert (await ask(stage, "POST", "/_sandbox/reset")).status == 200
    assert (await ask(stage, "GET", "/_sandbox/state")).json()["orders"] == {}
