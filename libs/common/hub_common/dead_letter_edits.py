"""Sending a corrected copy of a dead letter: for a record that can never work as it stands but is needed.

The original keeps its bytes. The copy is a row of its own that says who made it, when and why, and what it came from;
it is written, put into the retry table and the original marked in one transaction, so there is never a moment in which
the event exists nowhere or twice.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import asyncpg
import orjson
from pydantic import ValidationError

from hub_common.connections import Connections
from hub_common.stored import headers_json, record_of
from hub_common.transactions import Transactions
from hub_common.tx import Tx
from hub_contracts.base import rfc3339
from hub_contracts.envelope import BadEnvelope, Metadata, decode_headers
from hub_contracts.registry import BY_TYPE

EDITED = "edited"
"""Cause of the row that holds a corrected copy."""

COPY = """
INSERT INTO dead_letters
    (dead_letter_id, event_id, key, topic, partition, record_offset, headers, value, cause, error, attempts,
     first_failed_at, died_at, state, settled_at, settled_by, settled_reason)
SELECT $2, event_id, key, topic, partition, record_offset, $3, $4, $5, error, attempts,
       first_failed_at, died_at, 'redriven', now(), $6, $7
FROM dead_letters WHERE dead_letter_id = $1
"""

SEND = """
INSERT INTO inbox_retry (key, event_id, topic, partition, record_offset, headers, value, next_at)
SELECT key, event_id, topic, partition, record_offset, headers, value, now()
FROM dead_letters WHERE dead_letter_id = $1
ON CONFLICT (event_id) DO NOTHING RETURNING event_id
"""

MARK = """
UPDATE dead_letters SET state = 'redriven', settled_at = now(), settled_by = $2, settled_reason = $3
WHERE dead_letter_id = $1
"""


class EditRefused(ValueError):
    """The copy may not be sent. `broken` are `(field, rule)` pairs, without any value of the record."""

    def __init__(self, words: str, broken: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(words)
        self.broken = tuple(broken)


class EditTooLate(EditRefused):
    """Somebody settled the letter, or its event was handled or is being tried, in the meantime."""


class NoSuchLetter(LookupError):
    """No letter of this id, or none of these tenants."""


@dataclass(frozen=True, slots=True)
class Edit:
    """A corrected copy: the whole value as JSON text, and why."""

    value: str
    reason: str
    actor: str


async def edit_and_redrive(
    transactions: Transactions,
    connections: Connections,
    letter_id: UUID,
    edit: Edit,
    *,
    dry_run: bool = False,
    tenants: Sequence[str] | None = None,
) -> UUID | None:
    """Send a corrected copy through the inbox; returns the copy's id, None for a dry run.

    The copy must be what the event's type demands and stay with its order and tenant: an edit mends an event, it does
    not make another one. Raises `NoSuchLetter`, `EditTooLate`, `EditRefused`.
    """
    async with transactions.begin() as tx:
        row = await tx.conn.fetchrow("SELECT * FROM dead_letters WHERE dead_letter_id = $1 FOR UPDATE", letter_id)
        if row is None or (tenants is not None and orjson.loads(row["headers"]).get("tenant") not in tenants):
            raise NoSuchLetter(str(letter_id))
        await _must_be_in_time(tx, row)
        check(row, edit.value, connections)
        return None if dry_run else await _send(tx, row, edit)


async def _must_be_in_time(tx: Tx, row: asyncpg.Record) -> None:
    if row["state"] != "open":
        raise EditTooLate(f"The dead letter is {row['state']} already.")
    if row["event_id"] is None:
        raise EditRefused("The record has no event id: there is nothing to recognise it by. It can only be discarded.")
    if await tx.conn.fetchval("SELECT true FROM inbox WHERE event_id = $1", row["event_id"]):
        raise EditTooLate("The event was handled in the meantime: another copy of it came.")


async def _send(tx: Tx, row: asyncpg.Record, edit: Edit) -> UUID:
    letter_id, copy_id = row["dead_letter_id"], tx.ids.new()
    headers = orjson.loads(row["headers"]) | {
        "edited_from": str(letter_id),
        "edited_by": edit.actor,
        "edited_at": rfc3339(tx.now),
        "edited_reason": edit.reason,
    }
    text = headers_json([(name, value.encode()) for name, value in headers.items()])
    why = f"copy of {letter_id}: {edit.reason}"
    await tx.conn.execute(COPY, letter_id, copy_id, text, edit.value.encode(), EDITED, edit.actor, why)
    if await tx.conn.fetchval(SEND, copy_id) is None:
        raise EditTooLate("The event is being tried already: see the retries.")
    await tx.conn.execute(MARK, letter_id, edit.actor, f"edited as {copy_id}: {edit.reason}")
    return copy_id


def check(row: asyncpg.Record, value: str, connections: Connections) -> None:
    """Raise `EditRefused` unless this value may stand in for the letter's."""
    try:
        meta = decode_headers(record_of(row).headers)
    except BadEnvelope as error:
        raise EditRefused(f"The headers are not those of an event ({error}): it can only be discarded.") from None
    model = BY_TYPE.get(meta.type)
    if model is None:
        raise EditRefused("This release does not know the event's type: redrive it after an upgrade.")
    try:
        model.model_validate_json(value)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
        broken = [("/".join(map(str, one["loc"])), one["msg"].removeprefix("Value error, ")) for one in found[:20]]
        raise EditRefused(f"{len(found)} rule(s) of {meta.type} broken.", broken) from None
    broken = list(_astray(row, orjson.loads(value), meta, connections))
    if broken:
        raise EditRefused("The copy would be about something else.", broken)


def _astray(row: asyncpg.Record, body: Any, meta: Metadata, connections: Connections) -> Iterator[tuple[str, str]]:
    """Fields that would move the event to another order or another tenant's connection."""
    try:
        before = dict(_ids(orjson.loads(row["value"] or b"")))
    except orjson.JSONDecodeError:
        before = {}
    for path, given in _ids(body):
        name = path.rpartition("/")[2]
        kept = before.get(path)
        if given == kept:
            continue
        if name == "order_id" and given != (kept or meta.key):
            yield path, "must stay the order that the record is about"
        if name.endswith("connection_id"):
            known = connections.get(UUID(given)) if _is_uuid(given) else None
            if known is None or known.tenant != meta.tenant:
                yield path, "must be a connection of the record's tenant"


def _ids(body: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    """`(path, text)` of every id of an order or a connection, at any depth."""
    if isinstance(body, list):
        for number, part in enumerate(body):
            yield from _ids(part, f"{prefix}{number}/")
    elif isinstance(body, dict):
        for name, part in body.items():
            if isinstance(part, str) and (name == "order_id" or name.endswith("connection_id")):
                yield prefix + name, part.lower()
            else:
                yield from _ids(part, f"{prefix}{name}/")


def _is_uuid(text: str) -> bool:
    try:
        UUID(text)
    except ValueError:
        return False
    return True
