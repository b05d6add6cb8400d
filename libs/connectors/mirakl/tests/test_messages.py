"""Messages: read with the buyer's language, sent once, and found again after a doubtful call."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest

from connector_kit.aftersales import MessageThread, SendMessage
from connector_kit.http import BadAnswer
from connector_kit.outcome import OutcomeState, ProbeState
from connector_mirakl.client import Unavailable
from connector_mirakl.words import as_html, plain, same_words
from hub_contracts.messages import Sender

from .asgi_caller import START
from .stage import Stage

WORDS = "Invented: the parcel <left> today, 5 & more.\nÀ bientôt"


def message(stage: Stage, *, thread: str | None = None, order: str | None = None, **more: Any) -> SendMessage:
    given: dict[str, Any] = {"message_id": uuid4(), "body": WORDS, **more}
    return SendMessage(thread_reference=thread, order_reference=order, **given)


def time_ordered(stage: Stage) -> UUID:
    """A UUID of version 7 of the present."""
    milliseconds = int(stage.clock.now().timestamp() * 1000)
    return UUID(int=(milliseconds << 80) | (7 << 76) | (2 << 62) | uuid4().int & 0xFFFF)


async def listed(stage: Stage, **window: Any) -> list[MessageThread]:
    return [found async for page in stage.connection.list_threads(**window) for found in page]


async def test_threads_are_read_with_the_buyers_language(stage: Stage) -> None:
    order, other = stage.order(lines=1, country="ES"), stage.order(lines=1, locale="it_IT")
    thread = stage.simulator.write_message(order.id, "Hola")
    stage.clock.pass_seconds(60)
    stage.simulator.write_message(order.id, "From us", sender="OPERATOR_USER", thread_id=thread)
    stage.simulator.write_message(other.id, "Ciao")
    found = {each.order_reference: each for each in await listed(stage)}
    mine = found[order.id]
    assert (mine.thread_reference, mine.locale, mine.topic) == (thread, "es_ES", "Question")
    assert [(m.sender, m.body) for m in mine.messages] == [(Sender.BUYER, "Hola"), (Sender.OPERATOR, "From us")]
    assert mine.updated_at == mine.messages[-1].sent_at == stage.clock.now()
    assert found[other.id].locale == "it_IT"
    assert len(stage.http.made("read_thread_orders")) == 1


async def test_a_message_does_not_wait_for_the_language(stage: Stage) -> None:
    stage.simulator.write_message(stage.order(lines=1).id, "Hola")
    stage.http.refuse = lambda call: call.operation == "read_thread_orders"
    [found] = await listed(stage)
    assert found.locale is None


async def test_only_what_changed_is_asked_for(stage: Stage) -> None:
    stage.simulator.write_message(stage.order(lines=1).id, "old")
    stage.clock.pass_seconds(3600)
    fresh = stage.simulator.write_message(stage.order(lines=1).id, "new")
    assert [each.thread_reference for each in await listed(stage, updated_from=stage.clock.now())] == [fresh]


async def test_a_long_thread_is_read_whole_and_many_threads_are_all_read(stage: Stage) -> None:
    order = stage.order(lines=1)
    threads = [stage.simulator.write_message(order.id, "1") for _ in range(120)]
    for number in range(130):
        stage.simulator.write_message(order.id, str(number), thread_id=threads[3])
    found = {each.thread_reference: each for each in await listed(stage)}
    assert set(found) == set(threads)
    assert len(found[threads[3]].messages) == 131
    assert len(stage.http.made("read_thread")) == 1
    assert [name for name, _ in stage.http.made("list_threads_page")[0].params] == ["page_token"]


async def test_a_reply_goes_to_the_buyer_in_the_thread(stage: Stage) -> None:
    thread = stage.simulator.write_message(stage.order(lines=1).id, "Where is it?")
    request = message(stage, thread=thread)
    [outcome] = await stage.connection.send_messages([request])
    assert outcome.state is OutcomeState.DONE
    [call] = stage.http.made("send_message")
    [part] = call.parts
    assert (call.path, part.name) == (f"/api/inbox/threads/{thread}/message", "message_input")
    assert json.loads(part.content) == {"body": WORDS, "to": [{"type": "CUSTOMER"}]}
    last = stage.simulator.world.threads[thread].messages[-1]
    assert (last.body, last.sender, outcome.answer["message_reference"]) == (WORDS, "SHOP_USER", last.id)
    assert WORDS not in repr(outcome)


@pytest.mark.parametrize(
    ("topic", "told"),
    [
        ("50", {"type": "REASON_CODE", "value": "50"}),
        ("51", {"type": "FREE_TEXT", "value": "51"}),
        ("34", {"type": "FREE_TEXT", "value": "34"}),
        ("Your parcel", {"type": "FREE_TEXT", "value": "Your parcel"}),
        (None, {"type": "FREE_TEXT"}),
    ],
)
async def test_a_new_thread_has_a_topic_that_the_operator_takes(
    stage: Stage, topic: str | None, told: dict[str, str]
) -> None:
    order = stage.order(lines=1)
    request = message(stage, order=order.id, topic=topic, recipients=("buyer", "operator"))
    [outcome] = await stage.connection.send_messages([request])
    assert outcome.state is OutcomeState.DONE
    [thread] = stage.simulator.world.threads.values()
    assert thread.topic == {"value": order.id, **told}
    assert outcome.answer["thread_reference"] == thread.id
    assert thread.messages[0].to == ("CUSTOMER", "OPERATOR")


async def test_topics_are_read_once_a_day(stage: Stage) -> None:
    order = stage.order(lines=1)
    for hours in (0, 1, 24):
        stage.clock.pass_seconds(hours * 3600)
        await stage.connection.send_messages([message(stage, order=order.id, topic="50")])
    assert len(stage.http.made("read_topics")) == 2


async def test_a_thread_is_not_begun_while_the_topics_are_unknown(stage: Stage) -> None:
    order = stage.order(lines=1)
    stage.http.refuse = lambda call: call.operation == "read_topics"
    [outcome] = await stage.connection.send_messages([message(stage, order=order.id, topic="50")])
    assert outcome.state is OutcomeState.RETRY
    assert stage.http.made("send_message") == []


async def test_html_is_sent_where_the_operator_shows_html() -> None:
    stage = Stage(settings={"message_format": "html"})
    thread = stage.simulator.write_message(stage.order(lines=1).id, "Where is it?")
    request = message(stage, thread=thread)
    await stage.connection.send_messages([request])
    body = stage.simulator.world.threads[thread].messages[-1].body
    assert body == "Invented: the parcel &lt;left&gt; today, 5 &amp; more.<br/>À bientôt"
    assert (await stage.connection.probe_send_message(request)).state is ProbeState.APPLIED


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"body": "  "}, "body: must not be empty"),
        ({"body": "x" * 50_001}, "more than 50000"),
        ({"recipients": ()}, "recipients"),
        ({"thread_reference": None}, "thread_reference"),
    ],
)
async def test_what_mirakl_would_refuse_is_not_sent(stage: Stage, change: dict[str, Any], words: str) -> None:
    request = message(stage, thread="T").model_copy(update=change)
    [outcome] = await stage.connection.send_messages([request])
    assert outcome.state is OutcomeState.REJECTED
    assert words in outcome.reason
    assert stage.http.calls == []


@pytest.mark.parametrize("fault", ["timeout_after_effect", "error_500_after_effect"])
@pytest.mark.parametrize("new", [True, False])
async def test_a_lost_answer_is_found(stage: Stage, fault: str, new: bool) -> None:
    order = stage.order(lines=1)
    thread = stage.simulator.write_message(order.id, WORDS)
    request = message(stage, order=order.id) if new else message(stage, thread=thread)
    stage.fault(fault, "send_message")
    [outcome] = await stage.connection.send_messages([request])
    assert outcome.state is OutcomeState.UNKNOWN
    probe = await stage.connection.probe_send_message(request)
    assert probe.state is ProbeState.APPLIED
    assert WORDS not in probe.evidence
    assert len(stage.applied("send_message")) == 1


@pytest.mark.parametrize("fault", ["error_500_before_effect", "html_answer"])
async def test_the_same_words_sent_earlier_are_not_taken_for_ours(stage: Stage, fault: str) -> None:
    thread = stage.simulator.write_message(stage.order(lines=1).id, "?")
    await stage.connection.send_messages([message(stage, thread=thread)])
    request = message(stage, thread=thread)
    stage.fault(fault, "send_message", times=1)
    [outcome] = await stage.connection.send_messages([request])
    assert outcome.state is OutcomeState.UNKNOWN
    assert (await stage.connection.probe_send_message(request)).state is ProbeState.NOT_APPLIED


@pytest.mark.parametrize("applied", [True, False])
async def test_another_process_finds_it_by_the_time_in_its_id(stage: Stage, applied: bool) -> None:
    thread = stage.simulator.write_message(stage.order(lines=1).id, "?")
    await stage.connection.send_messages([message(stage, thread=thread)])
    stage.clock.pass_seconds(600)
    request = message(stage, thread=thread, message_id=time_ordered(stage))
    if applied:
        await stage.connection.send_messages([request])
    probe = await stage.connect().probe_send_message(request)
    assert probe.state is (ProbeState.APPLIED if applied else ProbeState.NOT_APPLIED)


async def test_without_a_time_an_old_message_with_the_same_words_decides_nothing(stage: Stage) -> None:
    thread = stage.simulator.write_message(stage.order(lines=1).id, "?")
    request = message(stage, thread=thread)
    assert (await stage.connect().probe_send_message(request)).state is ProbeState.NOT_APPLIED
    await stage.connection.send_messages([request])
    assert (await stage.connect().probe_send_message(request)).state is ProbeState.UNDECIDED


async def test_without_its_words_only_silence_decides(stage: Stage) -> None:
    thread = stage.simulator.write_message(stage.order(lines=1).id, "?")
    request = message(stage, thread=thread, message_id=time_ordered(stage))
    wordless = request.model_copy(update={"body": ""})
    assert (await stage.connection.probe_send_message(wordless)).state is ProbeState.NOT_APPLIED
    await stage.connection.send_messages([request])
    assert (await stage.connect().probe_send_message(wordless)).state is ProbeState.UNDECIDED


async def test_the_buyers_own_words_are_never_ours(stage: Stage) -> None:
    thread = stage.simulator.write_message(stage.order(lines=1).id, WORDS)
    request = message(stage, thread=thread, message_id=time_ordered(stage))
    assert (await stage.connection.probe_send_message(request)).state is ProbeState.NOT_APPLIED


@pytest.mark.parametrize("about", ["thread", "order"])
async def test_nothing_is_sent_to_what_does_not_exist(stage: Stage, about: str) -> None:
    request = message(stage, **{about: "nobody"})
    [outcome] = await stage.connection.send_messages([request])
    assert outcome.state is OutcomeState.REJECTED
    assert (await stage.connection.probe_send_message(request)).state is ProbeState.NOT_APPLIED


@pytest.mark.parametrize(("fault", "error"), [("rate_limit", Unavailable), ("html_answer", BadAnswer)])
async def test_a_failed_listing_raises(stage: Stage, fault: str, error: type[Exception]) -> None:
    stage.fault(fault, "list_threads")
    with pytest.raises(error):
        await listed(stage, updated_from=START)


async def test_one_unreadable_thread_does_not_hide_the_others(stage: Stage) -> None:
    odd = stage.simulator.write_message(stage.order(lines=1).id, "?")
    good = stage.simulator.write_message(stage.order(lines=1).id, "?")
    stage.simulator.world.threads[odd].messages[0].id = ""
    stage.http.unwatched = True
    found: list[str] = []
    with pytest.raises(BadAnswer, match=odd):
        async for page in stage.connection.list_threads():
            found += [each.thread_reference for each in page]
    assert found == [good]


@pytest.mark.parametrize(
    ("body", "shown"),
    [
        ("a < b and 5 > 3", "a < b and 5 > 3"),
        ("line\n\n  kept", "line\n\n  kept"),
        ("<p>One</p><p>Two<br>Three</p>", "One\n\nTwo\nThree"),
        ("R&amp;D &eacute;t&eacute;", "R&D été"),
        ("<div>x</div><script>steal()</script><img src=x onerror=alert(1)>", "x"),
        ("<b>bold</b> word", "bold word"),
        ("<style>p {color: red}</style>after", "after"),
    ],
)
def test_markup_never_reaches_people(body: str, shown: str) -> None:
    assert plain(body) == shown


@pytest.mark.parametrize("body", [WORDS, "plain", "a<b>c", "&amp; as it is", "two\r\nlines"])
def test_our_words_are_recognised_in_both_formats(body: str) -> None:
    assert same_words(body, body)
    assert same_words(as_html(body), body)
    assert same_words(f"<p>{as_html(body)}</p>", body)
    assert not same_words(body + " and more", body)
