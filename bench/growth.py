"""Does a service with a long past work as fast as a young one? The same hop on small and on large tables.

The events are for keys that came last and for new ones, as orders' are: what is stored before them must not matter.
Events for keys picked from all of a large table would measure something else, the pages that each checkpoint makes
PostgreSQL write whole.
"""

from __future__ import annotations

import random

import asyncpg

from bench.hop import run_hub
from bench.load import skus, stock_reports
from bench.measure import Contender, Sample, take_turns
from bench.options import Options
from bench.report import Figure, compared
from bench.stage import TEMPLATE, Stage
from hub_common.ids import SystemIds
from hub_contracts.topics import STOCK
from hub_tools.stack.databases import create_database, drop_database

SMALL, LARGE, FULL = 10_000, 200_000, 1_000_000
STATEMENT_SECONDS = 300

FILL = """
WITH old AS (
    SELECT 'GDN-' || lpad(n::text, 7, '0') || CASE WHEN n % 3 = 0 THEN '-ANTHRACITE' ELSE '-RED' END AS sku
    FROM generate_series(0, $1::int - 1) AS n ORDER BY n
), noted AS (INSERT INTO notes (sku, quantity, times) SELECT sku, 1, 1 FROM old)
INSERT INTO aggregates (topic, key, version) SELECT $2, sku, 1 FROM old
"""
"""The names are those of `load.skus`."""


async def fill(dsn: str, topic: str, rows: int) -> None:
    """State, versions and inbox as `rows` handled events leave them."""
    ids = SystemIds()
    conn = await asyncpg.connect(dsn, command_timeout=STATEMENT_SECONDS)
    try:
        await conn.execute(FILL, rows, topic)
        await conn.copy_records_to_table("inbox", records=((ids.new(),) for _ in range(rows)), columns=("event_id",))
        await conn.execute("VACUUM ANALYZE")
    finally:
        await conn.close()


async def measure(stage: Stage, options: Options) -> list[Figure]:
    """Figure of growth."""
    contenders: dict[str, Contender] = {}
    templates: list[str] = []
    chosen = random.Random(11)
    try:
        for rows in (SMALL, FULL if options.full else LARGE):
            prefix = await stage.topics()
            templates.append(f"bench_rows_{rows}")
            await drop_database(stage.postgres, templates[-1])
            await fill(await create_database(stage.postgres, templates[-1], template=TEMPLATE), prefix + STOCK, rows)
            recent = skus(rows + options.events)[rows - SMALL :]
            await stage.preload(stock_reports(prefix, chosen.choices(recent, k=options.events)))
            contenders[f"{rows:,} rows stored"] = _contender(stage, options, prefix, templates[-1])
        samples = await take_turns(contenders, options.rounds)
    finally:
        for template in templates:
            await drop_database(stage.postgres, template)
    small, large = contenders
    return [compared("growth", large, samples, small, target=0.9)]


def _contender(stage: Stage, options: Options, prefix: str, template: str) -> Contender:
    async def run() -> Sample:
        async with stage.database(template) as dsn:
            await stage.checkpoint()
            return await run_hub(stage, dsn, prefix, options.events, options.batch)

    return run


if __name__ == "__main__":
    from bench.main import alone

    raise SystemExit(alone("growth"))
