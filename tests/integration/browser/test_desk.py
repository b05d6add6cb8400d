"""The desk in a browser: parked work, a poisoned record edited and sent again, one discarded, and who may not."""

from __future__ import annotations

import asyncio
import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import pytest
from playwright.sync_api import Page, expect

from hub_common.ids import SystemIds
from hub_common.kafka.client import KafkaProducer
from hub_common.kafka.records import OutRecord
from hub_contracts.base import EventData
from hub_contracts.catalog import FeedPublished
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.examples import EXAMPLES
from hub_contracts.orders import OrderCustomerRecorded
from hub_contracts.topics import CATALOG, TOPIC_BY_NAME
from hub_tools.demo.setting import PRICES, TENANT
from integration.hub import Hub, eventually

from .desk import Desk

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]
CONSOLE = "ops-console"
SKU = next(iter(PRICES))


def produce(hub: Hub, value: bytes, model: type[EventData] = FeedPublished) -> UUID:
    """Write a record as the topic's writer would. The default's type is handled by the console only."""
    event_id = SystemIds().new()
    key = hub.setting.connections["mirakl"]
    meta = Metadata(event_id, model.TYPE, TOPIC_BY_NAME[model.TOPIC].writer, datetime.now(UTC), key, TENANT, 1)
    record = OutRecord(model.TOPIC, key.encode(), value, encode_headers(meta))

    async def send() -> list[bool]:
        producer = KafkaProducer(hub.cluster.stack.bootstrap_servers, "a-browser-test")
        try:
            return await producer.send([record])
        finally:
            await producer.stop()

    # The browser's own loop runs in this thread.
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(asyncio.run, send()).result() == [True]
    return event_id


def dies(hub: Hub, event_id: UUID) -> str:
    """Wait until the console's service has set a record aside; returns the letter's id."""

    def found() -> str | None:
        items = hub.console.get("/v1/operations/dead-letters")["items"]
        return next((one["dead_letter_id"] for one in items if one["event_id"] == str(event_id)), None)

    return str(eventually(found, "the poisoned record is set aside"))


def open_group(page: Page) -> None:
    page.goto("/desk")
    page.locator(f"a[href^='/desk/letters?service={CONSOLE}']", has_text="undecodable").first.click()


def test_a_poisoned_record_is_edited_sent_again_and_handled(desk: Desk, hub: Hub) -> None:
    good = next(one.data for one in EXAMPLES if isinstance(one.data, FeedPublished)).model_dump_json()
    good = re.sub(r'"connection_id":"[^"]+"', f'"connection_id":"{hub.setting.connections["mirakl"]}"', good)
    broken = good.replace('"connection_id"', '"connection"').encode()
    event_id = produce(hub, broken)
    letter = dies(hub, event_id)
    page = desk.page("operator")
    page.on("dialog", lambda dialog: dialog.accept())
    page.keyboard.press("g")
    page.keyboard.press("d")
    expect(page.get_by_role("heading", name="Dead letters")).to_be_visible()
    desk.check_themes(page, "desk")
    open_group(page)
    page.get_by_role("button", name="Try all of this group (dry run)").click()
    expect(page.get_by_role("heading", name="1 would be sent back")).to_be_visible()
    desk.check_themes(page, "desk-dry-run")
    page.get_by_role("button", name="Send 1 back").click()
    expect(page.get_by_text("1 sent back through the inbox.")).to_be_visible()
    eventually(
        lambda: [one for one in hub.console.get("/v1/operations/dead-letters")["items"] if one["cause"] == "permanent"],
        "sent back unchanged, it fails again",
    )
    page.goto("/desk")
    page.locator(f"a[href^='/desk/letters?service={CONSOLE}']", has_text="permanent").first.click()
    page.get_by_role("link", name=FeedPublished.TYPE).click()
    desk.check_themes(page, "desk-letter")
    page.get_by_label("Value (JSON)").fill("{}")
    page.get_by_label("Reason").fill("the connection was named wrongly")
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_role("alert")).to_contain_text("connection_id")
    page.get_by_label("Value (JSON)").fill(good)
    page.get_by_role("button", name="Check").click()
    expect(page.get_by_text("The copy fits the schema.")).to_be_visible()
    desk.check_themes(page, "desk-edit")
    page.get_by_role("button", name="Store the copy and send it").click()
    expect(page.get_by_text("The corrected copy is on its way")).to_be_visible()
    latest = f"/v1/topics/{CATALOG}/latest?type={FeedPublished.TYPE}"
    eventually(
        lambda: [one for one in hub.console.get(latest)["items"] if one["event_id"] == str(event_id)],
        "the corrected event is handled",
    )
    page.get_by_role("link", name="The original").click()
    expect(page.get_by_role("link", name="The copy")).to_be_visible()
    assert hub.console.get(f"/v1/operations/dead-letters/{letter}")["value"] == broken.decode()
    page.goto(f"/topics/{CATALOG}/records/{event_id}")
    expect(page.locator("h1")).to_contain_text(FeedPublished.TYPE)


def test_a_dead_letter_is_discarded_with_a_reason(desk: Desk, hub: Hub) -> None:
    letter = dies(hub, produce(hub, b"<html>"))
    page = desk.page("operator")
    page.on("dialog", lambda dialog: dialog.accept())
    open_group(page)
    desk.check_themes(page, "desk-letters")
    page.get_by_label("All on this page").check()
    page.get_by_role("button", name="Discard what is chosen").click()
    assert page.get_by_label("Reason").evaluate("field => field.validity.customError"), "not without a reason"
    page.get_by_label("Reason").fill("written by a test")
    page.get_by_role("button", name="Discard what is chosen").click()
    expect(page.get_by_text("1 discarded.")).to_be_visible()
    found = hub.console.get(f"/v1/operations/dead-letters/{letter}")
    assert (found["state"], found["settled_by"], found["settled_reason"]) == (
        "discarded",
        "operator",
        "written by a test",
    )


