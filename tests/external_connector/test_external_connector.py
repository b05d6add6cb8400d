"""A connector that lives outside of this repository works like one inside: found by its entry point, never named.

It is installed from its own pyproject into a folder of its own, and used by processes that have this folder on their
path, so that nothing of it can reach the other tests.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from hub_tools.setup.packages import UV, uv_environment
from hub_tools.setup.paths import REPO

HERE = Path(__file__).parent
NAME = "lantern_bay"
OTHER_FILES = {".py", ".tmpl", ".toml", ".md", ".yml", ".yaml", ".cfg", ".txt", ""}


def run(*command: str | Path, cwd: Path, env: Mapping[str, str]) -> str:
    """Standard output of a process that must end well."""
    argv = [str(part) for part in command]
    done = subprocess.run(argv, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package's repository, far away from this one."""
    copy = tmp_path_factory.mktemp("elsewhere") / "package"
    shutil.copytree(HERE / "package", copy, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    return copy


@pytest.fixture(scope="module")
def installed(package: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment of processes that have the package installed."""
    target = tmp_path_factory.mktemp("installed")
    install = ("pip", "install", "--no-deps", "--python", sys.executable, "--target", target, package)
    run(UV, *install, cwd=package, env=uv_environment())
    shutil.rmtree(package / f"connector_{NAME}")
    return dict(os.environ) | {"PYTHONPATH": str(target)}


def test_it_is_found_only_where_it_is_installed(installed: dict[str, str], tmp_path: Path) -> None:
    """The entry point is all that leads to it."""
    ask = "from connector_kit.discovery import load_connectors; print(*sorted(load_connectors()))"
    with_it = run(sys.executable, "-c", ask, cwd=tmp_path, env=installed).split()
    without_it = run(sys.executable, "-c", ask, cwd=tmp_path, env=os.environ).split()
    assert NAME not in without_it
    assert with_it == sorted([*without_it, NAME])


def test_no_file_of_the_hub_names_it() -> None:
    """Adding a marketplace edits nothing: its name is in its own folder and in the guide that points there."""
    folders = ("libs", "services", "tools", "deploy", "requirements", ".ci")
    inside = [path for folder in folders for path in (REPO / folder).rglob("*")]
    named = [
        path
        for path in [*inside, *REPO.iterdir()]
        if path.is_file()
        and path.suffix in OTHER_FILES
        and path.name != "README.md"
        and NAME in path.read_text(encoding="utf-8", errors="replace")
    ]
    assert not named


def test_its_own_tests_pass(package: Path, installed: dict[str, str]) -> None:
    """The conformance suite against its simulator, from the installed package: its source folder is gone."""
    said = run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "tests", cwd=package, env=installed)
    assert " passed" in said


def test_order_ingest_polls_it(installed: dict[str, str], database: str) -> None:
    """A whole service, real HTTP, real PostgreSQL: three orders over two pages become `order.received`."""
    env = installed | {"HUB_TEST_DSN": database}
    said = json.loads(run(sys.executable, HERE / "through_order_ingest.py", cwd=HERE, env=env).splitlines()[-1])
    assert NAME in said["installed"]
    assert sorted(each["reference"] for each in said["told"]) == sorted(said["created"])
    assert {(each["type"], each["status"]) for each in said["told"]} == {("order.received.v1", "PENDING")}
    assert said["parked"] == 0
