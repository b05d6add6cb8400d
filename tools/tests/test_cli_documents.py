"""What commands that start, stop, measure or write something answer with --json: one document with the fields that the
page promises, words for people kept out of it, no secret in it, and errors as everywhere."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from hub_common.web import hash_token
from hub_tools import reference
from hub_tools.cli import app
from hub_tools.commands import lint as linting
from hub_tools.commands import run as running
from hub_tools.demo.outside import Outside
from hub_tools.demo.scenario import Story
from hub_tools.demo.verdict import judge
from hub_tools.lint.rules import RULES
from hub_tools.reference import documents
from hub_tools.run.cluster import Cluster
from hub_tools.stack.local import StackInfo
from hub_tools.stack.supervisor import Supervisor
from hub_tools.testing.fake_hub import ADMIN, FakeHub
from ops_console.accounts import parse_accounts, password_fits

DATABASE_PASSWORD = "pg-of-the-test"
PASSWORD = "a long enough password"


def invoke(*arguments: str, data: Path | None = None, stdin: str | None = None) -> Result:
    env = {"HUB_DATA_DIR": str(data)} if data else {}
    return CliRunner().invoke(app, list(arguments), env=env, input=stdin)


def answer(command: str, *more: str, code: int = 0, data: Path | None = None, stdin: str | None = None) -> Any:
    """The one document, with exactly the fields of the page; nothing else is said."""
    result = invoke(*command.split(), *more, "--json", data=data, stdin=stdin)
    assert result.exit_code == code, result.output
    assert result.stderr == ""
    found = json.loads(result.stdout)
    assert set(found) == documents()[command]
    return found


def error(*arguments: str, data: Path | None = None, stdin: str | None = None) -> dict[str, Any]:
    """One line of JSON on standard error, and nothing on standard output."""
    result = invoke(*arguments, "--json", data=data, stdin=stdin)
    assert result.stdout == ""
    [line] = result.stderr.splitlines()
    found = dict(json.loads(line)["error"])
    assert found["exit_code"] == result.exit_code
    return found


def test_the_page_tells_the_document_of_every_command() -> None:
    assert set(documents()) == {" ".join(path) for path, _ in reference.leaves()}
    assert {name for name, fields in documents().items() if not fields} == {
        f"connections {step}" for step in ("show", "pause", "resume", "activate")
    }, "these answer a whole connection; every other document has its fields told"


@pytest.mark.parametrize("command", ["down", "stack down"])
def test_what_was_stopped(command: str, tmp_path: Path) -> None:
    supervisor = Supervisor(tmp_path / "services")
    try:
        supervisor.start("one", [sys.executable, "-c", "import time; time.sleep(600)"], env={})
        before = answer("stack status", code=3, data=tmp_path)
        after = answer(command, data=tmp_path)
        again = answer(command, data=tmp_path)
    finally:
        supervisor.kill_all()
    assert [each["running"] for found in (before, after) for each in found["services"]] == [True, False]
    assert (after["up"], after["stopped"], again["stopped"]) == (False, ["one"], [])


def test_what_was_removed(tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "services").mkdir(parents=True)
    assert answer("stack clean", data=data) == {"data_dir": str(data), "removed": True}
    assert not data.exists()
    assert answer("stack clean", data=data)["removed"] is False
    (tmp_path / ".git").mkdir()
    assert "is not a data folder" in error("stack", "clean", data=tmp_path)["message"]


@pytest.fixture(scope="module")
def hub() -> Iterator[FakeHub]:
    with FakeHub() as found:
        yield found


class Pretended(Cluster):
    """A hub that is not started: its services answer at the fake one."""

    fake = ""

    def url(self, name: str) -> str:
        return f"{self.fake}/{name}"


@pytest.fixture
def cluster(hub: FakeHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Cluster:
    """What `hub up` and `hub demo` believe to have started."""
    dsn = f"postgresql://hub:{DATABASE_PASSWORD}@127.0.0.1/postgres"
    found = Pretended(StackInfo(tmp_path / "hub", "wheel", dsn, "jvm", "127.0.0.1:9"))
    found.fake, found.keys.operator_token = hub.url, ADMIN

    def start(*, apart: bool, tell: Any) -> Cluster:
        tell("words on the way")
        return found

    monkeypatch.setattr(running, "start_cluster", start)
    return found


def test_where_a_started_hub_is_and_where_its_secrets_are_kept(cluster: Cluster, hub: FakeHub) -> None:
    found = answer("up", data=cluster.folder.path)
    assert {each["service"]: each["url"] for each in found["services"]} == {
        name: f"{hub.url}/{name}" for name in cluster.specs
    }
    assert found["console"] == {"url": f"{hub.url}/ops-console/", "login": "admin"}
    assert found["broker"] == {"kind": "jvm", "bootstrap_servers": "127.0.0.1:9"}
    kept = json.loads(Path(found["secrets_file"]).read_text())
    said = invoke("up", data=cluster.folder.path).output + json.dumps(found)
    assert f"operator token            in {found['secrets_file']}" in said
    for name in ("operator_token", "console_password", "console_token", "credentials_keys"):
        assert kept[name]
        assert kept[name] not in said, f"{name} is shown"
    assert ADMIN not in said
    assert DATABASE_PASSWORD not in said


@pytest.fixture
def outside(cluster: Cluster, hub: FakeHub, monkeypatch: pytest.MonkeyPatch) -> Outside:
    """The end of a demo of three orders in which all went well; the ledger is judged by the demo's own code."""
    story = Story({"manomano": ["M1", "M2"], "mirakl": ["R1"]}, ["M2"], ["sku_link", "carrier_rule:mirakl"])
    statuses = {("manomano", "M1"): "SHIPPED", ("manomano", "M2"): "REFUSED", ("mirakl", "R1"): "RECEIVED"}
    effects = Counter({("manomano", "accept", "M1"): 1, ("mirakl", "ship", "R1 parcel T1"): 1})
    found = Outside(statuses, effects, Counter({"M1": 1}), split_orders=1)
    hub.on("GET", "ops-console", "/v1/unexplained", {"items": []})
    hub.on("GET", "ops-console", "/v1/today", {"orders": [{"status": "SHIPPED", "count": 3}]})
    for name in cluster.specs:
        hub.on("GET", name, "/v1/operations/dead-letters", {"items": []})

    def play(cluster: Cluster, orders: int, console: Any) -> Any:
        console.print("words on the way")
        return judge(cluster, story, found)

    monkeypatch.setattr(running, "play", play)
    return found


