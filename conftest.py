"""Root of the test configuration: real PostgreSQL and broker for every test that asks for them.

A service's schema is migrated once per run; each test then gets a copy, which takes a tenth of the time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from hub_common.migrate import upgrade
from hub_tools.stack.databases import create_database, drop_database
from hub_tools.stack.waiting import run_sync

pytest_plugins = ["hub_tools.testing.fixtures"]

REPO = Path(__file__).parent
PROBE = "hub_common.testing.probe"


def _package_of(path: Path) -> str | None:
    """The package whose schema tests in this folder work with."""
    parts = path.relative_to(REPO).parts
    if parts[0] == "services":
        packages = {entry.name: entry.value.partition(".")[0] for entry in entry_points(group="hub.services")}
        return packages.get(parts[1])
    return PROBE if parts[:3] == ("libs", "common", "tests") or parts[:2] == ("tests", "integration") else None


@pytest.fixture(scope="session")
def migrated(postgres: str, worker_id: str) -> Iterator[Callable[[str], str]]:
    """Name of a database in which a package's migrations have been run, made at the first call."""
    made: dict[str, str] = {}

    def name_of(package: str) -> str:
        if package not in made:
            name = f"template_{package.replace('.', '_')}_{worker_id}"[:60]
            run_sync(drop_database(postgres, name))
            upgrade(package, run_sync(create_database(postgres, name)))
            made[package] = name
        return made[package]

    yield name_of
    for name in made.values():
        run_sync(drop_database(postgres, name))


@pytest.fixture
def database_template(request: pytest.FixtureRequest) -> str | None:
    """The migrated database that `database` is a copy of; None where no service's schema is tested."""
    package = _package_of(request.path)
    return request.getfixturevalue("migrated")(package) if package else None
