"""Accounts outside: connections that cannot be verified, pollers that fail, call budgets that do not last, keys that
differ between services."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hub_tools.client.connections import all_connections
from hub_tools.client.errors import CommandError
from hub_tools.client.hub import INGEST, Hub
from hub_tools.client.output import age
from hub_tools.client.overview import SUMMARY
from hub_tools.doctor.model import Finding, bad, ok, skipped, warn

STALE_SECONDS = 900.0
"""No marketplace is polled less often than every few minutes; a quarter of an hour is orders that come late."""


def accounts(hub: Hub) -> list[Finding]:
    """Everything that depends on marketplaces and shops."""
    return [*_connections(hub), *_pollers(hub), *_budgets(hub), *_keys(hub)]


def _connections(hub: Hub) -> list[Finding]:
    try:
        found = all_connections(hub)
    except CommandError as error:
        return [skipped("connections", str(error))]
    return connection_findings(found)


def connection_findings(connections: Sequence[dict[str, Any]]) -> list[Finding]:
    """Connections in use that were never proven, or whose last proof failed; credentials that are missing."""
    findings = []
    used = [each for each in connections if each["state"] != "inactive"]
    for each in used:
        label, seen = each["label"], each.get("verification")
        do = f"hub connections verify {each['connection_id']}; then correct credentials, address or settings as it says"
        missing = [field["name"] for field in each["credentials"] if field["required"] and not field["set"]]
        if missing:
            findings.append(bad("credentials", f"{label}: missing {', '.join(missing)}", do))
        elif seen and not seen["ok"]:
            findings.append(bad("verification", f"{label}: {seen['detail']} ({seen['at']})", do))
        elif not each.get("verified", bool(seen)):
            findings.append(warn("verification", f"{label}: in use and never verified", do))
    return findings or [ok("connections", f"{len(used)} in use, {len(connections) - len(used)} inactive")]


def _pollers(hub: Hub) -> list[Finding]:
    rows: list[dict[str, Any]] = []
    after: str | None = None
    try:
        while True:
            page = hub.service(INGEST).get("/v1/pollers", {"limit": 1000, "after": after})
            rows += page["items"]
            after = page["next"]
            if after is None:
                return poller_findings(rows)
    except CommandError as error:
        return [skipped("pollers", str(error))]


def poller_findings(rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """Marketplace connections whose orders cannot be read, or have not been for long."""
    findings = []
    for row in rows:
        if row["state"] != "active":
            continue
        do = f"hub connections verify {row['connection_id']}; the log of order-ingest tells more"
        if row["consecutive_failures"]:
            found = f"{row['label']}: {row['consecutive_failures']} polls failed in a row: {row['last_error']}"
            findings.append(bad("pollers", found, do))
        elif row["age_seconds"] is not None and float(row["age_seconds"]) > STALE_SECONDS:
            found = f"{row['label']}: last read {age(float(row['age_seconds']))} ago"
            findings.append(bad("pollers", found, do))
    return findings or [ok("pollers", f"{sum(1 for row in rows if row['state'] == 'active')} poll in time")]


def _budgets(hub: Hub) -> list[Finding]:
    found = hub.gather(lambda one: one.get("/v1/operations/budgets", {"limit": 1000}))
    findings = budget_findings(found.items_of())
    return findings or [ok("budgets", f"{sum(answer['total'] for answer in found.values())} call budgets last")]


def budget_findings(lines: Sequence[dict[str, Any]]) -> list[Finding]:
    """Budgets that do not last, and those that the outside has refused."""
    findings = []
    for line in lines:
        name = f"{line['connector']} {line['operation']} ({line['credential']})"
        if line["penalised_until"]:
            do = "if this comes again and again the true limit is lower: lower the budget of the connection"
            findings.append(warn("budgets", f"{name}: refused until {line['penalised_until']}", do, line["service"]))
        elif line["verdict"] == "short":
            do = "give the operation a larger share, or ask the marketplace for more calls (docs/operations.md)"
            findings.append(bad("budgets", f"{name}: {line['forecast']}", do, line["service"]))
    return findings


def _keys(hub: Hub) -> list[Finding]:
    found = hub.gather(lambda one: one.get(SUMMARY))
    return key_findings({name: str(answer["credentials_key"]) for name, answer in found.items()})


def key_findings(keys: dict[str, str]) -> list[Finding]:
    """All services must seal and open with the same keys; during a rotation they differ for as long as it lasts."""
    if len(set(keys.values())) <= 1:
        return [ok("keys", f"all services use key {next(iter(keys.values()), 'none')}")] if keys else []
    by_key: dict[str, list[str]] = {}
    for service, key in keys.items():
        by_key.setdefault(key, []).append(service)
    found = "; ".join(f"{key}: {', '.join(sorted(names))}" for key, names in sorted(by_key.items()))
    return [warn("keys", f"services seal with different keys: {found}", "finish the rotation: HUB_CREDENTIALS_KEYS")]
