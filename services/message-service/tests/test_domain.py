"""Who waits, in which language is answered, what a template says."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.messages import Sender
from message_service.domain import (
    Said,
    UnknownPlaceholder,
    body_hash,
    choose_template,
    fill,
    waiting_of,
)

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
DAY = timedelta(hours=24)


def said(*who: str) -> list[Said]:
    return [Said(Sender(each), START + timedelta(hours=hour)) for hour, each in enumerate(who)]


def test_a_buyer_waits_since_the_first_question_after_our_last_word() -> None:
    waiting = waiting_of(said("buyer", "seller", "buyer", "operator", "buyer"), DAY)
    assert waiting is not None
    assert waiting.since == START + timedelta(hours=2)
    assert waiting.answer_by == waiting.since + DAY
    assert waiting.alarm_at == waiting.since + timedelta(hours=18)


@pytest.mark.parametrize("who", [(), ("seller",), ("operator",), ("buyer", "seller"), ("buyer", "seller", "operator")])
def test_nobody_waits(who: tuple[str, ...]) -> None:
    assert waiting_of(said(*who), DAY) is None


@given(st.lists(st.sampled_from(["buyer", "seller", "operator"]), max_size=8), st.randoms())
def test_the_order_in_which_messages_are_read_does_not_matter(who: list[str], random: object) -> None:
    messages = said(*who)
    shuffled = list(messages)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert waiting_of(shuffled, DAY) == waiting_of(messages, DAY)


@pytest.mark.parametrize(
    ("wanted", "default", "locale", "fell_back"),
    [
        ("fr_FR", None, "fr_FR", False),
        ("fr_BE", None, "fr", False),
        ("de_AT", None, "de_DE", False),
        ("it_IT", "fr_FR", "fr_FR", True),
        (None, "de_DE", "de_DE", False),
    ],
)
def test_the_template_in_the_buyers_language(
    wanted: str | None, default: str | None, locale: str, fell_back: bool
) -> None:
    chosen = choose_template({"fr": "a", "fr_FR": "b", "de_DE": "c"}, wanted, default)
    assert chosen is not None
    assert (chosen.locale, chosen.fell_back) == (locale, fell_back)


def test_no_template_is_better_than_one_in_any_language() -> None:
    assert choose_template({"fr": "a"}, "it_IT", "es_ES") is None
    assert choose_template({"fr": "a"}, None, None) is None


def test_a_buyer_never_reads_a_placeholder() -> None:
    assert fill("Order {order_number}.", {"order_number": "N-1"}) == "Order N-1."
    with pytest.raises(UnknownPlaceholder, match="tracking: is not known here; known are: order_number"):
        fill("{tracking}", {"order_number": "N-1"})


def test_markup_and_spaces_do_not_make_other_words() -> None:
    assert body_hash("<p>Hello  <b>you</b></p>") == body_hash("hello you")
    assert body_hash("hello you") != body_hash("hello me")
