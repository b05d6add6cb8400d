"""The scratch database of replays is emptied before and after; a database with anybody's data in it never is."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from pathlib import Path

import asyncpg
import pytest

from hub_common.errors import StorageDown
from hub_common.replay_scratch import MARK, NotScratch, ScratchSettings, scratch
from hub_common.run import main
from hub_common.testing.probe.main import SPEC
from hub_tools.stack.databases import drop_database, ensure_service_databases

LEFT = "SELECT count(*) FROM pg_class WHERE relnamespace = 'public'::regnamespace"


@pytest.fixture
async def dsn(postgres: str, tmp_path: Path) -> AsyncIterator[str]:
    """A database and the role that owns it, which is nothing else."""
    name = f"scratch_{secrets.token_hex(4)}"
    made = await ensure_service_databases(postgres, [name], tmp_path)
    yield made[name].dsn
    await drop_database(postgres, name)
    await execute(postgres, f"DROP ROLE {name}")


async def execute(dsn: str, *statements: str) -> None:
    conn = await asyncpg.connect(dsn)
    try:
        for statement in statements:
            await conn.execute(statement)
    finally:
        await conn.close()


async def value(dsn: str, query: str) -> object:
    conn = await asyncpg.connect(dsn)
    try:
        return await conn.fetchval(query)
    finally:
        await conn.close()


async def test_it_is_empty_again_whatever_happened_in_it(dsn: str) -> None:
    with pytest.raises(RuntimeError, match="half way"):
        async with scratch(dsn) as address:
            await execute(address, "CREATE TABLE notes (sku text PRIMARY KEY)", "CREATE SEQUENCE numbers")
            raise RuntimeError("half way")
    assert await value(dsn, LEFT) == 0


async def test_what_a_killed_replay_left_is_removed_by_the_next(dsn: str) -> None:
    async with scratch(dsn):
        pass
    await execute(dsn, "CREATE TABLE notes (sku text)")
    async with scratch(dsn) as address:
        assert await value(address, LEFT) == 0


async def test_a_database_with_data_and_without_the_mark_is_not_touched(dsn: str) -> None:
    await execute(dsn, "CREATE TABLE orders (order_id uuid)")
    with pytest.raises(NotScratch, match=r"HUB_REPLAY_DATABASE_DSN: .* no mark of a replay"):
        async with scratch(dsn):
            pytest.fail("somebody's orders would be gone")
    assert await value(dsn, LEFT) == 1
    assert MARK not in str(await value(dsn, "SELECT obj_description('public'::regnamespace, 'pg_namespace')"))


async def test_two_replays_do_not_rebuild_into_each_other(dsn: str) -> None:
    async with scratch(dsn) as address:
        await execute(address, "CREATE TABLE notes (sku text)")
        with pytest.raises(NotScratch, match="another replay runs"):
            async with scratch(dsn):
                pytest.fail("the first one's tables would be gone")
        assert await value(dsn, LEFT) == 1
    async with scratch(dsn):
        assert await value(dsn, LEFT) == 0


async def test_a_scratch_database_that_is_not_there_is_said_without_its_password() -> None:
    with pytest.raises(StorageDown) as down:
        async with scratch("postgresql://hub_replay:geheim@127.0.0.1:1/hub_replay"):
            pytest.fail("nothing listens there")
    assert "geheim" not in str(down.value)


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("postgresql://hub_replay@h:5432/hub_replay?sslmode=verify-full", "hub_replay:p%2Fw%40@h:5432"),
        ("postgresql://hub_replay:own@h/hub_replay", "hub_replay:own@h/"),
    ],
)
def test_its_password_comes_beside_the_address(given: str, used: str) -> None:
    where = ScratchSettings.model_validate({"database_dsn": given, "database_password": "p/w@"})
    assert used in where.address
    assert "p/w@" not in repr(where)


def test_a_replay_says_what_it_needs(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for name, text in (("DATABASE_DSN", "postgresql://nowhere/x"), ("KAFKA_BOOTSTRAP", "nowhere:1")):
        monkeypatch.setenv(f"HUB_{name}", text)
    assert main(SPEC, ["replay"]) == 2
    assert "HUB_REPLAY_DATABASE_DSN: Field required" in capsys.readouterr().err
    monkeypatch.setenv("HUB_REPLAY_DATABASE_DSN", "postgresql://nowhere/y")
    assert main(SPEC, ["replay"]) == 1
    assert "no replay plan" in capsys.readouterr().err
    assert main(SPEC, ["rebuild"]) == 2
    assert "migrate, replay" in capsys.readouterr().err
