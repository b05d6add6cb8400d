"""What a cluster would be given keeps every promise: valid objects, restricted pods, rights and numbers of the code."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from jsonschema import Draft7Validator

from hub_tools.k8s import agreement, check, generate, kafka, policies
from hub_tools.k8s.documents import Document, written
from hub_tools.k8s.facts import installed
from hub_tools.k8s.policies import of_kind
from sandbox.config import SandboxSettings

REPO = Path(__file__).resolve().parents[2]
SCHEMAS = Path(__file__).parent / "k8s_schemas"
SERVICES = installed()
OVERLAYS = ["overlays/dev", "overlays/prod"]
PROD_COMPONENTS = {path.name for path in (REPO / generate.COMPONENTS).iterdir()}

Render = Callable[[str], list[Document]]

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)


@cache
def validators() -> dict[str, Draft7Validator]:
    """One validator per apiVersion/kind."""
    found: dict[str, Draft7Validator] = {}
    for path in sorted(SCHEMAS.glob("*.json")):
        content = json.loads(path.read_text())
        for kind, schema in content["kinds"].items():
            found[kind] = Draft7Validator(inlined(schema, content.get("definitions", {})))
    return found


def inlined(schema: Any, definitions: dict[str, Any]) -> Any:
    """A schema with its references filled in: looked up again for every object they take most of the time."""
    if isinstance(schema, list):
        return [inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return inlined(definitions[str(schema["$ref"]).rpartition("/")[2]], definitions)
    return {key: inlined(value, definitions) for key, value in schema.items()}


def invalid(document: Document) -> list[str]:
    """Where an object breaks the schema of its kind."""
    kind = f"{document['apiVersion']}/{document['kind']}"
    if kind not in validators():
        return [f"{kind}: no schema, so nothing says that a cluster takes it"]
    errors = validators()[kind].iter_errors(document)
    return [f"{policies.name_of(document)}: {error.json_path}: {error.message[:200]}" for error in errors]


@pytest.mark.parametrize("folder", ["base", *OVERLAYS])
def test_every_object_is_one_that_a_cluster_takes(render: Render, folder: str) -> None:
    documents = render(folder)
    assert [line for document in documents for line in invalid(document)] == []
    names = [(document["kind"], document["metadata"]["name"]) for document in documents]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("kind", "path", "value"),
    [
        ("Deployment", ("spec", "template", "spec", "containers", 0, "readyness"), {}),
        ("NetworkPolicy", ("spec", "egres"), []),
        ("ScaledObject", ("spec", "maxReplicaCount"), "4"),
        ("KafkaUser", ("spec", "authorization", "acls", 0, "operations"), ["Reed"]),
        ("KafkaTopic", ("spec", "partition"), 3),
        ("KafkaNodePool", ("spec", "storage", "volumes", 0, "type"), "claim"),
        ("Cluster", ("spec", "managed", "roles", 0, "connectionLimit"), "many"),
        ("ScheduledBackup", ("spec", "schedule"), "0 2 * * *"),
        ("ServiceMonitor", ("spec", "endpoints", 0, "relabelling"), []),
        ("ExternalSecret", ("spec", "data", 0, "remoteRef"), {}),
    ],
)
def test_a_slip_of_the_pen_is_seen(render: Render, kind: str, path: tuple[str | int, ...], value: object) -> None:
    document = of_kind(render("overlays/prod"), kind)[0]
    assert invalid(document) == []
    place: Any = document
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    assert len(invalid(document)) == 1


@each_overlay
def test_pods_are_restricted_and_say_what_they_need(render: Render, overlay: str) -> None:
    documents = render(overlay)
    assert policies.restricted(documents) == []
    assert policies.resources(documents) == []
    assert policies.images(documents, digest=overlay.endswith("prod")) == []
    assert policies.part_of_hub(documents) == []


@each_overlay
def test_no_secret_is_written_down(render: Render, overlay: str) -> None:
    assert policies.secrets(render(overlay)) == []


@each_overlay
def test_nothing_stops_while_releases_come_and_nodes_go(render: Render, overlay: str) -> None:
    documents = render(overlay)
    assert policies.probes(documents) == []
    assert policies.roll_outs(documents, SERVICES) == []
    assert policies.selected(documents) == []


@each_overlay
def test_services_settings_and_files_are_those_of_the_code(render: Render, overlay: str) -> None:
    documents = render(overlay)
    assert agreement.deployed(documents, SERVICES) == []
    assert agreement.variables(documents, SERVICES) == []
    assert agreement.mounted(documents, SERVICES) == []


@each_overlay
def test_topics_rights_and_databases_are_those_of_the_code(render: Render, overlay: str) -> None:
    documents = render(overlay)
    assert agreement.topics(documents, replicas=kafka.REPLICAS if overlay.endswith("prod") else 1) == []
    assert agreement.access(documents, SERVICES) == []
    assert agreement.databases(documents, SERVICES) == []


@each_overlay
def test_nobody_speaks_to_anybody_without_a_reason(render: Render, overlay: str) -> None:
    assert agreement.firewalls(render(overlay), SERVICES) == []


def test_production_scales_watches_and_opens_what_it_should_and_has_no_simulators(render: Render) -> None:
    documents = render("overlays/prod")
    assert agreement.scaling(documents, SERVICES) == []
    assert agreement.watched(documents, SERVICES) == []
    assert agreement.doors(documents, SERVICES) == []
    assert policies.no_sandbox(documents) == []
    assert policies.no_sandbox(render("overlays/dev")) != []


def test_production_survives_the_loss_of_one_of_anything(render: Render) -> None:
    documents = render("overlays/prod")
    assert {pool["spec"]["replicas"] for pool in of_kind(documents, "KafkaNodePool")} == {3}
    [kafka_cluster], [database] = of_kind(documents, "Kafka"), of_kind(documents, "Cluster")
    config = kafka_cluster["spec"]["kafka"]["config"]
    assert (config["default.replication.factor"], config["min.insync.replicas"]) == (3, 2)
    assert config["unclean.leader.election.enable"] is config["auto.create.topics.enable"] is False
    assert database["spec"]["instances"] == 3
    assert database["spec"]["postgresql"]["synchronous"]["number"] == 1


def test_production_uses_every_component() -> None:
    index = yaml.safe_load((REPO / "deploy/k8s/overlays/prod/kustomization.yaml").read_text())
    assert {Path(name).name for name in index["components"]} == PROD_COMPONENTS


def test_what_answers_by_a_deadline_is_scheduled_first(render: Render) -> None:
    documents = render("overlays/prod")
    values = {each["metadata"]["name"]: each["value"] for each in of_kind(documents, "PriorityClass")}
    given = {
        each["metadata"]["name"]: policies.pod_of(each)["priorityClassName"]
        for each in of_kind(documents, "Deployment")
    }
    urgent = {each.name for each in SERVICES if each.has_deadlines}
    assert {"order-acceptance", "shipment-notifier"} <= urgent < given.keys()
    assert min(values[given[name]] for name in urgent) > max(values[given[name]] for name in given.keys() - urgent)


def test_every_secret_that_is_referred_to_is_fetched_or_made_by_an_operator(render: Render) -> None:
    documents = render("overlays/prod")
    fetched = {
        each["spec"]["target"]["name"]: {entry["secretKey"] for entry in each["spec"]["data"]}
        | set(each["spec"]["target"].get("template", {}).get("data", {}))
        for each in of_kind(documents, "ExternalSecret")
    }
    text = json.dumps(documents)
    for reference in re.findall(r'"secretKeyRef": (\{[^}]*\})', text):
        wanted = json.loads(reference)
        assert wanted["key"] in fetched[wanted["name"]], wanted
    users = {user["metadata"]["name"] for user in of_kind(documents, "KafkaUser")}
    made = users | {"hub-kafka-cluster-ca-cert", "hub-postgres-ca"}
    assert set(re.findall(r'"secretName": "([^"]*)"', text)) - made == {"hub-console-tls", "hub-api-tls"}
    for role in of_kind(documents, "Cluster")[0]["spec"]["managed"]["roles"]:
        assert fetched[role["passwordSecret"]["name"]] >= {"username", "password"}
    for service in SERVICES:
        assert fetched.get(f"{service.name}-secrets", set()) == set(service.own_secrets)


def test_the_broker_is_the_one_that_the_hub_is_tested_with(render: Render) -> None:
    compose = yaml.safe_load((REPO / "docker-compose.yml").read_text())
    version = of_kind(render("overlays/prod"), "Kafka")[0]["spec"]["kafka"]["version"]
    assert compose["services"]["kafka"]["image"] == f"apache/kafka:{version}"


def test_the_simulators_get_settings_that_they_have(render: Render) -> None:
    [sandbox] = [
        each for each in of_kind(render("overlays/dev"), "Deployment") if each["metadata"]["name"] == "sandbox"
    ]
    names = {entry["name"].removeprefix("HUB_SANDBOX_").lower() for entry in policies.containers(sandbox)[0]["env"]}
    assert names <= set(SandboxSettings.model_fields)


def test_components_are_what_the_code_says() -> None:
    assert generate.missing(REPO) == []
    assert generate.drift(REPO) == []


def test_alert_rules_reach_the_cluster_as_they_are_tested(render: Render) -> None:
    given = {each["metadata"]["name"]: each["spec"] for each in of_kind(render("overlays/prod"), "PrometheusRule")}
    rules = {f"hub-{path.stem}": yaml.safe_load(path.read_text()) for path in (REPO / generate.RULES).glob("*.y*ml")}
    assert given == rules != {}
    maps = {each["metadata"]["name"] for each in of_kind(render("overlays/prod"), "ConfigMap")}
    boards = {path.stem for path in (REPO / generate.GRAFANA / "dashboards").glob("*.json")}
    assert {f"hub-dashboard-{name}" for name in boards} <= maps


def test_an_overlay_of_ones_own_can_be_checked(
    render: Render, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    documents = render("overlays/prod")
    assert check.broken(documents, SERVICES, production=True) == []
    assert check.broken(render("overlays/dev"), SERVICES, production=False) == []
    policies.pod_of(of_kind(documents, "Deployment")[0])["hostNetwork"] = True
    monkeypatch.setattr("sys.stdin", io.StringIO(written(of_kind(documents, "Deployment")[:1])))
    assert check.main(["--production"]) == 1
    assert "hostNetwork is on" in capsys.readouterr().out
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert check.main([]) == check.main(["--prod"]) == 2
