"""`hub new-service`, `hub register-service`, `hub k8s-base`: a service that fits in from its first minute."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Annotated

import typer

from hub_common.service import ServiceSpec
from hub_contracts.topics import TOPIC_BY_NAME
from hub_tools.client.output import AsJson, emit, teller, write
from hub_tools.scaffold import service_plan
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.service_k8s import base_files, drift
from hub_tools.scaffold.service_names import Service, services_of
from hub_tools.scaffold.service_register import Registration, changed, deployment_texts, write_texts
from hub_tools.setup.paths import REPO

Root = Annotated[Path, typer.Option("--root", help="Root of the clone to write to.", hidden=True)]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Check everything, list the files, write nothing.")]
Does = Annotated[str, typer.Option("--does", help="What it does, in a few words for the tables of services.")]
KEEPS = "keeps the last event of each key"
"""What the scaffold does until somebody makes it do something else."""


def new_service(
    name: Annotated[str, typer.Argument(help="Its name, as in stock-sync.")],
    topic: Annotated[str, typer.Option("--topic", help="The new topic that it alone writes, as in hub.stock.")],
    listens: Annotated[
        str, typer.Option("--listens", help="Topics it listens to, comma-separated; hub.connections comes by itself.")
    ] = "hub.orders",
    key: Annotated[str, typer.Option("--key", help="What its topic is keyed by.")] = "order_id",
    does: Does = KEEPS,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    root: Root = REPO,
) -> None:
    """Write a new service: code, migrations, tests, topic, compose and Kubernetes entries."""
    plan = service_plan.make_plan(root, name, topic, listens, key, does)
    if not dry_run:
        service_plan.write(root, plan)
    commands = ["make setup", ".venv/bin/hub k8s-base", f".venv/bin/pytest services/{name}"]
    about = {"service": name, "package": plan.registration.service.package, "topic": topic}
    answer = {**about, "listens": list(plan.registration.listens), "root": str(root), "dry_run": dry_run}
    answer |= {"files": plan.paths, "next": [] if dry_run else commands}
    emit(answer, as_json, lambda console: write(console, plan.paths))
    there = f"{name} is there. Next: {'; '.join(commands)}; docs/new-service.md says how to go on"
    teller(as_json)(f"{len(plan.paths)} files; nothing was written" if dry_run else there)


def register_service(
    name: Annotated[str, typer.Argument(help="A service that has its folder and is installed.")],
    does: Does = KEEPS,
    dry_run: DryRun = False,
    as_json: AsJson = False,
    root: Root = REPO,
) -> None:
    """Put a service that was written by hand into compose, Kubernetes base, layers and lists. Twice does no harm."""
    service = Service(name)
    if service not in services_of(root):
        raise ScaffoldError(f"services/{name}: no service of that name in an entry point hub.services")
    spec = _spec(service)
    domain = (root / "services" / name / service.package / "domain.py").is_file()
    wanted = Registration(service, spec.own_topic, spec.listens, "", does)
    texts = changed(root, deployment_texts(root, wanted, domain=domain))
    if not dry_run:
        write_texts(root, texts)
    files = [path.as_posix() for path in texts]
    answer = {"service": name, "root": str(root), "dry_run": dry_run, "files": files}
    emit(answer, as_json, lambda console: write(console, files))
    teller(as_json)(f"{len(files)} files " + ("would change" if dry_run else "changed"))


def k8s_base(
    check: Annotated[bool, typer.Option("--check", help="Write nothing; exit code 1 when something differs.")] = False,
    as_json: AsJson = False,
    root: Root = REPO,
) -> None:
    """Write the Kubernetes base from its template, components and Prometheus' targets from the code of the services."""
    # Asks every service what it needs, and so loads them all: not for other commands.
    from hub_tools.k8s import generate
    from hub_tools.observability.__main__ import IN_REPO
    from hub_tools.observability.__main__ import texts as observed

    tell, written = teller(as_json), list[str]()
    unknown = generate.missing(root)
    if unknown:
        tell(f"components left as they are: {', '.join(unknown)} not installed; run: make setup")
    if not check:
        monitored = {IN_REPO / name: text for name, text in observed().items()}
        texts = changed(root, base_files(root) | ({} if unknown else monitored | generate.component_files(root)))
        write_texts(root, texts)
        written = [path.as_posix() for path in texts]
    found = drift(root) + ([] if unknown else generate.drift(root))
    count = len(services_of(root))
    differences = [{"path": path, "found": what} for path, _, what in (line.partition(": ") for line in found)]
    answer = {"ok": not found, "check": check, "services": count, "not_installed": unknown, "written": written}
    emit({**answer, "differences": differences}, as_json, lambda console: write(console, [*written, *found]))
    tell(f"{count} services, {len(found)} differences")
    if found:
        raise typer.Exit(1)


def _spec(service: Service) -> ServiceSpec:
    """Its declaration. Raises `ScaffoldError` when it is not installed or its topic is not declared."""
    try:
        spec = importlib.import_module(f"{service.package}.main").SPEC
    except ModuleNotFoundError as error:
        raise ScaffoldError(f"{service.name}: {error}; install it first with: make setup") from None
    assert isinstance(spec, ServiceSpec), f"{service.package}.main:SPEC declares a service"
    if spec.own_topic and spec.own_topic not in TOPIC_BY_NAME:
        raise ScaffoldError(f"{service.name}: its topic {spec.own_topic} is not in hub_contracts/topics.py")
    return spec
