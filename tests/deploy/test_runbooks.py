"""Every step of a runbook is a command that exists: at night nobody guesses what a page meant."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
import typer.main
from fastapi.routing import iter_route_contexts

from hub_common.runtime import Runtime
from hub_common.testing.harness import settings_for
from hub_contracts.topics import TOPIC_BY_NAME
from hub_tools.cli import app

REPO = Path(__file__).resolve().parents[2]
REPLAYS = "deploy/k8s/components/replay/replays.yaml"
PAGES = sorted((REPO / "docs" / "runbooks").glob("*.md"))
SERVICES = {entry.name: entry for entry in entry_points(group="hub.services")}
SECTIONS = ["## How it shows", "## What the hub does by itself", "## Do", "## It is over when"]
PROGRAMS = {"hub", "kubectl", "curl", "kafka-consumer-groups.sh", "export", "url()", "read", "docker"}
VERBS = set(
    "apply create delete describe exec get logs patch port-forward rollout scale set top wait".split()  # noqa: SIM905
)
CRON_JOBS = {"SERVICE-replay", *re.findall(r"kind: CronJob\nmetadata:\n  name: (\S+)", (REPO / REPLAYS).read_text())}
ROLLOUT = {"history", "restart", "status", "undo"}
[UsageError] = typer.BadParameter.__bases__
"""Wrong usage of any kind, as the library under `hub` raises it."""
each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)


def steps(page: Path) -> Iterator[str]:
    """Commands of the page, in blocks and in running text."""
    text = page.read_text()
    for block in re.findall(r"^ *```bash\n(.*?)^ *```$", text, re.M | re.S):
        yield from (line.strip() for line in block.splitlines() if line.strip())
    prose = re.sub(r"```.*?```", "", text, flags=re.S)
    yield from (code for code in re.findall(r"`([^`\n]+)`", prose) if re.match(r"(hub|kubectl) \S", code))


def words(step: str) -> list[str]:
    return shlex.split(re.sub(r"\$\(url ([\w-]+)\)", r"url:\1", step), comments=True)


def resolve(arguments: list[str]) -> None:
    """Follow `hub …` through its commands, with options and arguments read as at a real call; nothing is run."""
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name="hub")
    while hasattr(command, "get_command"):
        assert arguments, f"{command.name} needs a command"
        found = command.get_command(context, arguments[0])
        assert found is not None, f"hub has no command {arguments[0]!r} there"
        command, arguments = found, arguments[1:]
        context = command.context_class(command, parent=context, info_name=command.name)
    command.parse_args(context, list(arguments))


@cache
def routes(service: str) -> tuple[tuple[str, str], ...]:
    """Method and path of everything that the service answers."""
    spec = SERVICES[service].load()
    runtime = Runtime(spec, settings_for(spec, "postgresql://nobody/nothing"))
    for part in ("pool", "transactions", "connections", "book", "callers", "board", "leases"):
        # Routes are described, never called.
        setattr(runtime, part, SimpleNamespace())
    found = iter_route_contexts(runtime.build_web_app().routes)
    return tuple((method, each.path) for each in found if each.path for method in each.methods or ())


def answers(service: str, method: str, path: str) -> bool:
    return any(
        method == known and re.fullmatch(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(template)), path)
        for known, template in routes(service)
    )


def check_curl(arguments: list[str]) -> None:
    method, address, body = "", "", ""
    for before, word in zip(["", *arguments], arguments, strict=False):
        if before == "-X":
            method = word
        elif before == "-d":
            body = word
        elif word.startswith("url:"):
            address = word.removeprefix("url:")
    if body:
        json.loads(body.replace("…", "x"))
    service, _, path = address.partition("/")
    wanted = method or ("POST" if body else "GET")
    path = "/" + path.partition("?")[0]
    if service == "SERVICE":
        assert path.startswith("/v1/operations/"), f"not every service answers {path}"
        service = "order-router"
    assert answers(service, wanted, path), f"{service} does not answer {wanted} {path}"


def check_kubectl(arguments: list[str]) -> None:
    arguments = [word for word in arguments if word not in ("-n", "hub")]
    assert arguments[0] in VERBS, f"kubectl {arguments[0]}"
    if arguments[0] == "rollout":
        assert arguments[1] in ROLLOUT
    for word in arguments[1:]:
        kind, _, name = word.removeprefix("--from=").partition("/")
        if kind in ("deployment", "service", "job") and name:
            service = re.sub(r"-(migrate|replay-now)$" if kind == "job" else "$", "", name)
            assert service in {*SERVICES, "SERVICE"}, f"no {kind} is called {name}"
        if kind == "cronjob":
            assert name in CRON_JOBS, f"no {kind} is called {name}"
        if word.startswith("app.kubernetes.io/name="):
            assert name.partition("=")[2] in {*SERVICES, "SERVICE"}
        if re.fullmatch(r"hub_\w+", word):
            assert word.removeprefix("hub_").replace("_", "-") in SERVICES, f"no database is called {word}"
        if word.startswith("deploy/"):
            assert (REPO / word).is_dir()
        for variable in re.findall(r"^(HUB_\w+)=", word):
            assert variable.removeprefix("HUB_").lower() in SERVICES["order-ingest"].load().settings.model_fields
        if re.match(r"hub-(postgres|kafka)", word) and "restored" not in word:
            base = re.sub(r"-\d+$", "", word)
            manifests = (REPO / "deploy" / "k8s").rglob("*.yaml")
            assert any(f"name: {base}\n" in file.read_text() for file in manifests), f"nothing is called {base}"


@each_page
def test_every_step_is_a_command_that_exists(page: Path) -> None:
    found = list(steps(page))
    assert len(found) >= 3
    for step in found:
        program, *arguments = words(step)
        assert program in PROGRAMS, f"{step}: {program} is not among what an operator has"
        try:
            if program == "hub":
                resolve(arguments)
            elif program == "curl":
                check_curl(arguments)
            elif program == "kubectl":
                check_kubectl(arguments)
        except (AssertionError, UsageError, ValueError) as problem:
            pytest.fail(f"{page.name}: {step}: {problem}")


@each_page
def test_a_page_says_how_it_shows_what_happens_by_itself_what_to_do_and_when_it_is_over(page: Path) -> None:
    text = page.read_text()
    if page.stem != "README":
        assert re.findall(r"^## .*$", text, re.M) == SECTIONS
    for topic in re.findall(r"\bhub\.(?!example\b)[a-z-]+\b", text):
        assert topic in TOPIC_BY_NAME
    for target, _, anchor in (found.partition("#") for found in re.findall(r"\]\(([^)]+)\)", text)):
        file = (page.parent / target) if target else page
        assert file.is_file(), f"{page.name}: {target} does not exist"
        if anchor:
            titles = re.findall(r"^#+ (.*)$", file.read_text(), re.M)
            assert anchor in {title.lower().replace(" ", "-") for title in titles}, f"{page.name}: {target}#{anchor}"


def test_every_page_is_in_the_index() -> None:
    index = (REPO / "docs" / "runbooks" / "README.md").read_text()
    missing = [page.name for page in PAGES if page.stem != "README" and f"({page.name}" not in index]
    assert missing == []


@pytest.mark.parametrize(
    "step",
    [
        "hub orders seek X",
        "hub orders story",
        "hub effects settle X --verdict maybe --evidence y",
        "hub dlq retry --everything",
        "hub parked",
        'curl -sS -H "$AUTH" $(url order-router)/v1/orders/X/decision',
        'curl -sS -H "$AUTH" -X POST $(url order-ingest)/v1/pollers',
        "kubectl -n hub rollout undo deployment/order-maker",
        "kubectl -n hub explode deployment/order-router",
        "kubectl -n hub create job --from=cronjob/order-maker-replay order-maker-replay-now",
        "kubectl -n hub create job --from=cronjob/order-router-compare order-router-replay-now",
        "kubectl -n hub logs job/order-router-reply",
        "kubectl -n hub describe cluster hub-postgresql",
        "kubectl -n hub set env deployment/SERVICE HUB_INBOX_DAYS=3",
    ],
)
def test_a_step_that_does_not_exist_is_found(step: str) -> None:
    program, *arguments = words(step)
    check = {"hub": resolve, "curl": check_curl, "kubectl": check_kubectl}[program]
    with pytest.raises((AssertionError, UsageError)):
        check(arguments)