def test_the_ledger_of_the_demo(outside: Outside, tmp_path: Path) -> None:
    found = answer("demo", data=tmp_path / "demo")
    assert (found["ok"], found["wrong"], found["hub"]) == (True, [], None)
    assert found["ledger"] == {
        "orders": 3, "shipped": 2, "in_several_parcels": 1, "refused": 1, "refunds": 1,
        "resolved": ["sku_link", "carrier_rule:mirakl"], "effects": 2, "effects_twice": 0,
    }  # fmt: skip
    kept = answer("demo", "--keep", data=tmp_path / "demo")
    assert set(kept["hub"]) == documents()["up"]

    outside.effects["manomano", "accept", "M1"] = 2
    wrong = answer("demo", code=1, data=tmp_path / "demo")
    assert (wrong["ok"], wrong["ledger"]["effects_twice"]) == (False, 1)
    assert wrong["wrong"] == ["done twice: accept of M1 at manomano: 2 times"]


def test_people_read_the_same_ledger(outside: Outside, tmp_path: Path) -> None:
    result = invoke("demo", data=tmp_path / "demo")
    assert result.exit_code == 0
    assert re.search(r"parked and resolved\W+sku_link, carrier_rule:mirakl", result.stdout)
    assert "every order is accounted for" in result.stdout
    outside.statuses["mirakl", "R1"] = "SHIPPING"
    result = invoke("demo", data=tmp_path / "demo")
    assert (result.exit_code, "every order" in result.stdout) == (1, False)
    assert "WRONG  not shipped: R1 at mirakl is SHIPPING" in result.stderr


def test_a_demo_that_must_not_start_says_so_in_json(tmp_path: Path) -> None:
    (tmp_path / "stack.json").write_text("{}")
    found = error("demo", data=tmp_path)
    assert (found["kind"], "holds a hub that was started with" in found["message"]) == ("failed", True)


def test_new_settings_are_named_and_what_is_secret_is_no_part_of_the_document(tmp_path: Path) -> None:
    result = invoke("compose-env", "--root", str(tmp_path), "--json")
    assert result.exit_code == 0, result.output
    found, text = json.loads(result.stdout), (tmp_path / ".env").read_text()
    stored = dict(line.split("=", 1) for line in text.splitlines())
    assert found == {"file": str(tmp_path / ".env"), "written": True, "names": list(stored)}
    assert set(found) == documents()["compose-env"]
    assert stat.S_IMODE((tmp_path / ".env").stat().st_mode) == 0o600
    # Only their hashes are kept: whoever asked for JSON must not be locked out.
    token, password = re.findall(r"shown this once: (?:admin / )?(\S+)", result.stderr)
    assert f"operator:admin:{hash_token(token)}," in stored["HUB_OPERATOR_TOKENS"]
    assert password_fits(password, parse_accounts(stored["HUB_LOCAL_ACCOUNTS"])["admin"].password_hash)
    for secret in (token, password, *stored.values()):
        assert secret not in result.stdout
    assert answer("compose-env", "--root", str(tmp_path)) == {**found, "written": False}
    assert (tmp_path / ".env").read_text() == text


