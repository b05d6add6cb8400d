"""Conversations end to end: read once, answered once, in the buyer's language; a question never ages in silence."""

from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest

from hub_common.testing.schema import schema_differences
from hub_contracts.connections import ConnectionState, HubSettings, MessageSettings
from hub_contracts.messages import MessageReceived, MessageRejected, MessageSent
from hub_contracts.work import WorkParked, WorkResumed
from message_service.tables import METADATA

from .conftest import HOURS, Stage, of

WORDS = "Where is my canary parcel?"


async def test_the_migrated_schema_is_the_declared_one(stage: Stage) -> None:
    dsn = stage.harness.settings.database_dsn.get_secret_value()
    assert await schema_differences(dsn, METADATA) == []


async def test_a_question_is_told_once_without_its_words(stage: Stage) -> None:
    order = await stage.order()
    thread = stage.asks(order, WORDS)
    [event] = of(await stage.read(), MessageReceived.TYPE)
    assert (event.order_id, event.thread_reference, event.sender) == (order.order_id, thread, "buyer")
    assert (event.awaits_answer, event.locale) == (True, order.locale)
    assert (event.answer_by - event.sent_at).total_seconds() == 24 * HOURS
    assert WORDS not in event.model_dump_json()
    assert await stage.read() == [], "reading again tells nothing"
    [shown] = (await stage.shown(thread))["messages"]
    assert (shown["body"], shown["sender"]) == (WORDS, "buyer")


async def test_no_words_outside_their_table(stage: Stage) -> None:
    order = await stage.order()
    thread = stage.asks(order, WORDS)
    await stage.read()
    await stage.answer(thread, body="The canary reply.")
    await stage.send()
    await stage.read()
    pool = stage.harness.runtime.pool
    for row in await pool.fetch("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"):
        if row[0] != "message_bodies":
            text = await pool.fetchval(f"SELECT coalesce(string_agg(t::text, ' '), '') FROM \"{row[0]}\" t")
            assert "canary" not in text, row[0]


async def test_an_answer_goes_out_once_and_ends_the_waiting(stage: Stage) -> None:
    thread = stage.asks(await stage.order(), WORDS)
    await stage.read()
    given = {"message_id": str(uuid4()), "body": "It left yesterday."}
    first, second = await stage.answer(thread, **given), await stage.answer(thread, **given)
    assert (first.status_code, first.json()["repeated"], second.json()["repeated"]) == (202, False, True)
    [sent] = of(await stage.send(), MessageSent.TYPE)
    assert (str(sent.message_id), sent.thread_reference, sent.confirmed_by) == (given["message_id"], thread, "answer")
    assert stage.at_marketplace(thread)[1:] in (["It left yesterday."], ["<p>It left yesterday.</p>"])
    assert (await stage.shown(thread))["waits_since"] is None
    assert of(await stage.read(), MessageReceived.TYPE) == [], "our own message is recognised when it is shown"
    assert len((await stage.shown(thread))["messages"]) == 2


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
async def test_a_lost_answer_never_writes_twice(stage: Stage, fault: str) -> None:
    thread = stage.asks(await stage.order(), WORDS)
    await stage.read()
    await stage.answer(thread, body="It left yesterday.")
    stage.fault(fault, "send_message")
    assert of(await stage.send(), MessageSent.TYPE) == []
    assert of(await stage.read(), MessageReceived.TYPE) == [], "ours, recognised by its words before the probe knows"
    [sent] = of(await stage.probe(), MessageSent.TYPE)
    assert sent.confirmed_by == "probe"
    assert len(stage.at_marketplace(thread)) == 2


async def test_what_was_not_sent_is_sent_again(stage: Stage) -> None:
    thread = stage.asks(await stage.order(), WORDS)
    await stage.read()
    await stage.answer(thread, body="It left yesterday.")
    stage.fault("rate_limit", "send_message")
    await stage.send()
    assert len(of(await stage.probe(), MessageSent.TYPE)) == 1
    assert len(stage.at_marketplace(thread)) == 2


async def test_the_buyers_language_chooses_the_template(stage: Stage) -> None:
    for locale, words in {"de_DE": "Unterwegs: {order_number}", "fr_FR": "En route: {order_number}"}.items():
        path = f"/v1/templates/tenant-1/on-its-way/{locale}"
        assert (await stage.client.put(path, json={"body": words})).status_code == 200
    german, italian = await stage.order(locale="de_DE"), await stage.order(locale="it_IT")
    threads = [stage.asks(each, WORDS) for each in (german, italian)]
    await stage.read()
    answers = [await stage.answer(thread, template="on-its-way") for thread in threads]
    assert [answer.json()["locale"] for answer in answers] == ["de_DE", "fr_FR"]
    assert answers[0].json()["warning"] is None
    assert "it_IT; the text is in fr_FR" in answers[1].json()["warning"]
    await stage.send()
    assert f"Unterwegs: {german.order_number}" in stage.at_marketplace(threads[0])[-1]
    missing = await stage.answer(threads[0], template="no-such")
    assert (missing.status_code, missing.json()["errors"][0]["pointer"]) == (422, "#/template")


async def test_a_first_message_opens_a_thread(stage: Stage) -> None:
    order = await stage.order()
    answer = await stage.client.post(f"/v1/orders/{order.order_id}/messages", json={"body": "A word about it."})
    assert answer.status_code == 202, answer.text
    [sent] = of(await stage.send(), MessageSent.TYPE)
    assert sent.order_id == order.order_id
    assert sent.thread_reference in stage.simulator.world.threads


