"""The whole hub in one look: every service's readiness and figures, the broker, lag, and the tightest deadline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from hub_common.kafka.records import BrokerDown
from hub_common.kafka.watch import lag_of
from hub_contracts.listeners import LISTENERS
from hub_tools.client.errors import CommandError
from hub_tools.client.http import ServiceClient
from hub_tools.client.hub import SANDBOX, Hub
from hub_tools.stack.waiting import run_sync

SUMMARY = "/v1/operations/summary"


@dataclass(frozen=True)
class Lag:
    """Records that wait, per service; `error` when the broker could not be asked."""

    by_service: Mapping[str, int]
    error: str = ""


def lag_by_service(hub: Hub) -> Lag:
    """Asks the broker itself, so that services that are down count too."""
    prefix = hub.target.topic_prefix
    listens: dict[str, list[str]] = {}
    for topic, services in LISTENERS.items():
        for service in services:
            listens.setdefault(prefix + service, []).append(prefix + topic)
    try:
        _, lag = run_sync(lag_of(hub.broker(), listens))
    except (BrokerDown, CommandError) as error:
        return Lag({}, str(error))
    return Lag({group.removeprefix(prefix): sum(by_tp.values()) for group, by_tp in lag.items()})


def overview(hub: Hub) -> dict[str, Any]:
    """What `hub status` shows; never raises for what does not answer."""
    ready = hub.gather(lambda one: one.probe("/readyz"))
    figures = hub.gather(lambda one: one.get(SUMMARY), ready)
    lag = lag_by_service(hub)
    services = []
    for name in hub.names:
        ok, answer = ready.get(name, (False, {}))
        failed = ready.missing.get(name) or figures.missing.get(name)
        services.append(
            {
                "service": name,
                "url": hub.target.urls[name],
                "state": "ready" if ok else "not ready" if name in ready else "no answer",
                "database": answer.get("details", {}).get("database"),
                "broker": answer.get("details", {}).get("broker"),
                "error": str(failed) if failed else None,
                "lag_records": lag.by_service.get(name),
                "figures": figures.get(name),
            }
        )
    deadlines = _deadlines([each["figures"] for each in services if each["figures"]])
    return {
        "ok": all(each["state"] == "ready" and not each["error"] for each in services) and not lag.error,
        "services": services,
        "sandbox": _sandbox(hub),
        "broker": {"reached": not lag.error, "error": lag.error or None},
        "tightest_deadline": deadlines[0] if deadlines else None,
        "deadlines": deadlines,
    }


def _sandbox(hub: Hub) -> dict[str, Any] | None:
    """The simulators, which only a local hub has."""
    if SANDBOX not in hub.target.urls:
        return None
    client: ServiceClient = hub.service(SANDBOX, timeout=5)
    try:
        ok, _ = client.probe("/healthz")
    except CommandError:
        ok = False
    return {"url": hub.target.urls[SANDBOX], "state": "ready" if ok else "no answer"}


def _deadlines(figures: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Nearest first; time left is counted by the clock of this machine."""
    now = datetime.now(UTC)
    found = [
        {
            "kind": each["kind"],
            "service": one["service"],
            "count": each["count"],
            "due_at": each["due_at"],
            "seconds_left": int((datetime.fromisoformat(str(each["due_at"])) - now).total_seconds()),
        }
        for one in figures
        for each in one["deadlines"]
    ]
    return sorted(found, key=lambda each: each["seconds_left"])
