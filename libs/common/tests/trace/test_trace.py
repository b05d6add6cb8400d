"""W3C trace context."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_common import trace

GOOD = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def test_parse_and_write_are_inverse() -> None:
    parsed = trace.parse(GOOD)
    assert parsed is not None
    assert parsed.sampled
    assert parsed.traceparent == GOOD


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "garbage",
        GOOD.upper(),
        "ff" + GOOD[2:],
        GOOD + "-extra",
        "00-" + "0" * 32 + "-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-" + "0" * 16 + "-01",
        GOOD[:-1],
    ],
)
def test_what_breaks_the_rules_is_no_trace(text: str | None) -> None:
    assert trace.parse(text) is None
    assert trace.follow(text) is not None


def test_of_higher_versions_the_known_part_is_read() -> None:
    parsed = trace.parse("01" + GOOD[2:-2] + "02-future")
    assert parsed is not None
    assert parsed.trace_id == "4bf92f3577b34da6a3ce929d0e0e4736"
    assert not parsed.sampled


@given(st.integers())
def test_ids_come_from_the_injected_source(seed: int) -> None:
    one, two = (trace.new_trace(random.Random(seed).randbytes) for _ in range(2))
    assert one == two
    assert trace.parse(one.traceparent) == one


def test_zero_ids_are_drawn_again() -> None:
    draws = [bytes(16), b"\x01" * 16, bytes(8), b"\x02" * 8]
    assert trace.new_trace(lambda _size: draws.pop(0)).traceparent == f"00-{'01' * 16}-{'02' * 8}-01"


def test_child_keeps_the_trace() -> None:
    parent = trace.parse(GOOD)
    assert parent is not None
    step = trace.child(parent)
    assert (step.trace_id, step.sampled) == (parent.trace_id, True)
    assert step.span_id != parent.span_id


def test_current_trace_is_restored() -> None:
    assert trace.current() is None
    outer, inner = trace.new_trace(), trace.new_trace()
    with trace.use(outer):
        with trace.use(inner):
            assert trace.current() is inner
        assert trace.current() is outer
    assert trace.current() is None