async def test_an_unanswered_question_is_parked_in_time_and_closes_by_itself(stage: Stage) -> None:
    thread = stage.asks(await stage.order(), WORDS)
    await stage.read()
    assert await stage.upkeep() == []
    stage.clock.advance(18 * HOURS)
    [parked] = of(await stage.upkeep(), WorkParked.TYPE)
    assert (parked.cause, parked.subject_kind) == ("message_unanswered", "thread")
    assert await stage.upkeep() == [], "told once"
    order_reference = stage.simulator.world.threads[thread].order_id
    stage.simulator.write_message(order_reference, "Answered in the back office", sender="SHOP_USER", thread_id=thread)
    assert len(of(await stage.read(), WorkResumed.TYPE)) == 1
    assert await stage.harness.parked() == []


async def test_who_asks_again_after_an_answer_is_alarmed_for_anew(stage: Stage) -> None:
    """Both are read at once: there was no moment at which nobody waited."""
    order = await stage.order()
    thread = stage.asks(order, WORDS)
    await stage.read()
    stage.clock.advance(18 * HOURS)
    await stage.upkeep()
    stage.asks(order, "Answered in the back office", thread=thread, sender="SHOP_USER")
    stage.asks(order, "And the other parcel?", thread=thread)
    assert [event.type for event in await stage.read()].count(WorkResumed.TYPE) == 1
    assert await stage.harness.parked() == []
    stage.clock.advance(18 * HOURS)
    [again] = of(await stage.upkeep(), WorkParked.TYPE)
    assert again.due_at > stage.clock.now()


async def test_a_thread_read_before_its_order_is_linked_when_it_comes(stage: Stage) -> None:
    order = await stage.order(told=False)
    thread = stage.asks(order, WORDS)
    [event] = of(await stage.read(), MessageReceived.TYPE)
    assert event.order_id is None
    await stage.tell(order)
    listed = (await stage.client.get("/v1/threads", params={"order_id": str(order.order_id)})).json()["items"]
    assert [each["thread_reference"] for each in listed] == [thread]


async def test_a_refused_message_needs_a_person(stage: Stage) -> None:
    order = await stage.order()
    thread = stage.asks(order, WORDS)
    await stage.read()
    await stage.answer(thread, body="words")
    del stage.simulator.world.threads[thread]
    events = await stage.send() + await stage.probe()
    assert len(of(events, MessageRejected.TYPE)) == 1
    assert [item["cause"] for item in await stage.harness.parked()] == ["message_rejected"]


@pytest.mark.parametrize("fault", ["error_500_before_effect", "html_answer", "rate_limit"])
async def test_a_reading_that_fails_is_made_good(stage: Stage, fault: str) -> None:
    order = await stage.order()
    await stage.read()
    stage.asks(order, WORDS)
    stage.fault(fault, "list_threads")
    assert of(await stage.read(), MessageReceived.TYPE) == []
    [failing] = (await stage.client.get("/v1/readings", params={"state": "failing"})).json()["items"]
    assert failing["failures"] == 1
    stage.clock.advance(2 * HOURS)
    assert len(of(await stage.read(), MessageReceived.TYPE)) == 1


async def test_words_are_forgotten_on_wish_and_with_time(stage: Stage) -> None:
    first, second = await stage.order(), await stage.order()
    threads = [stage.asks(each, WORDS) for each in (first, second)]
    await stage.read()
    path = f"/v1/orders/{first.order_id}/messages"
    assert (await stage.client.delete(path)).json() == {"erased": 1}
    [gone] = (await stage.shown(threads[0]))["messages"]
    assert (gone["body"], gone["erased"]) == (None, True)
    stage.clock.advance(181 * 24 * HOURS)
    await stage.upkeep()
    assert await stage.harness.runtime.pool.fetchval("SELECT count(*) FROM message_bodies") == 0


async def test_an_erased_answer_is_not_sent(stage: Stage) -> None:
    order = await stage.order()
    thread = stage.asks(order, WORDS)
    await stage.read()
    await stage.answer(thread, body="words")
    await stage.client.delete(f"/v1/orders/{order.order_id}/messages")
    assert len(of(await stage.send(), MessageRejected.TYPE)) == 1
    assert len(stage.at_marketplace(thread)) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "#"),
        ({"body": "a", "template": "b"}, "#"),
        ({"body": ""}, "#/body"),
        ({"body": "a", "recipients": ["everybody"]}, "#/recipients/0"),
        ({"body": "a", "colour": "red"}, "#/colour"),
    ],
)
async def test_bad_input_names_the_field(stage: Stage, body: dict[str, Any], pointer: str) -> None:
    thread = stage.asks(await stage.order(), WORDS)
    await stage.read()
    answer = await stage.answer(thread, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert pointer in {error["pointer"] for error in answer.json()["errors"]}


async def test_what_is_not_there_is_said(stage: Stage) -> None:
    order = await stage.order(is_test=True)
    assert (await stage.answer("no-such-thread", body="a")).status_code == 404
    assert (await stage.client.post(f"/v1/orders/{uuid4()}/messages", json={"body": "a"})).status_code == 404
    refused = await stage.client.post(f"/v1/orders/{order.order_id}/messages", json={"body": "a"})
    assert refused.json()["type"].endswith("test-order")
    assert (await stage.client.put("/v1/templates/tenant-1/a/french", json={"body": "a"})).status_code == 422


async def test_nothing_is_read_where_it_is_switched_off(stage: Stage) -> None:
    order = await stage.order()
    stage.asks(order, WORDS)
    for changes in (
        {"settings": HubSettings(messages=MessageSettings(read=False))},
        {"settings": HubSettings(capabilities_off=("messages",))},
        {"state": ConnectionState.PAUSED},
    ):
        await stage.connect(**changes)
        assert await stage.read() == []
    await stage.connect()
    assert len(await stage.read()) == 1
