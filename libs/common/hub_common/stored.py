"""Kafka records as they are kept in rows (retry table, dead letters): nothing of them may get lost on the way."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg
import orjson

from hub_common.kafka.records import InRecord


def headers_json(headers: Sequence[tuple[str, bytes]]) -> str:
    """Headers as JSON text; bytes that are not UTF-8 are kept readable rather than lost."""
    return orjson.dumps({name: value.decode(errors="backslashreplace") for name, value in headers}).decode()


def record_of(row: asyncpg.Record) -> InRecord:
    """The record that a retry or dead-letter row keeps."""
    headers = orjson.loads(row["headers"])
    return InRecord(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["record_offset"],
        key=row["key"].encode(),
        value=row["value"],
        headers=[(name, value.encode()) for name, value in headers.items()],
        timestamp_ms=0,
    )
