"""Every service: alive, ready, schema at head, clocks that agree, and what waits in its tables."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from hub_contracts.listeners import LISTENERS
from hub_tools.client.errors import CommandError
from hub_tools.client.hub import Hub
from hub_tools.client.output import age
from hub_tools.client.overview import SUMMARY
from hub_tools.doctor.model import Finding, bad, ok, warn

SKEW_SECONDS = 5.0
"""Leases and effects go by the database's clock, deadlines by the service's; beyond this they disagree."""
HERE_SECONDS = 30.0
"""This machine's clock only matters for what it shows."""
OUTBOX_SECONDS = 60.0


def services(hub: Hub) -> list[Finding]:
    """Ask all of them at once."""
    alive = hub.gather(lambda one: one.probe("/healthz"))
    ready = hub.gather(lambda one: one.probe("/readyz"), alive)
    figures = hub.gather(lambda one: one.get(SUMMARY), ready)
    findings: list[Finding] = []
    for name in hub.names:
        mine = [*_answers(hub, name, alive.missing.get(name), alive.get(name)), *ready_findings(name, ready.get(name))]
        if name in figures:
            mine += figure_findings(name, figures[name], datetime.now(UTC))
        elif name in figures.missing:
            mine.append(_no_figures(name, figures.missing[name]))
        wrong = [each for each in mine if each.grade != "ok"]
        findings += wrong or [ok("service", "alive, ready, schema at head, clocks agree, nothing old", name)]
    return findings


def _answers(
    hub: Hub, name: str, error: CommandError | None, health: tuple[bool, Mapping[str, Any]] | None
) -> list[Finding]:
    if error is not None:
        do = "start it: hub up; logs: hub stack status" if hub.target.local else "see its pods and the address given"
        return [bad("healthz", str(error), do, name)]
    if health is not None and not health[0]:
        do = "it will be restarted by its supervisor; its log says which loop hangs (docs/operations.md, Health)"
        return [bad("healthz", f"not alive: {health[1].get('details')}", do, name)]
    return []


def ready_findings(name: str, ready: tuple[bool, Mapping[str, Any]] | None) -> list[Finding]:
    """What `/readyz` tells."""
    if ready is None:
        return []
    details = ready[1].get("details", {})
    findings = []
    if not ready[0]:
        do = "see that its database runs and its HUB_DATABASE_DSN is right; if it is stopping, wait"
        findings.append(bad("readyz", f"not ready: {details}", do, name))
    # Only consumers are connected all the time; a service that listens to nothing reaches the broker when it tells.
    if details.get("broker") is False and any(name in listeners for listeners in LISTENERS.values()):
        do = "see that the broker runs and its HUB_KAFKA_BOOTSTRAP is right; events wait in the outbox meanwhile"
        findings.append(bad("readyz", "has no connection to the broker", do, name))
    return findings


def _no_figures(name: str, error: CommandError) -> Finding:
    if error.status in (401, 403):
        return bad("token", str(error), "set HUB_TOKEN to a token from HUB_OPERATOR_TOKENS, viewer or higher", name)
    if error.status == 404:
        return warn("summary", "is older than this command and gives no figures", "upgrade the service", name)
    return bad("summary", str(error), "see its log", name)


def figure_findings(name: str, figures: Mapping[str, Any], here: datetime) -> list[Finding]:
    """What a service's summary tells; `here` is the clock of the machine that asks."""
    return [
        each
        for each in (
            _schema(name, figures["schema"]),
            *_clocks(name, figures, here),
            _outbox(name, figures["outbox"]),
            _deadlines(name, figures["deadlines"], here),
            *_waiting(name, figures),
        )
        if each is not None
    ]


def _schema(name: str, schema: Mapping[str, Any]) -> Finding | None:
    if schema["revision"] == schema["head"]:
        return None
    do = f"run its migrations: python -m {name.replace('-', '_')} migrate (a newer schema is fine during a roll-out)"
    return warn("schema", f"schema is at {schema['revision']}, the code's head is {schema['head']}", do, name)


def _clocks(name: str, figures: Mapping[str, Any], here: datetime) -> list[Finding]:
    findings = []
    skew = float(figures["clock_skew_seconds"])
    if abs(skew) > SKEW_SECONDS:
        found = f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} its database's"
        findings.append(bad("clock", found, "let both machines keep time (chrony, systemd-timesyncd)", name))
    away = (here - datetime.fromisoformat(str(figures["now"]))).total_seconds()
    if abs(away) > HERE_SECONDS:
        found = f"this machine's clock is {abs(away):.0f} s {'ahead of' if away > 0 else 'behind'} the service's"
        findings.append(warn("clock_here", found, "let this machine keep time; what it shows as left is wrong", name))
    return findings


def _outbox(name: str, outbox: Mapping[str, Any]) -> Finding | None:
    oldest = outbox["oldest_seconds"]
    if oldest is None or float(oldest) < OUTBOX_SECONDS:
        return None
    do = "the relay does not reach the broker: see the broker, then the service's log; nothing is lost meanwhile"
    return bad("outbox", f"{outbox['rows']} events wait, the oldest for {age(float(oldest))}", do, name)


def _deadlines(name: str, deadlines: list[Mapping[str, Any]], here: datetime) -> Finding | None:
    missed = [each for each in deadlines if datetime.fromisoformat(str(each["due_at"])) < here]
    if not missed:
        return None
    kinds = ", ".join(str(each["kind"]) for each in missed)
    return bad(
        "deadlines", f"missed: {kinds}", "see what holds these orders back: hub parked list, hub effects list", name
    )


def _waiting(name: str, figures: Mapping[str, Any]) -> list[Finding]:
    findings = []
    if figures["dead_letters"]:
        do = "see the causes: hub dlq list; mend the cause, then: hub dlq retry --all --cause CAUSE --dry-run"
        findings.append(bad("dead_letters", f"{figures['dead_letters']} dead letters", do, name))
    doubts = figures["doubts"]
    if doubts["for_operators"]:
        do = "look at the marketplace or shop, then: hub effects settle ID --verdict … --evidence …"
        findings.append(bad("doubts", f"{doubts['for_operators']} effects in doubt need a person", do, name))
    elif doubts["count"]:
        do = "most settle by themselves within minutes; watch: hub effects list --state UNKNOWN"
        findings.append(warn("doubts", f"{doubts['count']} effects in doubt", do, name))
    parked = figures["parked"]
    if parked["overdue"]:
        found = f"{parked['overdue']} of {parked['count']} parked items are past their deadline"
        findings.append(bad("parked", found, "see what each needs: hub parked list", name))
    elif parked["count"]:
        found = f"{parked['count']} parked items"
        findings.append(warn("parked", found, "see what each needs: hub parked list", name))
    if figures["retries"]:
        found = f"{figures['retries']} events are being tried again"
        findings.append(warn("retries", found, "see why: GET /v1/operations/retries of the service", name))
    if not figures["credentials_key"]:
        findings.append(bad("keys", "no key to open credentials", "set HUB_CREDENTIALS_KEYS", name))
    return findings
