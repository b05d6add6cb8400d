"""Copies into a database that is being rebuilt what no event holds, and catches handlers that write there.

A carrier rule, a credential or a template was told to the service by a person or by an outside system's answer: that
row is the source itself. It is copied before the replay, so that everything that follows from it can be compared. A
table that handlers write as well would pass every comparison by being copied; the triggers find that out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import asyncpg

from hub_common.database import Conn

SECONDS = 600.0
"""Whole tables are copied."""

COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) AS type, pg_get_serial_sequence(quote_ident($1), attname) AS sequence
FROM pg_attribute
WHERE attrelid = to_regclass(quote_ident($1)) AND attnum > 0 AND NOT attisdropped AND attgenerated = '' ORDER BY attnum
"""

WATCH = """
CREATE TABLE replay_given_written (name text NOT NULL);

CREATE FUNCTION replay_given_written() RETURNS trigger LANGUAGE plpgsql AS $body$
DECLARE
    hit boolean := true;
BEGIN
    IF TG_OP = 'UPDATE' AND TG_ARGV[1] <> '{}' THEN
        hit := to_jsonb(NEW) - TG_ARGV[1]::text[] IS DISTINCT FROM to_jsonb(OLD) - TG_ARGV[1]::text[];
    END IF;
    IF hit AND TG_ARGV[0] <> '' THEN
        EXECUTE 'SELECT coalesce((SELECT ' || TG_ARGV[0] || ' FROM (SELECT ($1).*) AS t), false)'
            || ' OR coalesce((SELECT ' || TG_ARGV[0] || ' FROM (SELECT ($2).*) AS t), false)'
            INTO hit USING coalesce(NEW, OLD), coalesce(OLD, NEW);
    END IF;
    IF hit THEN
        INSERT INTO replay_given_written VALUES (TG_TABLE_NAME);
    END IF;
    RETURN NULL;
END
$body$;
"""
WRITTEN = "SELECT name, count(*) AS rows FROM replay_given_written GROUP BY name ORDER BY name"


@dataclass(frozen=True, slots=True)
class Given:
    """Rows that people or outside answers made and no event holds: copied as they are, named in the report.

    Handlers must not write them: a replay in which one does fails with `GivenWritten`. In a table that has both kinds
    of rows, `where` says which are given, and a `Compared` with `where="NOT (<this where>)"` has the others.
    """

    name: str
    why: str
    """Who they come from. Every table has a reason of its own."""
    where: str = ""
    """SQL condition over the columns of one row (no subqueries); empty = all rows."""
    begins: Mapping[str, str] = field(default_factory=dict)
    """Column → SQL value over the present row with which it is copied instead: it is not given, events tell it. So what
    people stated is given and what became of it is proven, by a `Compared` of the whole table."""


class GivenWritten(RuntimeError):
    """Handlers changed rows that the plan calls given: being copied, they would compare equal whatever they hold."""


@dataclass(frozen=True, slots=True)
class _TakenTable:
    table: Given
    columns: tuple[str, ...]
    sequences: Mapping[str, tuple[int, bool]]
    """Sequence → its last value, and whether that was used."""
    file: Path


@dataclass(frozen=True, slots=True)
class Taken:
    """Given rows as they were at one instant, in files of a folder that the caller removes."""

    tables: tuple[_TakenTable, ...] = ()


async def take_given(conn: Conn, given: Sequence[Given], folder: Path) -> Taken:
    """Copy the given rows out, as the transaction that `conn` is in sees them."""
    return Taken(tuple([await _take(conn, table, folder / table.name) for table in given]))


async def _take(conn: Conn, table: Given, file: Path) -> _TakenTable:
    """One table. Names, values and conditions come from the code of plans, never from outside."""
    columns = await conn.fetch(COLUMNS, table.name)
    names = tuple(column["attname"] for column in columns)
    where = f" WHERE {table.where}" if table.where else ""
    values = [
        f"CAST({table.begins[name]} AS {column['type']})" if name in table.begins else f'"{name}"'
        for name, column in zip(names, columns, strict=True)
    ]
    wanted = f"SELECT {', '.join(values)} FROM {table.name}{where}"  # noqa: S608
    await conn.copy_from_query(wanted, output=file, format="binary")
    sequences: dict[str, tuple[int, bool]] = {}
    for sequence in (column["sequence"] for column in columns if column["sequence"]):
        last = await conn.fetchrow(f"SELECT last_value, is_called FROM {sequence}")  # noqa: S608
        assert last is not None, "a sequence is always one row"
        sequences[sequence] = (last["last_value"], last["is_called"])
    return _TakenTable(table, names, sequences, file)


async def put_given(taken: Taken, dsn: str) -> dict[str, int]:
    """Copy the given rows in, and watch over them from then on. Returns rows per table.

    Sequences go on after the present's last value. Rows that migrations put there are replaced.
    """
    copied: dict[str, int] = {}
    conn = await asyncpg.connect(dsn, timeout=10, command_timeout=SECONDS)
    try:
        await conn.execute(WATCH)
        for each in taken.tables:
            copied[each.table.name] = await _put(conn, each)
    finally:
        await conn.close()
    return copied


async def _put(conn: Conn, taken: _TakenTable) -> int:
    table = taken.table
    where = f" WHERE {table.where}" if table.where else ""
    await conn.execute(f"DELETE FROM {table.name}{where}")  # noqa: S608
    done = await conn.copy_to_table(table.name, source=taken.file, columns=list(taken.columns), format="binary")
    for sequence, (last, used) in taken.sequences.items():
        await conn.execute("SELECT setval($1::regclass, $2, $3)", sequence, last, used)
    condition = table.where.replace("'", "''")
    await conn.execute(
        f"CREATE TRIGGER replay_given_written AFTER INSERT OR UPDATE OR DELETE ON {table.name}"
        f" FOR EACH ROW EXECUTE FUNCTION replay_given_written('{condition}', '{{{','.join(table.begins)}}}')"
    )
    return int(done.split()[-1])


async def given_written(pool: asyncpg.Pool[asyncpg.Record]) -> Mapping[str, int]:
    """Given tables that handlers wrote, and how many rows."""
    return {row["name"]: row["rows"] for row in await pool.fetch(WRITTEN)}
