"""Rows that say which replica does what, until when: pollers, outbox shards, effect lanes.

A lease row survives connection poolers and can be read with SQL; an advisory lock does neither. The database's clock
alone decides about expiry, so replicas with skewed clocks cannot both believe that they hold a lease. `fence` grows
with each change of owner.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg
import orjson

from hub_common.clock import Clock

MEMBER = "member:"
SAFETY = 0.25
"""Share of the lease's length by which a holder stops believing in it before the database does."""

ANNOUNCE = """
INSERT INTO leases (name, owner, until) VALUES ($1, $2, now() + $3::float * interval '1 s')
ON CONFLICT (name) DO UPDATE SET until = excluded.until, owner = excluded.owner
"""

RENEW = """
UPDATE leases SET until = now() + $3::float * interval '1 s'
WHERE owner = $1 AND name = ANY($2) AND until > now() RETURNING name
"""

ACQUIRE = """
INSERT INTO leases (name, owner, until)
SELECT t.name, $2, now() + $3::float * interval '1 s' FROM unnest($1::text[]) AS t(name) ORDER BY t.name
ON CONFLICT (name) DO UPDATE SET owner = excluded.owner, until = excluded.until, fence = leases.fence + 1
WHERE leases.until <= now()
RETURNING name, fence, state
"""

RELEASE = "UPDATE leases SET until = now() WHERE owner = $1 AND name = ANY($2)"


@dataclass(frozen=True, slots=True)
class Held:
    """A lease that this process holds."""

    name: str
    fence: int
    state: Mapping[str, Any] | None


class LeaseKeeper:
    """Acquires, renews and releases the leases of one replica, many per statement."""

    def __init__(self, pool: asyncpg.Pool[asyncpg.Record], *, owner: str, seconds: float, clock: Clock) -> None:
        self._pool = pool
        self.owner = owner
        self._seconds = seconds
        self._clock = clock
        self._held: dict[str, Held] = {}
        self._believed_until = 0.0
        self._wanted: set[str] = set()
        self.replicas = 1

    def want(self, names: Iterable[str]) -> None:
        """Add names that this replica is willing to hold."""
        self._wanted.update(names)

    def unwant(self, names: Iterable[str]) -> None:
        """Stop asking for these names; held ones are released at the next step."""
        self._wanted.difference_update(names)

    def holds(self, name: str) -> Held | None:
        """The lease, when it is held and surely still ours. Checked before every call to the outside."""
        if self._clock.monotonic() >= self._believed_until:
            return None
        return self._held.get(name)

    def held(self, prefix: str = "") -> list[Held]:
        """All leases held now whose name begins with `prefix`."""
        if self._clock.monotonic() >= self._believed_until:
            return []
        return [lease for name, lease in self._held.items() if name.startswith(prefix)]

    async def step(self) -> list[Held]:
        """Announce this replica, renew what is held, take a fair share of what is free. Returns newly held leases."""
        started = self._clock.monotonic()
        await self._pool.execute(ANNOUNCE, MEMBER + self.owner, self.owner, self._seconds)
        self.replicas = max(
            1,
            await self._pool.fetchval("SELECT count(*) FROM leases WHERE name LIKE $1 AND until > now()", MEMBER + "%"),
        )
        dropped = [name for name in self._held if name not in self._wanted]
        if dropped:
            await self.release(dropped)
        if self._held:
            kept = await self._pool.fetch(RENEW, self.owner, list(self._held), self._seconds)
            names = {row["name"] for row in kept}
            self._held = {name: lease for name, lease in self._held.items() if name in names}
        self._believed_until = started + self._seconds * (1 - SAFETY)
        await self._shed()
        return await self._acquire()

    def _share(self) -> int:
        """A fair share of the wanted names, rounded up, so that no name stays without a holder."""
        return math.ceil(len(self._wanted) / self.replicas)

    async def _shed(self) -> None:
        """Give back what exceeds the fair share when a replica has joined."""
        excess = len(self._held) - self._share()
        if excess > 0:
            await self.release(sorted(self._held)[-excess:])

    async def _acquire(self) -> list[Held]:
        free = self._share() - len(self._held)
        missing = sorted(self._wanted - self._held.keys())
        if free <= 0 or not missing:
            return []
        available = await self._pool.fetch(
            "SELECT t.name FROM unnest($1::text[]) AS t(name) LEFT JOIN leases l USING (name)"
            " WHERE l.name IS NULL OR l.until <= now() LIMIT $2",
            missing,
            free,
        )
        rows = await self._pool.fetch(ACQUIRE, [row["name"] for row in available], self.owner, self._seconds)
        taken = [Held(row["name"], row["fence"], orjson.loads(row["state"]) if row["state"] else None) for row in rows]
        self._held.update({lease.name: lease for lease in taken})
        return taken

    async def save_state(self, states: Mapping[str, Any]) -> None:
        """Keep small states (call budgets) beside their leases, in one statement."""
        names = [name for name in states if name in self._held]
        if names:
            await self._pool.execute(
                "UPDATE leases l SET state = t.state FROM unnest($1::text[], $2::jsonb[]) AS t(name, state)"
                " WHERE l.name = t.name AND l.owner = $3",
                names,
                [orjson.dumps(states[name]).decode() for name in names],
                self.owner,
            )

    async def release(self, names: Sequence[str] | None = None) -> None:
        """Give leases back at once (all of them when `names` is None), so that others need not wait for expiry."""
        giving = list(self._held) if names is None else [name for name in names if name in self._held]
        for name in giving:
            self._held.pop(name, None)
        if names is None:
            giving.append(MEMBER + self.owner)
        if giving:
            await self._pool.execute(RELEASE, self.owner, giving)