def test_a_buyers_data_in_a_dead_letter_is_shown_when_asked_for(desk: Desk, hub: Hub) -> None:
    event_id = produce(hub, b'{"last_name": "Wistlegrove"', OrderCustomerRecorded)
    page = desk.page("operator")
    page.on("dialog", lambda dialog: dialog.accept())
    page.goto(f"/desk/letters/{CONSOLE}/{dies(hub, event_id)}")
    expect(page.get_by_text("Masked: it may hold")).to_be_visible()
    assert "Wistlegrove" not in page.content()
    page.get_by_role("button", name="Reveal").click()
    expect(page.locator("pre[aria-label='Value']")).to_contain_text("Wistlegrove")
    desk.check_themes(page, "desk-letter-revealed")
    for name in hub.cluster.specs:
        api, base = hub.cluster.api(name), "/v1/operations/dead-letters"
        ids = [one["dead_letter_id"] for one in api.get(base)["items"] if one["event_id"] == str(event_id)]
        if ids:
            api.post(f"{base}/discard", {"ids": ids, "reason": "end of the test"})


def test_an_effect_in_doubt_is_settled_and_sent_again(desk: Desk, hub: Hub) -> None:
    faults = [
        {"fault": "error_500_before_effect", "operation": "accept", "times": 1},
        {"fault": "error_500_before_effect", "operation": "read_order"},
    ]
    connection = hub.setting.connections["manomano"]
    page = desk.page("operator")
    page.on("dialog", lambda dialog: dialog.accept())
    hub.sandbox.put("/manomano/_sandbox/faults", faults)
    try:
        reference = hub.buy("manomano", (SKU, 1))[0]
        eventually(lambda: hub.story(connection, reference)["doubts"], "the acceptance is in doubt")
        page.goto("/desk#doubts")
        line = page.get_by_role("region", name="Effects in doubt").locator("tr", has_text=reference)
        line.get_by_role("link", name="accept").click()
        expect(page.locator("h1")).to_contain_text("UNKNOWN")
        desk.check_themes(page, "desk-effect")
        page.get_by_role("button", name="Reveal").click()
        expect(page.locator("pre[aria-label='Request and answer']")).to_contain_text(reference)
        desk.check_themes(page, "desk-effect-revealed")
        page.get_by_label("It was not applied: send it again.").check()
        page.get_by_label("Evidence").fill("the marketplace's back office shows it open")
        page.get_by_role("button", name="Settle").click()
        expect(page.get_by_text("accept is settled: not applied resend.")).to_be_visible()
    finally:
        hub.sandbox.put("/manomano/_sandbox/faults", [])
    expect(page.get_by_role("region", name="Effects in doubt")).not_to_contain_text(reference)
    hub.shows(connection, reference, "SHIPPED")
    assert hub.outside().applied("accept")[reference] == 1


def test_a_parked_item_is_closed_with_a_reason(desk: Desk, hub: Hub) -> None:
    reference = hub.buy("mirakl", ("NOBODY-LINKED-01", 1))[0]
    row = hub.shows(hub.setting.connections["mirakl"], reference, "PENDING")
    item = hub.parked("order-acceptance", "acceptance_held", row["order_id"])
    page = desk.page("operator")
    page.goto("/desk")
    page.get_by_role("link", name="acceptance held").click()
    line = page.locator("tr", has=page.get_by_role("link", name=reference))
    expect(line).to_contain_text("PENDING")
    desk.check_themes(page, "desk-parked")
    line.get_by_role("checkbox").check()
    page.get_by_label("Reason").fill("decided by telephone")
    page.get_by_role("button", name="Close what is chosen").click()
    expect(page.get_by_text("1 closed.")).to_be_visible()
    expect(page.locator("tr", has=page.get_by_role("link", name=reference))).to_have_count(0)
    path = f"/v1/operations/parked?resolved=true&order_id={row['order_id']}"
    closed = {one["parked_id"]: one for one in hub.cluster.api("order-acceptance").get(path)["items"]}
    assert closed[item["parked_id"]]["actor"] == "operator"
    decision = {"decision": "refuse", "reason": "a test of the browser"}
    hub.cluster.api("order-acceptance").post(f"/v1/orders/{row['order_id']}/decision", decision)


def test_viewers_and_strangers_may_not(desk: Desk, hub: Hub) -> None:
    letter = dies(hub, produce(hub, b"<html>"))
    page = desk.page("viewer", phone=True)
    open_group(page)
    expect(page.locator("main button")).to_have_count(0)
    desk.check(page, "desk-letters-phone")
    csrf = str(page.locator('meta[name="csrf"]').get_attribute("content"))
    query = dict(re.findall(r"[?&]([^=]+)=([^&]*)", page.url))
    form = {**query, "csrf": csrf, "letter_id": letter, "reason": "may I?"}
    assert page.request.post("/desk/letters/discard", form=form).status == 403
    stranger = desk.page("elsewhere")
    stranger.goto("/desk")
    expect(stranger.get_by_text("No dead letters")).to_be_visible()
    assert stranger.request.get(f"/desk/letters/{CONSOLE}/{letter}").status == 404
    csrf = str(stranger.locator('meta[name="csrf"]').get_attribute("content"))
    edit = {"csrf": csrf, "value": "{}", "reason": "may I?", "send": "true"}
    assert stranger.request.post(f"/desk/letters/{CONSOLE}/{letter}/edit", form=edit).status == 404
    hub.console.post("/v1/operations/dead-letters/discard", {"ids": [letter], "reason": "end of the test"})
