"""connection-registry rebuilt from its own topic, whole or compacted: what others act upon, they can hear again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from connection_registry.main import SPEC
from connection_registry.replay import REPLAY
from hub_common.kafka.records import InRecord
from hub_common.replay import plan_problems
from hub_common.replay_digest import compare, digest, odd_rows
from hub_common.testing.history import History

NewDatabase = Callable[[str | None], str]


class Compacted(History):
    """The topic as it is when the broker has kept the last record of each key only."""

    async def told(self) -> list[InRecord]:
        """The last word on each key."""
        return list({record.key: record for record in await super().told()}.values())


async def live(desk: Any, manomano: Any) -> None:
    """Connections that share a credential and part again, are switched on and off, are linked and ask for orders."""
    one = await desk.live_marketplace(manomano.url)
    two = await desk.marketplace(base_url=manomano.url, label="ManoMano BE", note="asked twice")
    assert (await desk("GET", f"/connections/{one}"))["credentials_shared_with"] == [two]
    await desk("PATCH", f"/connections/{one}/budgets", {"budgets": {"list_orders": 30}})
    own = {"credentials": {"api_key": desk.NEW_KEY}, "unchecked": True}
    await desk("PUT", f"/connections/{two}/credentials", own)
    assert (await desk("GET", f"/connections/{one}"))["credentials_shared_with"] == []
    shop = await desk.shop(active=True)
    rows = [{"offer_sku": sku, "shop_connection_id": shop, "shop_sku": f"s-{sku}"} for sku in "ABC"]
    await desk("PUT", f"/connections/{one}/sku-links", {"links": rows})
    await desk("PUT", f"/connections/{one}/sku-links", {"links": [rows[0] | {"shop_sku": "other"}]})
    await desk("DELETE", f"/connections/{one}/sku-links?offer_sku=B")
    desk.harness.clock.advance(60)
    await desk("POST", f"/connections/{one}/test-orders", {"offer_sku": "A", "country": "FR"}, expect=202)
    window = {"created_from": "2025-12-01T00:00:00Z", "created_until": "2025-12-20T00:00:00Z"}
    await desk("POST", f"/connections/{one}/backfills", window, expect=202)
    for step in ("pause", "resume"):
        await desk("POST", f"/connections/{shop}/{step}")
    bare = await desk.marketplace(key=None)
    await desk("PATCH", f"/connections/{bare}", {"contacts": [{"name": "A. Person", "email": "a@example.invalid"}]})


def test_the_plan_speaks_of_every_table() -> None:
    assert plan_problems(SPEC) == []


@pytest.mark.parametrize(("kind", "batch"), [(History, 1), (Compacted, 7)])
async def test_the_registry_is_rebuilt_from_its_topic(
    desk: Any, manomano: Any, database: str, new_database: NewDatabase, kind: type[History], batch: int
) -> None:
    history, shadow = kind(desk.harness), new_database(None)
    await live(desk, manomano)
    before = await history.told()
    verdicts = await history.verdicts(shadow, seed=batch, batch=batch)
    for table in REPLAY.tables:
        if not verdicts[table.name].equal:
            key = [column.name for column in SPEC.metadata.tables[table.name].primary_key]
            pytest.fail(f"{table.name}: {await odd_rows(database, shadow, table, key)}")
    assert {name for name, verdict in verdicts.items() if not verdict.rebuilt.rows} == {"parked"}
    report = history.report
    assert report is not None
    assert (report.dead, report.waiting, report.untold, report.fenced) == (0, 0, 0, 0)
    assert await history.told() == before
    # A change that lies in the tables and not on the topic is one that nobody else knows of.
    pool = desk.harness.runtime.pool
    await pool.execute("""UPDATE connections SET body = body || '{"label": "by hand"}'""")
    await pool.execute("UPDATE connection_details SET credential_ref = 'nobodys'")
    await pool.execute("UPDATE test_orders SET requested_by = 'somebody'")
    again = compare(await digest(database, REPLAY), await digest(shadow, REPLAY))
    assert [each.table for each in again if not each.equal] == ["connections", "connection_details", "test_orders"]
