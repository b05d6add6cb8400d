"""pytest plugin: a real PostgreSQL and a real broker per test run, a fresh database and a topic prefix per test.

Loaded by the root conftest (`pytest_plugins = ["hub_tools.testing.fixtures"]`). The servers are started when the first
test asks, once for all workers of a parallel run, by the stack's ladder (a container engine first where one answers),
and end with the run even when it is killed. The end of the run says which kind was used.
"""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.files import FOLDER_MODE, read_state
from hub_tools.stack.hold import address_of, end_shared_servers, shared_server
from hub_tools.stack.model import text
from hub_tools.stack.process import ProcessRef
from hub_tools.stack.topics import delete_topics
from hub_tools.stack.waiting import run_sync

# Handed down to the workers of a parallel run: all of them mean the servers of the one process that was started.
_FOLDER = "HUB_TEST_STACK_DIR"
_OWNER = "HUB_TEST_STACK_OWNER"
_owns_folder = pytest.StashKey[Path]()


MEMORY = Path("/dev/shm")  # noqa: S108  only a place; the folder in it has a random name
NEEDED_BYTES = 4 * 1024**3
"""A run leaves below 1 GiB behind at any time; with less than four free the disk is the better place."""


def _fast_place() -> Path | None:
    """Memory, where there is plenty: each test's database is a copy of a template, and nothing of it is kept.

    Who names a place for temporary files (`TMPDIR`) is obeyed.
    """
    if "TMPDIR" in os.environ or not MEMORY.is_dir() or not os.access(MEMORY, os.W_OK):
        return None
    return MEMORY if shutil.disk_usage(MEMORY).free >= NEEDED_BYTES else None


def pytest_configure(config: pytest.Config) -> None:
    """Name the folder of this run's servers; they are started later, if at all."""
    if not hasattr(config, "workerinput"):
        folder = Path(tempfile.mkdtemp(prefix="hub-test-", dir=_fast_place()))
        # PostgreSQL runs under another user when the tests run as root.
        folder.chmod(FOLDER_MODE)
        me = ProcessRef.of(os.getpid())
        os.environ[_FOLDER], os.environ[_OWNER] = str(folder), f"{me.pid}:{me.created!r}"
        config.stash[_owns_folder] = folder


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the tests ran against: results from a stand-in are not results from Kafka."""
    folder = config.stash.get(_owns_folder, None)
    if folder is None:
        return
    for what in ("postgres", "broker"):
        kind = text(read_state(folder / what / "ready.json"), "kind")
        if kind:
            note = " (Kafka-compatible stand-in, development only)" if (what, kind) == ("broker", "wheel") else ""
            terminalreporter.write_line(f"{what}: {kind}{note}")


def pytest_unconfigure(config: pytest.Config) -> None:
    """End this run's servers."""
    folder = config.stash.get(_owns_folder, None)
    if folder is not None:
        end_shared_servers(folder)


@pytest.fixture(scope="session")
def postgres() -> str:
    """Superuser DSN of this run's PostgreSQL. No fsync; durability tests start a `LocalPostgres` of their own."""
    return _shared("postgres")


@pytest.fixture(scope="session")
def kafka() -> str:
    """Bootstrap servers of this run's broker. For fault tests start a broker of your own (`open_broker`)."""
    return _shared("broker")


@pytest.fixture(scope="session")
def broker_kind(kafka: str) -> str:
    """`env`, `container`, `jvm` or `wheel`; a test that needs real Kafka skips on `wheel`, saying so."""
    return text(_server("broker"), "kind")


@pytest.fixture
def new_database(postgres: str) -> Iterator[Callable[[str | None], str]]:
    """Makes fresh databases: `new_database(template)` returns a DSN; all of them are dropped after the test.

    `template` is the name of a database to copy (migrated once per run, say) or None; nobody may be connected to it.
    """
    made: list[str] = []

    def make(template: str | None = None) -> str:
        made.append(f"t_{secrets.token_hex(8)}")
        return run_sync(create_database(postgres, made[-1], template=template))

    yield make
    for name in made:
        run_sync(drop_database(postgres, name))


@pytest.fixture(scope="session")
def database_template() -> str | None:
    """Override in a package's conftest with the name of a database that `database` shall be a copy of."""
    return None


@pytest.fixture
def database(new_database: Callable[[str | None], str], database_template: str | None) -> str:
    """DSN of a database that only this test uses; dropped afterwards, open connections or not."""
    return new_database(database_template)


@pytest.fixture
def topic_prefix(kafka: str) -> Iterator[str]:
    """A prefix for topics and groups that only this test uses; its topics are deleted afterwards."""
    prefix = f"t-{secrets.token_hex(6)}-"
    yield prefix
    run_sync(delete_topics(kafka, prefix=prefix))


def _shared(what: str) -> str:
    return address_of(_server(what))


def _server(what: str) -> dict[str, object]:
    pid, _, created = os.environ[_OWNER].partition(":")
    return shared_server(what, Path(os.environ[_FOLDER]), ProcessRef(int(pid), float(created)))
