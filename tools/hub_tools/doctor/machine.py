"""This machine, for a hub that runs on it: programs, disk, servers, ports."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from hub_tools.doctor.model import Finding, bad, ok, warn
from hub_tools.setup.jars import java_tools
from hub_tools.setup.paths import jars_dir
from hub_tools.stack import local
from hub_tools.stack.ports import is_idle
from hub_tools.stack.state import DataFolder
from hub_tools.stack.supervisor import Supervisor

PYTHON = (3, 11)
FREE_BAD, FREE_WARN = 1 << 30, 5 << 30
"""PostgreSQL stops with a full disk, and a broker loses its log folder; five GiB are some days of a busy hub."""


def programs() -> list[Finding]:
    """Python, Java and Maven."""
    version = ".".join(map(str, sys.version_info[:3]))
    found = (
        ok("python", f"Python {version}")
        if sys.version_info[:2] >= PYTHON
        else bad("python", f"Python {version} is too old", "install Python 3.11 and run: make setup")
    )
    tools = java_tools()
    findings = [found]
    if tools.java is None:
        do = "install Java 17, or let the broker run in a container, or set HUB_KAFKA_BOOTSTRAP; then: make setup"
        findings.append(warn("java", tools.why_not or "no java found", do))
    else:
        findings.append(ok("java", str(tools.java)))
    if tools.maven is not None or any(jars_dir().glob("*.jar")):
        findings.append(ok("maven", str(tools.maven or f"not needed: Kafka's jars are in {jars_dir()}")))
    else:
        do = "install Maven (it fetches Kafka's jars once) and run: make setup"
        findings.append(warn("maven", "no mvn found and Kafka's jars are not there", do))
    return findings


def disk(folder: Path | None) -> Finding:
    """Free space where PostgreSQL and the broker write."""
    place = folder or DataFolder().path
    existing = next(each for each in (place, *place.parents) if each.exists())
    free = shutil.disk_usage(existing).free
    text = f"{free / (1 << 30):.1f} GiB free at {existing}"
    do = f"make room, or move the data: HUB_DATA_DIR names the folder (now {place})"
    return (
        bad("disk", text, do) if free < FREE_BAD else warn("disk", text, do) if free < FREE_WARN else ok("disk", text)
    )


def servers(folder: Path | None) -> list[Finding]:
    """PostgreSQL and broker as the local stack knows them."""
    findings = []
    for server in local.status(folder):
        if server.running:
            findings.append(ok(server.name, f"{server.kind} at {server.address}"))
        elif server.kind:
            found = f"{server.kind} at {server.address} does not answer"
            findings.append(bad(server.name, found, "start it with: hub up"))
        else:
            findings.append(bad(server.name, "has never been started", "start it with: hub up"))
        if server.name == "broker" and server.kind == "wheel":
            do = "install Java 17 and Maven for the real broker; never use this one for more than development"
            findings.append(warn("broker_kind", "a Kafka-compatible stand-in from a wheel", do))
    return findings


def ports(folder: Path | None, urls: Mapping[str, str]) -> list[Finding]:
    """Ports that this hub has chosen and another program took."""
    if any(each.running for each in Supervisor(DataFolder(folder).services).statuses()):
        return [ok("ports", f"{len(urls)} ports are this hub's")]
    taken = {name: int(url.rpartition(":")[2]) for name, url in urls.items()}
    taken = {name: port for name, port in taken.items() if not is_idle(port)}
    do = "end the other program, or delete the service's line in secrets/hub.json so that another port is chosen"
    found = [bad("ports", f"another program listens on {port}", do, name) for name, port in sorted(taken.items())]
    return found or [ok("ports", f"{len(urls)} ports are free")]
