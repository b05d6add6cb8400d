"""One number for what a table holds, whatever order its rows lie in, and the rows in which two tables differ."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

import asyncpg
import orjson

from hub_common.database import Conn
from hub_common.replay import Compared, ReplayPlan

SECONDS = 600.0
"""Every row of every table is read and sorted."""
PREFETCH = 5_000
SAME_TRACE = """ || CASE WHEN to_jsonb(t) ? 'traceparent' AND 'traceparent' <> ALL($1) THEN
    jsonb_build_object('traceparent', split_part(to_jsonb(t)->>'traceparent', '-', 2)) ELSE '{}' END"""
"""Of a trace only its id is compared: which of its steps a row followed from depends on what came first."""


@dataclass(frozen=True, slots=True)
class TableDigest:
    """A table's rows and the SHA-256 over the sorted SHA-256 of each."""

    rows: int
    sha256: str


@dataclass(frozen=True, slots=True)
class TableVerdict:
    """One table, present and rebuilt."""

    table: str
    present: TableDigest
    rebuilt: TableDigest

    @property
    def equal(self) -> bool:
        """They hold the same."""
        return self.present == self.rebuilt


@dataclass(frozen=True, slots=True)
class OddRow:
    """A row, by its key, that the other side does not have like this."""

    side: str
    """`present` or `rebuilt`."""
    key: Mapping[str, object]


async def digest(dsn: str, plan: ReplayPlan) -> dict[str, TableDigest]:
    """Digests of the plan's tables, all as of one instant."""
    async with reading(dsn) as conn:
        return await digest_of(conn, plan)


async def digest_of(conn: Conn, plan: ReplayPlan) -> dict[str, TableDigest]:
    """`digest` as the transaction sees the tables that `conn` is in (`reading`)."""
    found: dict[str, TableDigest] = {}
    for table in plan.tables:
        whole, rows = hashlib.sha256(), 0
        async for row in conn.cursor(_sql(table, "NULL"), list(table.ignore), prefetch=PREFETCH):
            whole.update(row["hash"])
            rows += 1
        found[table.name] = TableDigest(rows, whole.hexdigest())
    return found


def compare(present: Mapping[str, TableDigest], rebuilt: Mapping[str, TableDigest]) -> list[TableVerdict]:
    """Both digests side by side, in the order of the plan."""
    return [TableVerdict(name, one, rebuilt[name]) for name, one in present.items()]


async def odd_rows(
    present_dsn: str, rebuilt_dsn: str, table: Compared, key: Sequence[str], limit: int = 5
) -> list[OddRow]:
    """The first rows that one side lacks, by their key only: contents may be personal data."""
    shown = "jsonb_build_object(" + ", ".join(f"'{name}', t.{name}" for name in key) + ")"
    odd: list[OddRow] = []
    async with reading(present_dsn) as one, reading(rebuilt_dsn) as other:
        rows = {
            side: aiter(conn.cursor(_sql(table, shown), list(table.ignore), prefetch=PREFETCH))
            for side, conn in (("present", one), ("rebuilt", other))
        }
        heads = {side: await anext(rows[side], None) for side in rows}
        while len(odd) < limit and (waiting := {side: row for side, row in heads.items() if row is not None}):
            smallest = min(row["hash"] for row in waiting.values())
            first = {side: row for side, row in waiting.items() if row["hash"] == smallest}
            if len(first) == 1:
                odd += [OddRow(side, orjson.loads(row["key"])) for side, row in first.items()]
            for side in first:
                heads[side] = await anext(rows[side], None)
    return odd


def _sql(table: Compared, key: str) -> str:
    """One hash per row, sorted. Names and expressions come from the code of plans, never from outside."""
    changed = "".join(f" || jsonb_build_object('{name}', {value})" for name, value in table.instead.items())
    if "traceparent" not in table.instead:
        changed += SAME_TRACE
    where = f" WHERE {table.where}" if table.where else ""
    source = f"({table.rows})" if table.rows else table.name
    return (
        f"SELECT sha256(convert_to(((to_jsonb(t) - $1::text[]){changed})::text, 'UTF8')) AS hash, {key} AS key"  # noqa: S608
        f" FROM {source} t{where} ORDER BY hash"
    )


@asynccontextmanager
async def reading(dsn: str) -> AsyncIterator[Conn]:
    """A connection in a transaction that sees everything as of one instant and changes nothing."""
    settings = {"application_name": "replay-digest", "timezone": "UTC", "jit": "off"}
    conn = await asyncpg.connect(dsn, timeout=10, command_timeout=SECONDS, server_settings=settings)
    try:
        async with conn.transaction(isolation="repeatable_read", readonly=True):
            yield conn
    finally:
        await conn.close()
