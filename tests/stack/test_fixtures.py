"""The fixtures every other test relies on: isolated databases and topics, services kept apart, nothing left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import pytest

from hub_tools.setup.paths import REPO
from hub_tools.stack.databases import drop_database, dsn_for, ensure_service_databases
from hub_tools.stack.pginstall import reachable_home, server_identity
from hub_tools.stack.topics import Topic, ensure_topics

from .support import ask, eventually, modes, processes_of, receive, send

pytestmark = pytest.mark.stack


async def test_a_database_of_its_own(database: str, postgres: str) -> None:
    await ask(database, "CREATE TABLE mine (n int)")
    assert await ask(postgres, "SELECT to_regclass('mine')") is None


async def test_a_copy_of_a_template(new_database: Callable[[str | None], str]) -> None:
    template = new_database(None)
    await ask(template, "CREATE TABLE migrated (n int)")
    copy = new_database(template.rpartition("/")[2])
    assert await ask(copy, "SELECT count(*) FROM migrated") == 0


async def test_topics_of_its_own(kafka: str, topic_prefix: str) -> None:
    topic = f"{topic_prefix}orders"
    await ensure_topics(kafka, [Topic(topic)])
    await send(kafka, topic, [b"one", b"two"])
    assert await receive(kafka, topic, 2) == [b"one", b"two"]


async def test_no_service_reads_the_database_of_another(postgres: str, tmp_path: Path) -> None:
    try:
        made = await ensure_service_databases(postgres, ["stack-one", "stack-two"], tmp_path)
        one, two = made["stack-one"], made["stack-two"]
        await ask(one.dsn, "CREATE TABLE secret (n int)")
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for database"):
            await ask(dsn_for(two.dsn, one.database), "SELECT 1")
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await ask(one.dsn, "CREATE DATABASE more")
        again = await ensure_service_databases(postgres, ["stack-one", "stack-two"], tmp_path)
        assert again == made
        assert await ask(again["stack-one"].dsn, "SELECT count(*) FROM secret") == 0
        assert one.dsn not in repr(one)
        assert set(modes(tmp_path)) == {0o600}
    finally:
        for name in ("stack_one", "stack_two"):
            await drop_database(postgres, name)
            await ask(postgres, f"DROP ROLE IF EXISTS {name}")


_RUN = """
import pytest, time
@pytest.mark.parametrize("n", range(4))
def test_it(postgres, n, tmp_path):
    open({seen!r} + "/" + postgres.rpartition(":")[2].partition("/")[0] + "-" + str(n), "w").close()
    while {hang}:
        time.sleep(0.1)
"""


def _inner_run(tmp_path: Path, *, hang: bool, options: list[str]) -> subprocess.Popen[bytes]:
    """Another pytest run with the same plugin; each of its tests leaves a file named after its server's port."""
    seen = tmp_path / "seen"
    seen.mkdir()
    (tmp_path / "test_inner.py").write_text(_RUN.format(seen=str(seen), hang=hang))
    env = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_TEST", "PYTEST"))}
    env["TMPDIR"] = str(tmp_path)
    command = [sys.executable, "-m", "pytest", "-p", "hub_tools.testing.fixtures", "-c", str(REPO / "pyproject.toml")]
    command += ["--rootdir", str(tmp_path), "-p", "no:cacheprovider", *options, str(tmp_path / "test_inner.py")]
    with (tmp_path / "out").open("wb") as out:
        return subprocess.Popen(command, env=env, stdout=out, stderr=subprocess.STDOUT, cwd=tmp_path)


def test_parallel_workers_share_one_server_that_ends_with_the_run(tmp_path: Path) -> None:
    run = _inner_run(tmp_path, hang=False, options=["-n", "2"])
    assert run.wait(60) == 0, (tmp_path / "out").read_text()
    ports = {path.name.partition("-")[0] for path in (tmp_path / "seen").iterdir()}
    assert len(ports) == 1
    assert len(list((tmp_path / "seen").iterdir())) == 4
    assert "postgres: " in (tmp_path / "out").read_text()
    assert processes_of(tmp_path) == []
    assert list(tmp_path.glob("hub-test-*")) == []


def test_a_killed_run_leaves_no_server(tmp_path: Path) -> None:
    run = _inner_run(tmp_path, hang=True, options=[])
    assert eventually(lambda: any((tmp_path / "seen").iterdir()), timeout=40), (tmp_path / "out").read_text()
    (folder,) = tmp_path.glob("hub-test-*")
    home = reachable_home(folder / "postgres" / "data", server_identity())
    assert processes_of(home)
    run.send_signal(signal.SIGKILL)
    run.wait(10)
    assert eventually(lambda: not processes_of(tmp_path) and not processes_of(home)), processes_of(tmp_path)
    assert eventually(lambda: not home.exists())
    assert eventually(lambda: not list(tmp_path.glob("hub-test-*")))
