"""What the console does by itself: learn the key for buyers' digests before the first event, and keep tallies short."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING

from hub_common.effects.model import EffectKind
from hub_common.service import Duty
from ops_console.buyer_terms import Learned, TermKeys

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

TALLY_SECONDS = 30.0
KEEP_HOURS = timedelta(days=14)
FEW = 200
"""Differences that a look at Today sums up in no time."""

SUM_UP = """
WITH gone AS (DELETE FROM order_tallies RETURNING *)
INSERT INTO order_tallies (tenant, connection_id, connector, status, is_test, orders)
SELECT tenant, connection_id, connector, status, is_test, sum(orders) FROM gone
GROUP BY 1, 2, 3, 4, 5 HAVING sum(orders) <> 0
"""
SUM_UP_HOURS = """
WITH gone AS (DELETE FROM hourly_tallies RETURNING *)
INSERT INTO hourly_tallies (hour, tenant, connection_id, what, events)
SELECT hour, tenant, connection_id, what, sum(events) FROM gone WHERE hour > $1 GROUP BY 1, 2, 3, 4
"""


def no_effects(runtime: Runtime) -> Sequence[EffectKind]:
    """The console changes nothing outside. It is asked for effects before the first event can come, so this is when
    its handlers learn the key under which they keep what buyers are looked for by."""
    Learned.keys = TermKeys.parse(runtime.settings.credentials_keys)
    return ()


def duties(runtime: Runtime) -> Sequence[Duty]:
    """For `ServiceSpec.duties`."""
    return (Duty("tallies", lambda: sum_up(runtime), idle_seconds=TALLY_SECONDS),)


async def sum_up(runtime: Runtime) -> None:
    """Put the differences of orders and hours together. Rows that another replica takes at the same time are its own;
    a sum that it writes meanwhile is left for the next time."""
    before = runtime.clock.now() - KEEP_HOURS
    for table, statement, values in (("order_tallies", SUM_UP, ()), ("hourly_tallies", SUM_UP_HOURS, (before,))):
        if await runtime.pool.fetchval(f"SELECT count(*) FROM {table}") > FEW:  # noqa: S608  one of the two above
            await runtime.pool.execute(statement, *values)
