"""The envelope survives the way to Kafka and back, and a bad header is named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hub_contracts.envelope import BadEnvelope, Event, Headers, Metadata, Origin, decode_headers, encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE

words = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=offsets)  # noqa: DTZ001
metadata = st.builds(
    Metadata,
    event_id=st.uuids(),
    type=words,
    source=words,
    time=moments,
    key=words,
    tenant=words,
    aggregate_version=st.integers(0, 2**63 - 1),
    origin=st.sampled_from(Origin),
    traceparent=st.none() | words.filter(bool),
    causation_id=st.none() | st.uuids().map(str),
)

SAMPLE = EXAMPLE_BY_TYPE["order.received.v1"].metadata()


def headers(**changes: bytes | None) -> Headers:
    """Headers of a good event, some with another value; None removes one."""
    values = dict(encode_headers(SAMPLE)) | {name: value for name, value in changes.items() if value is not None}
    return [(name, value) for name, value in values.items() if changes.get(name, b"") is not None]


@settings(max_examples=200, deadline=None)
@given(metadata)
def test_what_is_encoded_is_decoded(meta: Metadata) -> None:
    assert decode_headers(encode_headers(meta)) == meta


@settings(max_examples=50, deadline=None)
@given(metadata)
def test_the_time_is_written_in_utc(meta: Metadata) -> None:
    written = dict(encode_headers(meta))["ce_time"].decode()
    assert written.endswith("Z")
    assert datetime.fromisoformat(written) == meta.time


def test_required_attributes_of_cloudevents_are_written() -> None:
    written = dict(encode_headers(SAMPLE))
    assert written["ce_specversion"] == b"1.0"
    assert written["content-type"] == b"application/json"
    assert {"ce_id", "ce_source", "ce_type"} <= written.keys()


@pytest.mark.parametrize("name", ["ce_id", "ce_type", "ce_time", "ce_subject", "ce_source"])
def test_a_missing_header_is_named(name: str) -> None:
    with pytest.raises(BadEnvelope, match=f"^header {name} is missing$"):
        decode_headers(headers(**{name: None}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ce_id", b"order-1"),
        ("ce_id", b"\xff"),
        ("ce_type", b"\xff"),
        ("ce_time", b"yesterday"),
        ("ce_subject", b"\xff"),
        ("aggregate_version", b"one"),
        ("origin", b"dream"),
        ("ce_source", b"\xff"),
    ],
)
def test_a_malformed_header_is_named(name: str, value: bytes) -> None:
    with pytest.raises(BadEnvelope, match=f"^header {name} is malformed$"):
        decode_headers(headers(**{name: value}))


@pytest.mark.parametrize("name", ["tenant", "traceparent", "ce_causationid"])
def test_a_malformed_optional_header_is_named(name: str) -> None:
    with pytest.raises(BadEnvelope, match=f"^header {name} is malformed$"):
        decode_headers(headers(**{name: b"\xff"}))


def test_a_header_without_value_is_a_bad_envelope() -> None:
    empty: list[tuple[str, bytes]] = [*headers(), ("ce_id", None)]  # type: ignore[list-item]
    with pytest.raises(BadEnvelope, match="ce_id"):
        decode_headers(empty)


def test_a_time_without_offset_is_refused() -> None:
    with pytest.raises(BadEnvelope, match=r"ce_time has no UTC offset"):
        decode_headers(headers(ce_time=b"2026-03-02T09:14:05"))


def test_headers_of_others_are_ignored_and_the_last_of_a_name_counts() -> None:
    more: Headers = [*headers(), ("x-theirs", b"\xff"), ("ce_subject", b"other")]
    assert decode_headers(more).key == "other"


def test_what_may_be_absent() -> None:
    meta = decode_headers(headers(aggregate_version=None, origin=None, traceparent=None))
    assert (meta.aggregate_version, meta.origin, meta.traceparent) == (0, Origin.LIVE, None)


@pytest.mark.parametrize(("origin", "live"), [(Origin.LIVE, True), (Origin.BACKFILL, False), (Origin.REPLAY, False)])
def test_only_live_events_may_cause_effects(origin: Origin, live: bool) -> None:
    data = EXAMPLE_BY_TYPE["shop_order.cancelled.v1"].data
    meta = Metadata(UUID(int=7), data.TYPE, "shop-gateway", datetime(2026, 3, 2, tzinfo=UTC), "k", "t", 1, origin)
    event = Event(meta, data)
    assert event.live is live
    assert event.key == "k"
