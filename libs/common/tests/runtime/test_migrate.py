"""A service never runs on a schema that is older than its code, and never minds a newer one."""

from __future__ import annotations

from collections.abc import Callable

import asyncpg
import pytest

from hub_common.migrate import SchemaTooOld, check_head, revisions

PROBE = "hub_common.testing.probe"


def test_revisions_are_read_without_running_them() -> None:
    known, head = revisions(PROBE)
    assert head == "0001"
    assert known == {"0001"}


async def test_an_empty_database_is_too_old(new_database: Callable[[str | None], str]) -> None:
    conn = await asyncpg.connect(new_database(None))
    with pytest.raises(SchemaTooOld, match="probe migrate"):
        await check_head(PROBE, conn)
    await conn.close()


async def test_a_migrated_and_a_newer_database_are_fine(database: str) -> None:
    conn = await asyncpg.connect(database)
    await check_head(PROBE, conn)
    await conn.execute("UPDATE alembic_version SET version_num = '0099'")
    await check_head(PROBE, conn)
    await conn.close()