def test_an_account_that_can_be_configured() -> None:
    found = answer("hash-password", "ann", "--role", "operator", "--tenants", "north|south", stdin=f"{PASSWORD}\n")
    assert (found["login"], found["role"], found["tenants"]) == ("ann", "operator", ["north", "south"])
    assert password_fits(PASSWORD, found["hash"])
    account = parse_accounts(found["entry"])["ann"]
    assert (account.password_hash, account.user.tenants) == (found["hash"], ("north", "south"))
    assert PASSWORD not in json.dumps(found)
    short = error("hash-password", "ann", stdin="short\n")
    assert (short["kind"], "password: " in short["message"], "short" in short["message"]) == ("usage", True, False)


def test_nobody_is_asked_for_a_password_where_json_is_wanted() -> None:
    ours, theirs = os.openpty()
    try:
        command = [sys.executable, "-c", "from hub_tools.cli import main; main()", "hash-password", "ann", "--json"]
        done = subprocess.run(command, stdin=theirs, capture_output=True, text=True, check=False, timeout=60)
    finally:
        os.close(ours)
        os.close(theirs)
    assert (done.returncode, done.stdout) == (2, "")
    assert "standard input" in json.loads(done.stderr)["error"]["message"]


MEASURED = """
from dataclasses import asdict

from bench.measure import Sample
from bench.options import parse
from bench.report import compared, show, write
from hub_tools.setup.paths import data_dir

options = parse()
samples = {"ours": [Sample(50, 1.0, 0.5)], "bare": [Sample(100, 1.0, 0.5)]}
figures = [compared(name, "ours", samples, "bare", target=0.6 if name == "hop" else 0.5) for name in options.what]
show(figures)
print(write(figures, data_dir(), {"broker": "jvm", "postgres": "wheel"}, asdict(options)))
"""
"""The benchmarks without their measuring: options and report are the real ones."""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A clone whose benchmarks take no time."""
    package = tmp_path / "clone" / "bench"
    package.mkdir(parents=True)
    (package / "__init__.py").write_text(f"__path__.append({str(reference.REPO / 'bench')!r})\n")
    (package / "__main__.py").write_text(MEASURED)
    return package.parent


def test_figures_and_floors_of_the_benchmarks(root: Path, tmp_path: Path) -> None:
    found = answer("bench", "--events", "1000", "--root", str(root), data=tmp_path)
    assert [each["bench"] for each in found["figures"]] == ["hop", "relay", "latency", "memory", "growth"]
    assert found["ok"] is False, "a missed target is told, and is no error"
    hop = found["figures"][0]
    told = {name: hop[name] for name in ("against", "value", "unit", "target", "reached")}
    assert told == {"against": "bare", "value": 0.5, "unit": "×", "target": 0.6, "reached": False}
    assert hop["details"]["bare"]["per_second"] == [100.0]
    assert (found["servers"]["broker"], found["options"]["events"]) == ("jvm", 1000)
    one = answer("bench", "relay", "--root", str(root), data=tmp_path)
    assert [(each["bench"], each["reached"]) for each in one["figures"]] == [("relay", True)]
    assert one["ok"] is True, "figures of another run are no part of this one"


def test_benchmarks_that_cannot_run_and_those_with_a_defect(root: Path, tmp_path: Path) -> None:
    main = root / "bench" / "__main__.py"
    main.write_text("import sys\nprint('noise')\nsys.exit('noise\\nbench: nothing to run: no Java\\n and no wheel')\n")
    found = error("bench", "hop", "--root", str(root), data=tmp_path)
    assert (found["kind"], found["message"]) == ("failed", "nothing to run: no Java and no wheel")
    main.write_text("raise RuntimeError('a defect')\n")
    result = invoke("bench", "hop", "--root", str(root), "--json", data=tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert "Traceback" in result.stderr
    assert "a defect" in result.stderr


def test_files_of_a_new_connector(tmp_path: Path) -> None:
    found = answer("new-connector", "zz", "--kind", "shop", "--into", str(tmp_path))
    assert (found["connector"], found["package"], found["kind"]) == ("zz", "connector_zz", "shop")
    folder = Path(found["folder"])
    assert folder == tmp_path / "zz"
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert set(found["files"]) == written - {name for name in written if "__pycache__" in name}
    assert found["next"][-1].endswith(f"-m pytest {os.path.relpath(folder)}")
    assert "exists already" in error("new-connector", "zz", "--into", str(tmp_path))["message"]


def test_what_breaks_a_rule_of_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(linting, "REPO", tmp_path)
    assert answer("lint") == {"ok": True, "rules": len(RULES), "findings": []}
    (tmp_path / "long.py").write_text("x = 1\n" * 401)
    found = answer("lint", code=1)
    [one] = found["findings"]
    assert (found["ok"], one["path"], one["line"], one["rule"]) == (False, "long.py", 401, "file-length")
