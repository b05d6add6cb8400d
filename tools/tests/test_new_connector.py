"""`hub new-connector`: what it writes works at once, for both kinds, short names and long ones, inside and outside."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest
from typer.testing import CliRunner

from connector_kit.maturity import read_maturity
from hub_tools.cli import app
from hub_tools.scaffold.connector_plan import plan_connector
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.render import Files, line_count, render, render_tree, write_tree
from hub_tools.setup.packages import UV, uv_environment
from hub_tools.setup.paths import REPO

MOST_LINES = 500
"""Of the connector itself, blank lines not counted; the simulator and the tests come on top."""
MADE = {
    "marketplace": ("acme_of_a_very_long_name_with_numbers_123", "Acme & Sons - of a Very Long Name 123"),
    "shop": ("zz", "Zz"),
}
LIBRARIES = ("libs/contracts", "libs/connectors/kit")


@dataclass(frozen=True)
class Made:
    """A generated connector, and the environment of processes that have it installed."""

    kind: str
    name: str
    folder: Path
    env: dict[str, str]


def run(*command: str | Path, cwd: Path, env: Mapping[str, str] = os.environ) -> str:
    """Standard output of a process that must end well."""
    argv = [str(part) for part in command]
    done = subprocess.run(argv, cwd=cwd, env=dict(env), capture_output=True, text=True, check=False, timeout=110)
    assert done.returncode == 0, f"{' '.join(argv)}\n{done.stdout[-6000:]}\n{done.stderr[-4000:]}"
    return done.stdout


@pytest.fixture(scope="module", params=sorted(MADE))
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Generated with the command, installed with uv from its own pyproject into a folder of its own."""
    kind = str(request.param)
    name, title = MADE[kind]
    into = tmp_path_factory.mktemp("elsewhere")
    said = CliRunner().invoke(app, ["new-connector", name, "--title", title, "--kind", kind, "--into", str(into)])
    assert said.exit_code == 0, said.output
    assert "Next:" in said.output
    target = tmp_path_factory.mktemp("installed")
    install = ("pip", "install", "--no-deps", "--python", sys.executable, "--target", target, into / name)
    run(UV, *install, cwd=into, env=uv_environment())
    return Made(kind, name, into / name, dict(os.environ) | {"PYTHONPATH": str(target)})


def test_it_passes_the_conformance_suite(made: Made) -> None:
    """Its own tests, as it was written."""
    run(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", cwd=made.folder, env=made.env)


def test_it_is_clean(made: Made, tmp_path: Path) -> None:
    """Style, format and strict types, by its own settings."""
    run(sys.executable, "-m", "ruff", "check", "--no-cache", ".", cwd=made.folder)
    run(sys.executable, "-m", "ruff", "format", "--no-cache", "--check", ".", cwd=made.folder)
    search = os.pathsep.join([str(made.folder), *(str(REPO / library) for library in LIBRARIES)])
    env = dict(os.environ) | {"MYPYPATH": search}
    package = f"connector_{made.name}"
    run(sys.executable, "-m", "mypy", "--cache-dir", tmp_path, "--strict", "-p", package, cwd=made.folder, env=env)


def test_it_is_found_by_its_entry_point(made: Made, tmp_path: Path) -> None:
    """Manifest and simulator come along, without any file of the hub knowing it."""
    ask = f"from connector_kit.discovery import connector; print(connector({made.name!r}).manifest.title)"
    assert run(sys.executable, "-c", ask, cwd=tmp_path, env=made.env).strip() == MADE[made.kind][1]


def test_it_holds_what_was_promised(made: Made) -> None:
    """Files, size, and an honest maturity file."""
    package = made.folder / f"connector_{made.name}"
    for name in ("manifest.py", "client.py", "connector.py", "py.typed", "sandbox/simulator.py"):
        assert (package / name).is_file(), name
    own = list(package.glob("*.py"))
    assert sum(bool(line.strip()) for path in own for line in path.read_text().splitlines()) <= MOST_LINES
    said = read_maturity(made.folder)
    assert not said.problems
    assert {"real_api.test_environment", "real_api.production", "simulator.faithful"} <= set(said.todo)
    left = [path for path in made.folder.rglob("*") if "{{" in path.name or path.suffix == ".tmpl"]
    assert not left
    assert not [path for path in made.folder.rglob("*.py") if "{{" in path.read_text()]


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        (["Acme-Market"], "lower-case letters, digits and underscores, a letter first, for example acme_market"),
        (["9to5"], "a letter first"),
        (["a"], "2 to 41"),
        (["a" * 42], "2 to 41"),
        (["acme\n"], "2 to 41"),
        (["../acme"], "2 to 41"),
        (["acme_"], "single underscores"),
        (["acme__x"], "single underscores"),
        (["acme", "--kind", "carrier"], "must be marketplace or shop"),
        (["acme", "--title", 'a"b'], "--title"),
        (["acme", "--title", "a\nb"], "--title"),
        (["acme", "--title", ""], "--title"),
        (["kit"], "installed already"),
        (["manomano"], "installed already"),
    ],
)
def test_what_breaks_a_rule_is_refused_in_one_line(arguments: list[str], rule: str, tmp_path: Path) -> None:
    """The rule is named, and nothing is written."""
    said = CliRunner().invoke(app, ["new-connector", *arguments, "--into", str(tmp_path / "into")])
    assert said.exit_code == 1
    assert rule in said.stderr
    assert said.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_the_command_ends_with_1_and_without_a_traceback(tmp_path: Path) -> None:
    """As every error of `hub` that a person can act on."""
    argv = [sys.executable, "-c", "from hub_tools.cli import main; main()", "new-connector", "No-Good"]
    done = subprocess.run([*argv, "--into", str(tmp_path)], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.startswith("hub: NAME 'No-Good'")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("there", ["folder", "file", "dangling link"])
def test_nothing_is_ever_overwritten(there: str, tmp_path: Path) -> None:
    """Also not what only looks like nothing."""
    target = tmp_path / "acme"
    if there == "folder":
        target.mkdir()
        (target / "mine.txt").write_text("mine")
    elif there == "file":
        target.write_text("mine")
    else:
        target.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ScaffoldError, match="exists already"):
        plan_connector("acme", title=None, kind="shop", into=tmp_path).write()
    assert [path.name for path in tmp_path.iterdir()] == ["acme"]
    if there == "folder":
        assert (target / "mine.txt").read_text() == "mine"


