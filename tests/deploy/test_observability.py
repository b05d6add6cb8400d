"""Alert rules, dashboards and autoscalers name what the code exports; every alert is tested and has a runbook."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest
import yaml

from hub_common.metrics import DutyTrouble, Metrics, Urgency
from hub_common.runtime import Runtime
from hub_contracts.registry import BY_TYPE
from hub_contracts.work import DeadlineKind
from hub_tools.observability.__main__ import drift
from hub_tools.setup.promtool import promtool
from notification_service.gauges import Gauges as NotificationGauges
from reconciliation.gauges import Gauges

REPO = Path(__file__).resolve().parents[2]
HOME = REPO / "deploy" / "observability"
RUNBOOKS = REPO / "docs" / "runbooks"
SEVERITIES = {"critical", "warning", "info"}
TARGET_LABELS = {"job", "service", "instance", "namespace"}
"""Put on by Prometheus, from its targets; rules and dashboards count on them."""
FOREIGN = {
    "up": set[str](),
    "kubelet_volume_stats_available_bytes": {"persistentvolumeclaim"},
    "kubelet_volume_stats_capacity_bytes": {"persistentvolumeclaim"},
    "kube_deployment_spec_replicas": {"deployment"},
    "kube_deployment_status_replicas_available": {"deployment"},
}
"""Metrics of Prometheus itself, of the kubelet and of kube-state-metrics, with their labels."""
KEYWORDS = frozenset(
    re.findall(
        r"\w+",
        "and or unless on ignoring group_left group_right by without bool offset vector scalar time sum min max count"
        " avg group rate increase topk clamp_min label_replace present_over_time histogram_quantile label_values",
    )
)
VALUES = {
    "urgency": {urgency.value for urgency in Urgency},
    "cause": {trouble.value for trouble in DutyTrouble} | {"credentials_refused", "acceptance_held"},
    "deadline": {kind.value for kind in DeadlineKind},
    "result": {"handled", "known", "ignored", "unknown", "parked", "dead"},
    "type": set(BY_TYPE),
    "state": {"UNKNOWN", "IN_FLIGHT", "used", "idle"},
    "status": {"5xx", "ambiguous", "bad_answer", "not_sent", "forbidden"},
    "duty": {"relay"},
    "job": {"hub"},
}
"""What a label that a rule compares can be."""


def exported() -> dict[str, frozenset[str]]:
    """Metrics of the runtime and of services that add their own, with their labels."""
    metrics = Metrics()
    for own in (Gauges, NotificationGauges):
        own(cast(Runtime, SimpleNamespace(metrics=metrics)))
    return metrics.labels()


LABELS: dict[str, set[str]] = {name: set(labels) | TARGET_LABELS for name, labels in exported().items()}
LABELS |= {name: labels | TARGET_LABELS for name, labels in FOREIGN.items()}


def rules() -> Iterator[dict[str, Any]]:
    for file in sorted((HOME / "rules").glob("*.yml")):
        for group in yaml.safe_load(file.read_text())["groups"]:
            yield from group["rules"]


ALERTS = {rule["alert"]: rule for rule in rules() if "alert" in rule}
RECORDED = {rule["record"] for rule in rules() if "record" in rule}


def dashboard_expressions() -> Iterator[tuple[str, str]]:
    for file in sorted((HOME / "grafana" / "dashboards").glob("*.json")):
        board = json.loads(file.read_text())
        for variable in board["templating"]["list"]:
            if variable["type"] == "query":
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["definition"]).groups()  # type: ignore[union-attr]
                yield f"{file.name}: ${variable['name']}", f'{metric}{{{label}=~"$x"}}'
        for panel in board["panels"]:
            for target in panel.get("targets", ()):
                yield f"{file.name}: {panel['title']}", target["expr"]


def autoscaler_queries(node: object) -> Iterator[str]:
    """Every Prometheus query of a KEDA trigger below a node of YAML."""
    if isinstance(node, dict):
        if node.get("type") == "prometheus" and isinstance(node.get("metadata"), dict):
            yield node["metadata"]["query"]
        for value in node.values():
            yield from autoscaler_queries(value)
    elif isinstance(node, list):
        for value in node:
            yield from autoscaler_queries(value)


def deployed_expressions() -> Iterator[tuple[str, str]]:
    for file in sorted((REPO / "deploy" / "k8s").rglob("*.yaml")):
        if "query:" in (text := file.read_text()):
            for document in yaml.safe_load_all(text):
                for query in autoscaler_queries(document):
                    yield str(file.relative_to(REPO)), query


def expressions() -> list[tuple[str, str]]:
    found = [(f"rule {rule.get('alert') or rule['record']}", rule["expr"]) for rule in rules()]
    return [*found, *dashboard_expressions(), *deployed_expressions()]


def problems_of(where: str, expression: str) -> list[str]:
    """Metrics, labels and values of an expression that nobody exports."""
    bare = re.sub(r'"(?:[^"\\]|\\.)*"', '""', expression)
    outside = re.sub(r"\{[^}]*\}|\[[^\]]*\]|\b(?:by|on|without)\s*\([^)]*\)|\b\d[\d.]*(?:e\d+|[smhdw])?", " ", bare)
    names = re.findall(r"[a-zA-Z_][\w:]*", outside)
    known = LABELS.keys() | RECORDED | KEYWORDS
    found = [f"{where}: {name} is exported by nobody" for name in names if name not in known]
    for name, inside in re.findall(r"([a-zA-Z_][\w:]*)\{([^}]*)\}", expression):
        for label, value in re.findall(r'(\w+)\s*(?:=~|!~|!=|=)\s*"([^"]*)"', inside):
            if label not in LABELS.get(name, {label}):
                found.append(f"{where}: {name} has no label {label}")
            if "$" not in value and label in VALUES and (odd := set(value.split("|")) - VALUES[label]):
                found.append(f"{where}: {label} of {name} is never {', '.join(sorted(odd))}")
    used = [LABELS[name] for name in names if name in LABELS]
    if used:
        grouped = re.findall(r"\b(?:by|on|without)\s*\(([^)]*)\)", bare)
        labels = {part.strip() for group in grouped for part in group.split(",") if part.strip()}
        found += [f"{where}: no metric there has the label {label}" for label in sorted(labels - set().union(*used))]
    return found


def test_every_metric_label_and_value_that_is_named_exists() -> None:
    named = expressions()
    assert len(named) > 80
    assert [problem for where, expression in named for problem in problems_of(where, expression)] == []


@pytest.mark.parametrize(
    ("expression", "problem"),
    [
        ("max by (service) (hub_outbox_age) > 1", "hub_outbox_age is exported by nobody"),
        ('hub_effects{status="UNKNOWN"}', "has no label status"),
        ('hub_effects{state="DOUBT"}', "is never DOUBT"),
        ("max by (shop) (hub_outbox_rows)", "has the label shop"),
        ("service:made_up:max > 1", "exported by nobody"),
    ],
)
def test_what_does_not_exist_is_found(expression: str, problem: str) -> None:
    assert any(problem in found for found in problems_of("here", expression))


def test_every_metric_of_the_code_is_looked_at_somewhere() -> None:
    """One that no rule and no dashboard names is measured for nobody."""
    seen = " ".join(expression for _, expression in expressions())
    own = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported() if name.startswith("hub_")}
    assert {name for name in own if not re.search(rf"\b{name}(_bucket|_sum|_count)?\b", seen)} == {
        "hub_deadline_slack_seconds"
    }, "the tightest of all is for people: a missed one would hide those that can still be saved"


@pytest.mark.parametrize("name", sorted(ALERTS))
def test_an_alert_says_how_bad_it_is_what_to_do_and_where_to_read_on(name: str) -> None:
    rule = ALERTS[name]
    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}
    path, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert path.startswith("docs/runbooks/")
    assert anchor == name.lower()
    assert f"### {name}\n" in (REPO / path).read_text(), f"{path} has no section about {name}"
    [row] = [line for line in (RUNBOOKS / "README.md").read_text().splitlines() if line.startswith(f"| `{name}` |")]
    assert f"| {rule['labels']['severity']} |" in row
    assert f"({Path(path).name}#{anchor})" in row


def test_no_runbook_speaks_of_an_alert_that_is_gone() -> None:
    told = {name for page in RUNBOOKS.glob("*.md") for name in re.findall(r"^### (\w+)$", page.read_text(), re.M)}
    assert told == set(ALERTS)
    listed = set(re.findall(r"^\| `(\w+)` \|", (RUNBOOKS / "README.md").read_text(), re.M))
    assert listed == set(ALERTS)


def test_every_alert_has_been_seen_to_be_raised_and_to_be_silent() -> None:
    raised: set[str] = set()
    silent: set[str] = set()
    for file in (HOME / "tests").glob("*.yml"):
        for case in yaml.safe_load(file.read_text())["tests"]:
            for check in case["promql_expr_test"]:
                name = re.search(r'alertname="(\w+)"', check["expr"])[1]  # type: ignore[index]
                (raised if check["exp_samples"] else silent).add(name)
    assert raised == set(ALERTS)
    assert silent == set(ALERTS) - {"Watchdog"}


@pytest.fixture(scope="module")
def tool() -> Path:
    found = promtool()
    if found.path is None:
        pytest.skip(f"promtool is not to be had: {found.why_not}")
    return found.path


def run(tool: Path, *arguments: str | Path) -> None:
    done = subprocess.run([tool, *arguments], cwd=HOME, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_prometheus_takes_the_configuration_and_the_rules(tool: Path) -> None:
    run(tool, "check", "config", "prometheus.yml")
    run(tool, "check", "rules", *sorted((HOME / "rules").glob("*.yml")))


def test_alerts_are_raised_when_they_should_and_only_then(tool: Path) -> None:
    run(tool, "test", "rules", *sorted((HOME / "tests").glob("*.yml")))


def test_dashboards_and_targets_are_those_of_the_code() -> None:
    assert drift() == [], "run: python -m hub_tools.observability"


def test_dashboards_are_whole() -> None:
    boards = [json.loads(file.read_text()) for file in (HOME / "grafana" / "dashboards").glob("*.json")]
    assert {board["uid"] for board in boards} == {"hub-overview", "hub-service", "hub-outside", "hub-infrastructure"}
    for board in boards:
        ids = [panel["id"] for panel in board["panels"]]
        assert len(ids) == len(set(ids))
        taken: set[tuple[int, int]] = set()
        for place in (panel["gridPos"] for panel in board["panels"]):
            cells = {
                (x, y)
                for x in range(place["x"], place["x"] + place["w"])
                for y in range(place["y"], place["y"] + place["h"])
            }
            assert not cells & taken, f"{board['title']}: panels lie on each other"
            assert place["x"] + place["w"] <= 24
            taken |= cells


def test_every_metric_is_explained() -> None:
    pages = (REPO / "docs" / "operations.md").read_text() + (REPO / "docs" / "reconciliation.md").read_text()
    own = {re.sub(r"_(bucket|sum|count)$", "", name) for name in exported() if name.startswith("hub_")}
    told = {f"hub_{name.removeprefix('hub_')}" for name in re.findall(r"`(\w+)(?:\{\w+\})?`", pages)}
    assert own - told == set()
