"""What a snapshot means beside what is stored."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_contracts.base import Money
from hub_contracts.envelope import Origin
from hub_contracts.orders import (
    Address,
    Environment,
    OrderChanged,
    OrderCustomerRecorded,
    OrderLine,
    OrderReceived,
    OrderSnapshot,
    OrderStatusChanged,
)
from hub_contracts.status import OPEN, TRANSITIONS, OrderStatus, TransitionNotAllowed, path_between
from order_ingest.domain import Finding, Rules, Seen, Skip, Stored, accept_by, customer_digest, judge

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
ORDER, CONNECTION = UUID(int=1), UUID(int=2)
S = OrderStatus


def eur(amount: str) -> Money:
    return Money(amount=Decimal(amount), currency="EUR")


def snapshot(status: OrderStatus = S.PENDING, **changes: Any) -> OrderSnapshot:
    word = changes.pop("word", status.value)
    line_status = changes.pop("line_status", status)
    line = OrderLine(
        line_id="1",
        offer_sku="A",
        quantity=1,
        unit_price=eur("5"),
        line_price=eur("5"),
        shipping_price=eur("0"),
        status=line_status,
        marketplace_status=line_status.value,
    )
    values: dict[str, Any] = {
        "order_id": ORDER,
        "connection_id": CONNECTION,
        "connector": "x",
        "environment": Environment.SANDBOX,
        "marketplace_reference": "M1",
        "order_number": "M1",
        "status": status,
        "marketplace_status": word,
        "currency": "EUR",
        "products_price": Decimal(5),
        "shipping_price": Decimal(0),
        "total_price": Decimal(5),
        "lines": (line,),
        "created_at": NOW - timedelta(hours=1),
        "marketplace_updated_at": NOW,
    }
    return OrderSnapshot(**(values | changes))


def customer(city: str | None = "Lyon") -> OrderCustomerRecorded:
    return OrderCustomerRecorded(
        order_id=ORDER,
        connection_id=CONNECTION,
        shipping=Address(city=city) if city else None,
        billing=Address(city="Bill"),
    )


def stored(order: OrderSnapshot, who: OrderCustomerRecorded | None = None, **changes: Any) -> Stored:
    values: dict[str, Any] = {
        "received": True,
        "skip_reason": None,
        "origin": Origin.LIVE,
        "customer_sha256": customer_digest(who) if who else None,
        "has_address": who is not None and who.shipping is not None,
        "fetched_at": NOW,
    }
    return Stored(snapshot=order, **(values | changes))


def seen(order: OrderSnapshot, who: OrderCustomerRecorded | None = None, *, later: float = 60) -> Seen:
    return Seen(order, who, uuid4(), NOW + timedelta(seconds=later))


LIVE = Rules()


def test_first_sight_tells_order_and_customer() -> None:
    verdict = judge(None, seen(snapshot(), customer()), LIVE)
    assert [type(e) for e in verdict.events] == [OrderReceived, OrderCustomerRecorded]
    assert (verdict.received, verdict.origin) == (True, Origin.LIVE)


@given(st.sampled_from(S), st.sampled_from(S))
def test_every_change_of_status_is_a_chain_of_allowed_edges_or_parks(old: OrderStatus, new: OrderStatus) -> None:
    verdict = judge(stored(snapshot(old)), seen(snapshot(new)), LIVE)
    steps = [event for event in verdict.events if isinstance(event, OrderStatusChanged)]
    assert verdict.snapshot is not None
    try:
        expected = path_between(old, new)
    except TransitionNotAllowed:
        assert verdict.regressed is not None
        assert not steps
        assert verdict.snapshot.status == old
        return
    assert verdict.regressed is None
    assert tuple(step.to_status for step in steps) == expected
    edges = {(edge.source, edge.target) for edge in TRANSITIONS}
    assert all((step.from_status, step.to_status) in edges for step in steps)
    assert verdict.snapshot.status == new


def test_a_page_read_before_what_is_stored_changes_nothing() -> None:
    verdict = judge(stored(snapshot(S.PREPARATION)), seen(snapshot(S.SHIPPED), later=-1), LIVE)
    assert verdict.finding is Finding.STALE
    assert verdict.snapshot is None


def test_a_change_of_content_restates_the_order_after_its_status() -> None:
    verdict = judge(stored(snapshot()), seen(snapshot(S.PREPARATION, ship_by=NOW)), LIVE)
    assert [type(e) for e in verdict.events] == [OrderStatusChanged, OrderChanged]
    changed = verdict.events[1]
    assert isinstance(changed, OrderChanged)
    assert changed.changed_fields == ("ship_by",)
    assert changed.order.status is S.PREPARATION


@pytest.mark.parametrize(
    ("new", "names"),
    [
        (snapshot(line_status=S.REFUSED), ("line_status",)),
        (snapshot(word="WAITING_DEBIT_PAYMENT"), ("marketplace_status",)),
        (snapshot(total_price=Decimal(6), channel="FR"), ("channel", "total_price")),
    ],
)
def test_what_no_status_event_would_tell_is_named(new: OrderSnapshot, names: tuple[str, ...]) -> None:
    (event,) = judge(stored(snapshot()), seen(new), LIVE).events
    assert isinstance(event, OrderChanged)
    assert event.changed_fields == names


def test_an_update_time_alone_is_no_change() -> None:
    later = snapshot(marketplace_updated_at=NOW + timedelta(hours=1))
    assert judge(stored(snapshot()), seen(later), LIVE).finding is Finding.REPEATED


def test_the_customer_is_told_only_when_changed() -> None:
    known = stored(snapshot(), customer())
    assert judge(known, seen(snapshot(), customer()), LIVE).events == ()
    (event,) = judge(known, seen(snapshot(), customer("Lille")), LIVE).events
    assert isinstance(event, OrderCustomerRecorded)
    hidden = judge(known, seen(snapshot(destination_country=None), customer(None)), LIVE)
    assert hidden.events == ()
    assert hidden.has_address


def test_numbers_and_deadlines_do_not_move() -> None:
    old = snapshot(order_number="SHORT", accept_by=NOW)
    verdict = judge(stored(old), seen(snapshot()), LIVE)
    assert verdict.snapshot is not None
    assert (verdict.snapshot.order_number, verdict.snapshot.accept_by) == ("SHORT", NOW)
    moved = judge(stored(old), seen(snapshot(accept_by=NOW + timedelta(hours=1))), LIVE)
    assert moved.snapshot is not None
    assert moved.snapshot.accept_by == NOW + timedelta(hours=1)


def test_accept_by_is_the_marketplaces_own_or_counted() -> None:
    assert accept_by(snapshot(), 48) == snapshot().created_at + timedelta(hours=48)
    assert accept_by(snapshot(accept_by=NOW), 48) == NOW
    assert accept_by(snapshot(), None) is None


@pytest.mark.parametrize(
    ("status", "rules", "reason"),
    [
        (S.PENDING, Rules(import_from=NOW), Skip.BEFORE_IMPORT),
        (S.SHIPPED, Rules(first_run=True), Skip.CLOSED),
        (S.SHIPPED, Rules(), None),
        (S.PENDING, Rules(statuses=frozenset({S.PREPARATION})), Skip.STATUS_EXCLUDED),
        (S.PREPARATION, Rules(statuses=frozenset({S.PREPARATION})), None),
        (S.WAITING_PAYMENT, Rules(first_run=True), None),
    ],
)
def test_first_sight_may_be_skipped(status: OrderStatus, rules: Rules, reason: Skip | None) -> None:
    verdict = judge(None, seen(snapshot(status)), rules)
    assert verdict.skip_reason is reason
    assert verdict.received is (reason is None)
    assert bool(verdict.events) is (reason is None)


def test_known_orders_are_not_skipped_afterwards() -> None:
    rules = Rules(import_from=NOW, statuses=frozenset({S.PENDING}))
    verdict = judge(stored(snapshot()), seen(snapshot(S.PREPARATION)), rules)
    assert [type(e) for e in verdict.events] == [OrderStatusChanged]


@given(st.sampled_from(S), st.booleans())
def test_a_backfill_is_fenced_unless_the_order_is_owed_live(status: OrderStatus, before: bool) -> None:
    rules = Rules(import_from=NOW if before else NOW - timedelta(days=1), backfill=True)
    verdict = judge(None, seen(snapshot(status)), rules)
    assert verdict.received
    assert (verdict.origin is Origin.LIVE) is (status in OPEN and not before)


def test_a_backfill_leaves_known_orders_and_takes_skipped_ones() -> None:
    backfill = Rules(import_from=NOW, backfill=True)
    assert judge(stored(snapshot()), seen(snapshot(S.SHIPPED)), backfill).finding is Finding.KNOWN
    skipped = stored(snapshot(), received=False, skip_reason=Skip.BEFORE_IMPORT)
    assert judge(skipped, seen(snapshot()), backfill).origin is Origin.BACKFILL


def test_orders_known_by_backfill_keep_their_origin() -> None:
    known = stored(snapshot(), origin=Origin.BACKFILL)
    assert judge(known, seen(snapshot(S.PREPARATION)), LIVE).origin is Origin.BACKFILL
