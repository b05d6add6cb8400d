"""The envelope of an event: CloudEvents 1.0 in Kafka binary mode (attributes as headers, body as value).

Headers can be read without parsing the body, so routing, deduplication and dead letters work even for bodies that
cannot be understood.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Generic, TypeVar
from uuid import UUID

from hub_contracts.base import EventData, rfc3339

DataT = TypeVar("DataT", bound=EventData, covariant=True)

Headers = list[tuple[str, bytes]]


class Origin(StrEnum):
    """Why an event is being processed. Only `live` may cause effects outside (the fence)."""

    LIVE = "live"
    BACKFILL = "backfill"
    REPLAY = "replay"


class BadEnvelope(ValueError):
    """The headers are not those of one of our events; the record is dead-lettered with its bytes."""


@dataclass(frozen=True, slots=True)
class Metadata:
    """What the headers say about an event."""

    event_id: UUID
    type: str
    source: str
    time: datetime
    key: str
    tenant: str
    aggregate_version: int
    origin: Origin = Origin.LIVE
    traceparent: str | None = None
    causation_id: str | None = None


@dataclass(frozen=True, slots=True)
class Event(Generic[DataT]):
    """An event as a handler receives it."""

    meta: Metadata
    data: DataT

    @property
    def key(self) -> str:
        """Aggregate id; events of one key are handled in the order they were written."""
        return self.meta.key

    @property
    def live(self) -> bool:
        """True when this event may cause effects outside."""
        return self.meta.origin is Origin.LIVE


def encode_headers(meta: Metadata) -> Headers:
    """Write the CloudEvents attributes and ours as Kafka headers."""
    headers: Headers = [
        ("ce_specversion", b"1.0"),
        ("ce_id", str(meta.event_id).encode()),
        ("ce_type", meta.type.encode()),
        ("ce_source", meta.source.encode()),
        ("ce_time", rfc3339(meta.time).encode()),
        ("ce_subject", meta.key.encode()),
        ("content-type", b"application/json"),
        ("tenant", meta.tenant.encode()),
        ("aggregate_version", str(meta.aggregate_version).encode()),
        ("origin", meta.origin.encode()),
    ]
    if meta.traceparent:
        headers.append(("traceparent", meta.traceparent.encode()))
    if meta.causation_id:
        headers.append(("ce_causationid", meta.causation_id.encode()))
    return headers


def decode_headers(headers: Iterable[tuple[str, bytes]]) -> Metadata:
    """Read our headers. Raises `BadEnvelope` naming the header that is missing or malformed."""
    values = dict(headers)
    try:
        time = datetime.fromisoformat(values["ce_time"].decode())
        if time.tzinfo is None:
            return _decode_carefully(values)
        traceparent, causation_id = values.get("traceparent"), values.get("ce_causationid")
        return Metadata(
            UUID(values["ce_id"].decode()),
            values["ce_type"].decode(),
            values["ce_source"].decode(),
            time,
            values["ce_subject"].decode(),
            values["tenant"].decode(),
            int(values.get("aggregate_version", b"0")),
            _ORIGINS[values.get("origin", b"live")],
            traceparent.decode() if traceparent else None,
            causation_id.decode() if causation_id else None,
        )
    except (AttributeError, KeyError, TypeError, ValueError):
        # Every event of every service comes this way, so what is wrong is only looked for when something is.
        return _decode_carefully(values)


_ORIGINS = {origin.encode(): origin for origin in Origin}


def _decode_carefully(values: Mapping[str, bytes]) -> Metadata:
    def read(name: str, default: bytes | None = None) -> str:
        value = values.get(name, default)
        if value is None:
            raise BadEnvelope(f"header {name} is missing")
        try:
            return value.decode()
        except UnicodeDecodeError:
            raise BadEnvelope(f"header {name} is malformed") from None

    name = "ce_id"
    try:
        event_id = UUID(read(name))
        name = "ce_time"
        time = datetime.fromisoformat(read(name))
        name = "aggregate_version"
        version = int(read(name, b"0"))
        name = "origin"
        origin = Origin(read(name, b"live"))
    except BadEnvelope:
        raise
    except ValueError:
        raise BadEnvelope(f"header {name} is malformed") from None
    if time.tzinfo is None:
        raise BadEnvelope("header ce_time has no UTC offset")
    return Metadata(
        event_id=event_id,
        type=read("ce_type"),
        source=read("ce_source"),
        time=time,
        key=read("ce_subject"),
        tenant=read("tenant"),
        aggregate_version=version,
        origin=origin,
        traceparent=read("traceparent") if values.get("traceparent") else None,
        causation_id=read("ce_causationid") if values.get("ce_causationid") else None,
    )
