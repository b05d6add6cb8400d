"""The status table holds for every walk through it, and shortcuts are real paths."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_contracts.registry import BY_TYPE
from hub_contracts.status import (
    FINAL,
    OPEN,
    TRANSITIONS,
    OrderStatus,
    TransitionNotAllowed,
    path_between,
    transition_for,
)

EDGES = {(edge.source, edge.target) for edge in TRANSITIONS}
PAIRS = [(source, target) for source in OrderStatus for target in OrderStatus]
statuses = st.sampled_from(OrderStatus)


def _distances() -> dict[tuple[OrderStatus, OrderStatus], int]:
    """Shortest distances by Floyd and Warshall, never by way of a refund: another algorithm than the one under test."""
    far = 10**6
    found = {pair: 0 if pair[0] == pair[1] else 1 if pair in EDGES else far for pair in PAIRS}
    for middle in set(OrderStatus) - {OrderStatus.REFUNDING}:
        for source, target in PAIRS:
            found[source, target] = min(found[source, target], found[source, middle] + found[middle, target])
    return {pair: distance for pair, distance in found.items() if distance < far}


DISTANCES = _distances()


@settings(max_examples=200, deadline=None)
@given(statuses, st.lists(statuses, max_size=30))
def test_random_walks_never_leave_the_table(start: OrderStatus, wishes: list[OrderStatus]) -> None:
    present = start
    for wish in wishes:
        if wish == present:
            assert transition_for(present, wish) is None
            continue
        if (present, wish) not in EDGES:
            with pytest.raises(TransitionNotAllowed) as refused:
                transition_for(present, wish)
            assert (refused.value.source, refused.value.target) == (present, wish)
            continue
        edge = transition_for(present, wish)
        assert edge is not None
        assert edge in TRANSITIONS
        assert (edge.source, edge.target) == (present, wish)
        assert present not in FINAL
        present = wish


@pytest.mark.parametrize(("source", "target"), PAIRS)
def test_a_path_is_allowed_and_the_shortest(source: OrderStatus, target: OrderStatus) -> None:
    if (source, target) not in DISTANCES:
        with pytest.raises(TransitionNotAllowed, match=f"from {source} to {target}"):
            path_between(source, target)
        return
    path = path_between(source, target)
    assert len(path) == DISTANCES[source, target]
    assert all(step in EDGES for step in pairwise((source, *path)))
    assert path[-1:] == (target,) or source == target
    assert path == path_between(source, target)


def test_the_table_says_each_edge_once_and_none_to_itself() -> None:
    assert len(EDGES) == len(TRANSITIONS)
    assert all(source != target for source, target in EDGES)


def test_nothing_follows_a_final_status_and_something_follows_every_other() -> None:
    assert {source for source, _ in EDGES} == set(OrderStatus) - FINAL


def test_every_open_order_can_reach_every_end() -> None:
    assert not OPEN & FINAL
    for status in OPEN:
        assert (status, OrderStatus.CANCELLED) in EDGES
        assert (status, OrderStatus.REFUNDED) in DISTANCES


def test_a_shipped_order_never_goes_back_to_be_shipped_again() -> None:
    for source in (OrderStatus.SHIPPED, OrderStatus.DELIVERED, OrderStatus.REFUNDING, *FINAL):
        assert not any((source, target) in DISTANCES for target in OPEN)


def test_every_edge_is_told_by_a_known_event() -> None:
    assert {edge.event for edge in TRANSITIONS} <= BY_TYPE.keys()
