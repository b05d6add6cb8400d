"""The local PostgreSQL keeps committed rows over restarts and kills, and starts over what a crash left behind."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from hub_tools.stack.errors import StackError
from hub_tools.stack.files import read_state, write_state
from hub_tools.stack.pginstall import server_identity
from hub_tools.stack.postgres import LocalPostgres
from hub_tools.stack.process import spawn

from .support import ask, eventually, gone, processes_of

pytestmark = pytest.mark.stack


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("stack") / "postgres"


@pytest.fixture(scope="module")
def only_server(folder: Path) -> Iterator[LocalPostgres]:
    postgres = LocalPostgres(folder, durable=False)
    yield postgres
    data = Path(str(postgres.state()["data"]))
    postgres.remove()
    assert not data.exists()
    assert processes_of(data) == []


@pytest.fixture
def server(only_server: LocalPostgres) -> LocalPostgres:
    """The module's server, running, whatever the test before did to it."""
    only_server.start()
    return only_server


async def test_committed_rows_survive_restart_and_kill(server: LocalPostgres) -> None:
    dsn = server.dsn
    await ask(dsn, "CREATE TABLE kept (n int)")
    await ask(dsn, "INSERT INTO kept VALUES (1)")
    server.restart()
    await ask(dsn, "INSERT INTO kept VALUES (2)")
    pid = server.pid
    server.kill()
    assert pid is not None
    assert gone(pid)
    assert not server.alive()
    server.start()
    assert server.dsn == dsn
    assert await ask(dsn, "SELECT sum(n) FROM kept") == 3


async def test_settings_for_tests(server: LocalPostgres) -> None:
    assert await ask(server.dsn, "SELECT current_setting('max_connections')::int") == 300
    assert await ask(server.dsn, "SELECT current_setting('fsync')") == "off"
    assert await ask(server.dsn, "SELECT current_setting('TimeZone')") == "UTC"


async def test_a_wrong_password_does_not_get_in(server: LocalPostgres) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await ask(
            server.dsn.replace("postgres:", "postgres:x", 1).replace("//postgres:x", "//postgres:wrong"), "SELECT 1"
        )


async def test_a_stale_pid_file_of_a_living_stranger_does_not_prevent_a_start(
    server: LocalPostgres, tmp_path: Path
) -> None:
    server.stop()
    # Of PostgreSQL's own user: from anybody else it would not let itself be disturbed.
    stranger = spawn(["sleep", "600"], log=tmp_path / "log", identity=server_identity(), cwd=Path("/"))
    pidfile = Path(str(server.state()["data"])) / "postmaster.pid"
    pidfile.write_text(f"{stranger.ref.pid}\n/nowhere\n1\n5432\n\n127.0.0.1\n\nready\n")
    try:
        server.start()
        assert stranger.ref.alive()
    finally:
        stranger.ref.kill_tree()
    assert await ask(server.dsn, "SELECT 1") == 1


async def test_a_server_that_lost_its_state_is_replaced_not_doubled(server: LocalPostgres, folder: Path) -> None:
    before = server.pid
    forgetful = LocalPostgres(folder, durable=False)
    forgetful.start()
    assert before is not None
    assert eventually(lambda: gone(before))
    assert await ask(forgetful.dsn, "SELECT 1") == 1
    forgetful.stop()


async def test_a_taken_port_is_named(server: LocalPostgres) -> None:
    server.stop()
    with socket.create_server(("127.0.0.1", server.port)), pytest.raises(StackError, match=f"listen.*{server.port}"):
        server.start()


def test_the_password_is_private(server: LocalPostgres, folder: Path) -> None:
    secret = folder / "password"
    assert secret.stat().st_mode & 0o777 == 0o600
    password = secret.read_text().strip()
    assert password not in str(server.state())
    assert password not in (folder / "postgres.log").read_text()


def test_a_half_written_state_is_no_state(tmp_path: Path) -> None:
    write_state(tmp_path / "state.json", {"a": 1})
    assert read_state(tmp_path / "state.json") == {"a": 1}
    (tmp_path / "state.json").write_text('{"a": ')
    assert read_state(tmp_path / "state.json") == {}