def test_a_failure_leaves_nothing_behind(tmp_path: Path) -> None:
    """Half a scaffold looks like a finished one."""

    def fail(folder: Path) -> None:
        assert (folder / "a.py").is_file()
        raise OSError(28, "No space left on device")

    with pytest.raises(ScaffoldError, match="No space left on device; nothing was written"):
        write_tree(tmp_path / "acme", plan_files("a.py"), finish=fail)
    assert not list(tmp_path.iterdir())
    readable = tmp_path / "file"
    readable.write_text("")
    with pytest.raises(ScaffoldError, match="nothing was written"):
        write_tree(readable / "below" / "acme", plan_files("a.py"))


def test_a_placeholder_without_a_value_is_a_defect(tmp_path: Path) -> None:
    """It must not come out as text."""
    assert render("a {{name}} b", {"name": "x"}) == "a x b"
    with pytest.raises(ScaffoldError, match=r"\{\{nam\}\}"):
        render("{{nam}}", {"name": "x"})
    with pytest.raises(ScaffoldError, match="no templates"):
        render_tree(tmp_path, {})


def test_name_of_the_folder_is_the_name_in_the_repository(tmp_path: Path) -> None:
    """Without `--into` it goes where the set-up finds it by itself."""
    plan = plan_connector("acme", title=None, kind="shop", into=REPO / "libs" / "connectors")
    assert plan.folder == REPO / "libs" / "connectors" / "acme"
    assert not plan.folder.exists()
    assert (plan.title, plan.package) == ("Acme", "connector_acme")
    assert line_count(plan.files()) < MOST_LINES


def test_templates_are_installed_with_the_tools(tmp_path: Path) -> None:
    """A wheel of the tools that lacks them would fail on other machines only."""
    copy = tmp_path / "tools"
    shutil.copytree(REPO / "tools" / "hub_tools", copy / "hub_tools", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(REPO / "tools" / "pyproject.toml", copy)
    target = tmp_path / "installed"
    install = ("pip", "install", "--no-deps", "--python", sys.executable, "--target", target, copy)
    run(UV, *install, cwd=tmp_path, env=uv_environment())
    found = {path.relative_to(target) for path in target.rglob("*.tmpl")}
    assert found == {path.relative_to(REPO / "tools") for path in (REPO / "tools").rglob("*.tmpl")}


def plan_files(*names: str) -> Files:
    """Empty files."""
    return {PurePosixPath(name): "" for name in names}
