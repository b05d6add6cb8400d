"""`hub new-service` in a copy of the repository: what it writes works from its first minute and breaks nothing else."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_common.crypto import generate_key
from hub_common.kafka.client import KafkaProducer, ensure_topics
from hub_common.kafka.records import OutRecord
from hub_common.web import hash_token
from hub_contracts.envelope import encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE
from hub_contracts.topics import TOPIC_BY_NAME, Topic
from hub_tools.lint.rules import check
from hub_tools.reference import documents
from hub_tools.run.api import Api, ApiError
from hub_tools.scaffold import service_edits as edits
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.render import write_tree
from hub_tools.scaffold.service_k8s import drift
from hub_tools.scaffold.service_names import LONGEST_NAME, Service
from hub_tools.scaffold.service_plan import LONGEST_WORDS, make_plan
from hub_tools.scaffold.service_register import changed, deployment_texts, topic_texts
from hub_tools.setup.packages import UV, uv_environment
from hub_tools.stack.ports import idle_port

REPO = Path(__file__).resolve().parents[2]
BIN = Path(sys.executable).parent
NAME, PACKAGE, TOPIC = "loyalty-points", "loyalty_points", "hub.loyalty"
LISTENS = "hub.orders,hub.stock"
DOES = "counts what buyers earn"
COPIED = ("libs", "tools", "deploy", "docs", "tests/deploy", "tests/contract")
FILES = ("README.md", "docker-compose.yml", "Dockerfile", "pyproject.toml", "conftest.py", ".importlinter")
NOT_COPIED = shutil.ignore_patterns("__pycache__", ".*_cache", ".venv", ".hub", ".hypothesis")
LEFT_BY_TESTS = ("site/", ".mypy_cache/", ".hypothesis/", "process.log")
TOKEN = "hub_scaffold_test"


@dataclass(frozen=True)
class Clone:
    """A copy of what the command reads and writes, beside the installed repository."""

    root: Path

    @property
    def folder(self) -> Path:
        return self.root / "services" / NAME

    @property
    def env(self) -> dict[str, str]:
        """The copy's own contracts, runtime and tools in front of the installed ones, and what was installed in it."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HUB_", "PYTEST_"))}
        paths = [self.root / "libs/contracts", self.root / "libs/common", self.root / "tools", self.root / "site"]
        return kept | {"PYTHONPATH": os.pathsep.join(map(str, paths)), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, *command: str | Path, **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.root, env=self.env | env, capture_output=True, text=True, check=False, timeout=110
        )

    def hub(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run(sys.executable, "-c", "from hub_tools.cli import main; main()", *arguments)

    def pytest(self, postgres: str, *arguments: str) -> str:
        """Run tests of the copy on this run's PostgreSQL; returns what they print."""
        command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments)
        done = self.run(*command, HUB_POSTGRES_DSN=postgres)
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
        return done.stdout

    def state(self) -> dict[str, bytes]:
        """Every file and what is in it."""
        files = (path for path in self.root.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        return {path.relative_to(self.root).as_posix(): path.read_bytes() for path in files}


def copy_repository(root: Path) -> Clone:
    for name in COPIED:
        shutil.copytree(REPO / name, root / name, ignore=NOT_COPIED)
    for name in FILES:
        shutil.copy(REPO / name, root / name)
    for service in [*(entry.name for entry in entry_points(group="hub.services")), "sandbox"]:
        (root / "services" / service).mkdir(parents=True)
        shutil.copy(REPO / "services" / service / "pyproject.toml", root / "services" / service)
    return Clone(root)


def copy_of(clone: Clone, root: Path) -> Clone:
    shutil.copytree(clone.root, root, ignore=NOT_COPIED)
    return Clone(root)


@pytest.fixture(scope="module")
def untouched(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy in which nothing was generated; no test may change it."""
    return copy_repository(tmp_path_factory.mktemp("untouched"))


@pytest.fixture(scope="module")
def clone(untouched: Clone, tmp_path_factory: pytest.TempPathFactory) -> Clone:
    """A copy with a new service, installed."""
    clone = copy_of(untouched, tmp_path_factory.mktemp("generated") / "clone")
    options = ("--topic", TOPIC, "--listens", LISTENS, "--does", DOES, "--root", str(clone.root))
    done = clone.hub("new-service", NAME, *options)
    assert done.returncode == 0, done.stderr
    target = ["--target", str(clone.root / "site"), str(clone.folder)]
    install = [str(UV), "pip", "install", "--quiet", "--no-deps", "--offline", *target]
    subprocess.run(install, check=True, env=uv_environment(), timeout=60)
    return clone


def test_its_own_tests_pass_on_a_real_database(clone: Clone, postgres: str) -> None:
    printed = clone.pytest(postgres, f"services/{NAME}/tests")
    assert "17 passed" in printed or "." * 17 in printed, printed


def test_every_other_table_and_document_agrees_with_it(clone: Clone, postgres: str, tmp_path: Path) -> None:
    """Contract, event pages, compose, Kubernetes: the repository's own tests see the new service everywhere."""
    other = copy_of(clone, tmp_path / "other")
    written = other.hub("k8s-base", "--root", str(other.root))
    assert written.returncode == 0, written.stderr
    assert "deploy/k8s/components/strimzi/users.yaml" in written.stdout
    seen = other.pytest(
        postgres,
        "-rA",
        "libs/contracts/tests/test_listeners.py",
        "tests/contract",
        "tests/deploy/test_compose.py",
        "tests/deploy/test_kustomize.py",
        "tests/deploy/test_k8s_overlays.py::test_topics_rights_and_databases_are_those_of_the_code[overlays/prod]",
    )
    for test in (
        f"test_compose.py::test_a_service_runs_its_own_package_on_its_own_database[{NAME}]",
        f"test_kustomize.py::test_pods_are_restricted[{NAME}]",
        "test_k8s_overlays.py::test_topics_rights_and_databases_are_those_of_the_code[overlays/prod]",
        f"test_asyncapi.py::test_operations[{TOPIC}]",
    ):
        assert test in seen


def test_it_is_clean_by_every_rule_of_the_repository(clone: Clone) -> None:
    for command in (["check"], ["format", "--check"]):
        done = clone.run(BIN / "ruff", *command, "--no-cache", str(clone.folder), "libs/contracts/hub_contracts")
        assert done.returncode == 0, done.stdout + done.stderr
    assert check(clone.folder) == []


def test_its_types_are_strict(clone: Clone) -> None:
    libs = ["libs/contracts", "libs/common", "libs/connectors/kit", "tools", f"services/{NAME}"]
    options = ("--strict", "--cache-dir", str(clone.root / ".mypy_cache"), "-p", PACKAGE)
    done = clone.run(BIN / "mypy", *options, MYPYPATH=os.pathsep.join(libs), PYTHONPATH="")
    assert "source files" in done.stdout, done.stdout + done.stderr
    assert [line for line in done.stdout.splitlines() if line.startswith(libs[-1])] == []


def test_it_stands_in_every_list_of_the_layers(clone: Clone) -> None:
    text = (clone.root / ".importlinter").read_text()
    assert text.count(f"    {PACKAGE}\n") == text.count("    ops_console\n") > 4
    assert f"| {PACKAGE} | ops_console |" in text
    assert f"    {PACKAGE}.domain\n" in text
    # The layers and the independence of services, judged by the tool itself on the generated code.
    wanted = [f"--contract={name}" for name in ("layers", "services", "pure-domain", "kafka-client")]
    done = clone.run(BIN / "lint-imports", "--no-cache", *wanted)
    assert "Contracts: 4 kept, 0 broken." in done.stdout, done.stdout + done.stderr


def test_doing_it_again_would_change_nothing(clone: Clone, untouched: Clone) -> None:
    wanted = make_plan(untouched.root, NAME, TOPIC, LISTENS, "order_id", DOES).registration
    texts = {**topic_texts(clone.root, wanted), **deployment_texts(clone.root, wanted)}
    assert changed(untouched.root, texts)
    assert changed(clone.root, texts) == {}
    assert drift(clone.root) == []


def test_compose_gets_a_database_and_a_port_of_its_own(clone: Clone) -> None:
    before = yaml.safe_load((REPO / "docker-compose.yml").read_text())["services"]
    after = yaml.safe_load((clone.root / "docker-compose.yml").read_text())["services"]
    assert after.keys() - before.keys() == {NAME}
    assert {name: after[name] for name in before if name != "postgres"} == {
        name: before[name] for name in before if name != "postgres"
    }
    [port] = after[NAME]["ports"]
    assert port not in [each for service in before.values() for each in service.get("ports", ())]
    assert f"to `{port.split(':')[1]}`" in (clone.root / "README.md").read_text()


def test_people_find_it_in_the_tables(clone: Clone) -> None:
    assert f"| {NAME} | {DOES} | `{TOPIC}` |" in (clone.root / "README.md").read_text()
    assert f"| {NAME} | `{TOPIC}` | orders, stock, connections |" in (clone.root / "docs/architecture.md").read_text()
    assert f"{NAME}," in (clone.root / "docs/operations.md").read_text()
    assert f"| `{TOPIC}` | {NAME} |" in (clone.root / "docs/events/README.md").read_text()


@pytest.mark.stack
async def test_the_process_takes_events_from_a_real_broker(
    clone: Clone, new_database: Callable[[str | None], str], kafka: str, topic_prefix: str
) -> None:
    """Migrated and started as in production, fed over Kafka, asked over HTTP, stopped by SIGTERM."""
    topics = [TOPIC_BY_NAME[name] for name in ("hub.orders", "hub.stock", "hub.connections")]
    await ensure_topics(kafka, [*topics, Topic(TOPIC, NAME, "order_id")], prefix=topic_prefix)
    port = idle_port()
    settings = {
        "HUB_DATABASE_DSN": new_database(None),
        "HUB_KAFKA_BOOTSTRAP": kafka,
        "HUB_TOPIC_PREFIX": topic_prefix,
        "HUB_HTTP_PORT": str(port),
        "HUB_OPERATOR_TOKENS": f"test:viewer:{hash_token(TOKEN)}",
        "HUB_CREDENTIALS_KEYS": generate_key("test"),
        "HUB_FETCH_MAX_WAIT_MS": "20",
    }
    migrated = await asyncio.to_thread(clone.run, sys.executable, "-m", PACKAGE, "migrate", **settings)
    assert migrated.returncode == 0, migrated.stderr
    with started(clone, settings) as process:
        key = await send_example(kafka, topic_prefix, "order.received.v1")
        api = Api(f"http://127.0.0.1:{port}", TOKEN)
        seen = await asyncio.to_thread(process.answer, api, f"/v1/last-seen/hub.orders/{key}")
        assert (seen["event_type"], seen["version"]) == ("order.received.v1", 1)
        assert await asyncio.to_thread(process.stop) == 0, process.said


@dataclass(frozen=True)
class Process:
    """A service that runs as a process of its own."""

    child: subprocess.Popen[bytes]
    log: Path

    @property
    def said(self) -> str:
        return self.log.read_text()[-3000:]

    def answer(self, api: Api, path: str, seconds: float = 60) -> Any:
        """What it answers once it knows; fails when it ends, or does not know in time."""
        deadline = time.monotonic() + seconds
        why = ""
        while time.monotonic() < deadline:
            try:
                return api.get(path)
            except ApiError as error:
                why = str(error)
            if self.child.poll() is not None:
                break
            time.sleep(0.05)
        return pytest.fail(f"{why}\n{self.said}")

    def stop(self) -> int:
        """Ask it to end; returns its exit code."""
        self.child.send_signal(signal.SIGTERM)
        return self.child.wait(30)


@contextmanager
def started(clone: Clone, settings: dict[str, str]) -> Iterator[Process]:
    """The new service, running; killed afterwards if it has not ended."""
    log, command = clone.root / "process.log", [sys.executable, "-m", PACKAGE]
    with log.open("wb") as output:
        child = subprocess.Popen(command, cwd=clone.root, env=clone.env | settings, stdout=output, stderr=output)
    try:
        yield Process(child, log)
    finally:
        child.kill()
        child.wait(30)


async def send_example(kafka: str, prefix: str, event_type: str) -> str:
    """Put one believable event on its topic; returns its key."""
    example = EXAMPLE_BY_TYPE[event_type]
    meta = example.metadata(None)
    body = example.data.model_dump_json().encode()
    producer = KafkaProducer(kafka, "test")
    record = OutRecord(prefix + example.data.TOPIC, meta.key.encode(), body, encode_headers(meta))
    assert await producer.send([record]) == [True]
    await producer.stop()
    return meta.key


BAD: list[tuple[dict[str, str], str]] = [
    ({"name": "Loyalty"}, "lower-case words"),
    ({"name": "loyalty_points"}, "lower-case words"),
    ({"name": "loyalty--points"}, "lower-case words"),
    ({"name": "2nd-chance"}, "first letter a-z"),
    ({"name": "../outside"}, "lower-case words"),
    ({"name": "x" * (LONGEST_NAME + 1)}, f"at most {LONGEST_NAME} characters"),
    ({"name": "stock-sync"}, "exists already"),
    ({"name": "kafka"}, "called that in the deployments"),
    ({"name": "json"}, "would hide a Python package"),
    ({"name": "hub-common"}, "would hide a Python package"),
    ({"name": "class"}, "would hide a Python package"),
    ({"topic": "loyalty"}, "hub. and lower-case words"),
    ({"topic": "hub.Loyalty"}, "hub. and lower-case words"),
    ({"topic": "hub.loyalty.dlq"}, "hub. and lower-case words"),
    ({"topic": "hub.orders"}, "one topic has one writer"),
    ({"topic": "hub.order-partitions"}, "means something else"),
    ({"listens": "hub.odrers"}, "no such topic; there are hub.acceptances"),
    ({"listens": "hub.loyalty"}, "no such topic"),
    ({"listens": "hub.order-customers"}, "personal data"),
    ({"listens": "hub.connections"}, "at least one topic beside"),
    ({"listens": " , "}, "at least one topic beside"),
    ({"does": "breaks | tables"}, "--does"),
    ({"does": "x" * (LONGEST_WORDS + 1)}, f"1 to {LONGEST_WORDS} characters"),
    ({"key": 'a"b'}, "--key"),
]


@pytest.mark.parametrize(("change", "says"), BAD, ids=lambda each: str(each)[:40])
def test_a_bad_wish_is_one_line_that_names_the_rule(untouched: Clone, change: dict[str, str], says: str) -> None:
    wish = {"name": NAME, "topic": TOPIC, "listens": LISTENS, "key": "order_id", "does": DOES} | change
    with pytest.raises(ScaffoldError) as refused:
        make_plan(untouched.root, **wish)
    assert says in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_is_refused_or_only_planned_writes_nothing(untouched: Clone) -> None:
    before, root = untouched.state(), ("--root", str(untouched.root))
    refused = untouched.hub("new-service", "stock-sync", "--topic", TOPIC, *root)
    assert (refused.returncode, refused.stdout) == (1, "")
    assert refused.stderr == "hub: services/stock-sync exists already; nothing is overwritten\n"
    wish = ("new-service", NAME, "--topic", TOPIC, "--listens", LISTENS, *root)
    planned = untouched.hub(*wish, "--dry-run", "--json")
    assert (planned.returncode, planned.stderr) == (0, "")
    answer = json.loads(planned.stdout)
    expected = make_plan(untouched.root, NAME, TOPIC, LISTENS, "order_id", "keeps the last event of each key")
    assert (answer["dry_run"], answer["files"], answer["next"]) == (True, expected.paths, [])
    assert (answer["service"], answer["package"], answer["topic"]) == (NAME, PACKAGE, TOPIC)
    assert answer["listens"] == [*LISTENS.split(","), "hub.connections"]
    assert set(answer) == documents()["new-service"]
    assert untouched.state() == before


def test_the_dry_run_names_exactly_what_is_written(untouched: Clone, clone: Clone) -> None:
    plan = make_plan(untouched.root, NAME, TOPIC, LISTENS, "order_id", DOES)
    before, after = untouched.state(), clone.state()
    differs = {name for name in after if before.get(name) != after[name] and not name.startswith(LEFT_BY_TESTS)}
    assert differs == set(plan.paths)


def test_the_longest_names_still_fit(untouched: Clone, tmp_path: Path) -> None:
    """Sorted before and behind the hub's own packages, with lines as long as they get."""
    for number, name in enumerate(("a" * LONGEST_NAME, "z" + "-long" * 7 + "er")):
        plan = make_plan(untouched.root, name, "hub.x-and-y", "hub.refunds", "order_id", "d" * LONGEST_WORDS)
        write_tree(tmp_path / f"s{number}", plan.files)
        settings = ("--config", str(REPO / "pyproject.toml"), "--config", "src=['.']")
        known = f"lint.isort.known-first-party=['hub_contracts','hub_common','hub_tools','{name.replace('-', '_')}']"
        command = [str(BIN / "ruff"), "check", "--no-cache", *settings, "--config", known, str(tmp_path / f"s{number}")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_service_written_by_hand_is_registered_the_same(untouched: Clone, clone: Clone, tmp_path: Path) -> None:
    """All that `new-service` writes outside the folder and the contract, for a service that is there already."""
    other = copy_of(untouched, tmp_path / "other")
    shutil.copytree(clone.folder, other.folder, ignore=NOT_COPIED)
    shutil.copytree(clone.root / "site", other.root / "site")
    shutil.copytree(
        clone.root / "libs/contracts/hub_contracts", other.root / "libs/contracts/hub_contracts", dirs_exist_ok=True
    )
    arguments = ("register-service", NAME, "--does", DOES, "--root", str(other.root))
    unknown = other.hub("register-service", "nothing-there", "--root", str(other.root))
    assert (unknown.returncode, "no service of that name" in unknown.stderr) == (1, True)
    first, second = other.hub(*arguments), other.hub(*arguments, "--json")
    assert (first.returncode, second.returncode) == (0, 0), first.stderr + second.stderr
    assert first.stderr == f"{len(first.stdout.splitlines())} files changed\n"
    answer = {"service": NAME, "root": str(other.root), "dry_run": False, "files": []}
    assert (json.loads(second.stdout), second.stderr) == (answer, "")
    assert set(answer) == documents()["register-service"]
    for path in [*FILES, "docs/architecture.md", "docs/operations.md", f"deploy/k8s/base/{NAME}/deployment.yaml"]:
        assert (other.root / path).read_bytes() == (clone.root / path).read_bytes(), path


def test_a_base_that_was_changed_by_hand_is_seen_and_written_anew(untouched: Clone, tmp_path: Path) -> None:
    other = copy_of(untouched, tmp_path / "other")
    deployment = other.root / "deploy/k8s/base/stock-sync/deployment.yaml"
    good = deployment.read_text()
    deployment.write_text(good.replace("runAsNonRoot: true", "runAsNonRoot: false"))
    (other.root / "deploy/k8s/base/order-router/service.yaml").unlink()
    (other.root / "deploy/k8s/base/left-over").mkdir()
    checked = other.hub("k8s-base", "--check", "--root", str(other.root))
    assert checked.returncode == 1
    differences = {
        "deploy/k8s/base/order-router/service.yaml": "missing",
        "deploy/k8s/base/stock-sync/deployment.yaml": "differs from its template",
        "deploy/k8s/base/left-over": "no service of that name; remove the folder",
    }
    assert checked.stdout.splitlines() == [f"{path}: {found}" for path, found in differences.items()]
    written = other.hub("k8s-base", "--root", str(other.root), "--json")
    assert (written.returncode, written.stderr) == (1, ""), "the folder is still there"
    answer = json.loads(written.stdout)
    left = {"path": "deploy/k8s/base/left-over", "found": differences.pop("deploy/k8s/base/left-over")}
    assert (answer["ok"], answer["check"], answer["differences"]) == (False, False, [left])
    assert set(answer["written"]) == set(differences)
    assert set(answer) == documents()["k8s-base"]
    (other.root / "deploy/k8s/base/left-over").rmdir()
    assert deployment.read_text() == good
    assert drift(other.root) == []


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (lambda: edits.topics("", TOPIC, NAME, "order_id"), "topics.py"),
        (lambda: edits.listeners("LISTENERS = {}\n", TOPIC, NAME, ["hub.orders"]), "listeners.py"),
        (lambda: edits.listeners("LISTENERS: dict = {}\n", TOPIC, NAME, ["hub.orders"]), "topics.ORDERS"),
        (lambda: edits.compose("services:\n", Service(NAME)), "docker-compose.yml"),
        (lambda: edits.importlinter("[importlinter]\n", PACKAGE, domain=True), ".importlinter"),
        (lambda: edits.first_party("", PACKAGE), "pyproject.toml"),
        (lambda: edits.table_row("", NAME, ("x",), "README.md"), "README.md"),
        (lambda: edits.roll_call("", NAME), "docs/operations.md"),
    ],
)
def test_a_file_without_the_place_for_an_edit_is_named(edit: Callable[[], str], says: str) -> None:
    with pytest.raises(ScaffoldError, match="cannot be registered there") as refused:
        edit()
    assert says in str(refused.value)
