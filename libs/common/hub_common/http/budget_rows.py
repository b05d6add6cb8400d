"""Counts of call budgets as rows beside the leases: `budget:<credential>`, version in `fence`, state as JSON.

Nobody holds these rows. They are changed by comparing the version, one statement each, so a process that dies leaves
nothing locked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import asyncpg
import orjson

from hub_common.http.budget import BudgetAway
from hub_common.http.budget_shared import Stored

BUDGET = "budget:"
_AWAY = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

LOAD = """
SELECT l.name, l.fence, l.state FROM unnest($1::text[], $2::bigint[]) AS t(name, fence) JOIN leases l USING (name)
WHERE l.fence <> t.fence AND l.state IS NOT NULL
"""

# The first version of a row is an instant, so that a row made anew never has a version that somebody still knows.
SWAP = """
INSERT INTO leases (name, owner, until, state, fence)
VALUES ($1, $2, now(), $4::jsonb, (extract(epoch FROM clock_timestamp()) * 1000)::bigint)
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until, state = excluded.state,
    fence = leases.fence + 1
WHERE leases.fence = $3
RETURNING fence
"""

FORGET = "DELETE FROM leases WHERE name LIKE 'budget:%' AND until < $1"


class LeaseRows:
    """Implements `BudgetRows` on the service's own database."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], owner: str) -> None:
        self._pool = pool
        self._owner = owner

    async def load(self, known: Mapping[str, int]) -> dict[str, Stored]:
        """See `BudgetRows.load`."""
        try:
            rows = await self._pool.fetch(LOAD, [BUDGET + ref for ref in known], list(known.values()))
        except _AWAY as error:
            raise BudgetAway(type(error).__name__) from None
        return {row["name"].removeprefix(BUDGET): (row["fence"], orjson.loads(row["state"])) for row in rows}

    async def swap(self, ref: str, version: int, state: Mapping[str, Any]) -> int | None:
        """See `BudgetRows.swap`."""
        try:
            found: int | None = await self._pool.fetchval(
                SWAP, BUDGET + ref, self._owner, version, orjson.dumps(state).decode()
            )
        except _AWAY as error:
            raise BudgetAway(type(error).__name__) from None
        return found
