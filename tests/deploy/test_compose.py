"""docker-compose.yml and Dockerfile agree with the code: services, databases, variables, topics, health."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_common.service import ServiceSpec
from hub_contracts.topics import TOPIC_BY_NAME
from sandbox.config import SandboxSettings

REPO = Path(__file__).resolve().parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((REPO / "docker-compose.yml").read_text())
SPECS: dict[str, ServiceSpec] = {entry.name: entry.load() for entry in entry_points(group="hub.services")}
INFRASTRUCTURE = {"kafka", "postgres", "topics", "sandbox", "otel-collector", "jaeger", "prometheus", "grafana"}


def test_every_service_of_the_code_is_there_and_no_other() -> None:
    assert set(COMPOSE["services"]) - INFRASTRUCTURE == set(SPECS)


def test_every_folder_of_services_is_installed_or_a_tool() -> None:
    folders = {path.name for path in (REPO / "services").iterdir() if (path / "pyproject.toml").exists()}
    assert folders == set(SPECS) | {"sandbox"}


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_service_runs_its_own_package_on_its_own_database(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["command"] == [SPECS[name].package]
    role = f"hub_{SPECS[name].package}"
    assert service["environment"]["HUB_DATABASE_DSN"].startswith(f"postgresql://{role}:")
    assert service["environment"]["HUB_DATABASE_DSN"].endswith(f"/{role}")


@pytest.mark.parametrize("name", sorted(SPECS))
def test_every_variable_is_a_setting_of_the_service(name: str) -> None:
    known = {f"HUB_{field.upper()}" for field in SPECS[name].settings.model_fields}
    assert set(COMPOSE["services"][name]["environment"]) <= known
    required = {
        f"HUB_{field.upper()}" for field, info in SPECS[name].settings.model_fields.items() if info.is_required()
    }
    assert required <= set(COMPOSE["services"][name]["environment"])


@pytest.mark.parametrize("name", sorted(SPECS))
def test_a_service_waits_for_what_it_needs_and_has_no_rights_it_does_not_need(name: str) -> None:
    service = COMPOSE["services"][name]
    assert service["depends_on"] == {
        "postgres": {"condition": "service_healthy"},
        "topics": {"condition": "service_completed_successfully"},
    }
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    drain = SPECS[name].settings.model_fields["drain_seconds"].default
    assert int(service["stop_grace_period"].removesuffix("s")) > drain


def test_databases_are_made_for_exactly_the_services() -> None:
    assert set(COMPOSE["services"]["postgres"]["environment"]["HUB_SERVICES"].split()) == set(SPECS)
    script = (REPO / "deploy" / "compose" / "init-databases.sh").read_text()
    assert "REVOKE CONNECT ON DATABASE" in script


def test_topics_come_from_the_code_and_never_by_accident() -> None:
    assert COMPOSE["services"]["topics"]["command"] == ["hub_common.create_topics"]
    assert COMPOSE["services"]["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
    for spec in SPECS.values():
        assert set(spec.listens) <= set(TOPIC_BY_NAME)
        assert spec.own_topic == "" or TOPIC_BY_NAME[spec.own_topic].writer == spec.name


def test_everything_that_runs_on_has_a_health_check_and_open_ports_only_on_this_machine() -> None:
    dockerfile = (REPO / "Dockerfile").read_text()
    assert "HEALTHCHECK" in dockerfile
    for name, service in COMPOSE["services"].items():
        if name in ("kafka", "postgres"):
            assert service["healthcheck"]["test"]
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} is open to the network: {port}"


def test_tracing_is_a_profile_and_the_collector_reads_where_the_services_send() -> None:
    """Nobody gets two more containers unasked; who asks for them needs one variable."""
    tracing = {name for name, service in COMPOSE["services"].items() if service.get("profiles") == ["tracing"]}
    assert tracing == {"otel-collector", "jaeger"}
    collector = yaml.safe_load((REPO / "deploy" / "observability" / "otel-collector.yaml").read_text())
    assert collector["receivers"]["otlp"]["protocols"]["http"]["endpoint"].endswith(":4318")
    assert collector["exporters"]["otlphttp"]["endpoint"] == "http://jaeger:4318"
    assert all(re.search(r":\d+\.\d+\.\d+$", COMPOSE["services"][name]["image"]) for name in tracing)


def test_prometheus_and_grafana_are_pinned_read_what_is_committed_and_need_no_password() -> None:
    for name in ("prometheus", "grafana"):
        service = COMPOSE["services"][name]
        assert re.search(r":v?\d+\.\d+\.\d+$", service["image"]), f"{name}: a version, not a moving tag"
        assert service["healthcheck"]["test"]
        assert service["cap_drop"] == ["ALL"]
        for volume in service["volumes"]:
            source = volume.partition(":")[0]
            assert not source.startswith("./") or ((REPO / source).exists() and volume.endswith(":ro"))
    mounted = {volume.split(":")[0]: volume.split(":")[1] for volume in COMPOSE["services"]["grafana"]["volumes"]}
    provider = yaml.safe_load((REPO / "deploy/observability/grafana/provisioning/dashboards/hub.yml").read_text())
    [dashboards] = provider["providers"]
    assert mounted["./deploy/observability/grafana/dashboards"] == dashboards["options"]["path"]
    source = yaml.safe_load((REPO / "deploy/observability/grafana/provisioning/datasources/prometheus.yml").read_text())
    assert source["datasources"][0]["url"] == "http://prometheus:9090"


def test_prometheus_asks_every_service_where_it_listens() -> None:
    listed = json.loads((REPO / "deploy" / "observability" / "targets.json").read_text())
    assert {target: entry["labels"]["service"] for entry in listed for target in entry["targets"]} == {
        f"{name}:8080": name for name in SPECS
    }, "run: python -m hub_tools.observability"
    ports = {COMPOSE["services"][name]["ports"][0].rpartition(":")[2] for name in SPECS}
    assert ports == {"8080"}


def test_published_ports_are_different() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", ())]
    assert len(ports) == len(set(ports))


def test_no_secret_is_written_down() -> None:
    text = (REPO / "docker-compose.yml").read_text()
    for line in text.splitlines():
        if re.search(r"(PASSWORD|TOKENS|KEYS|SECRET)\w*:", line):
            assert "${" in line, f"a secret must come from the environment: {line.strip()}"


def test_the_sandbox_has_its_own_image_and_known_settings() -> None:
    text = (REPO / "Dockerfile").read_text()
    for variable in re.findall(r"HUB_SANDBOX_(\w+)=", text):
        assert variable.lower() in SandboxSettings.model_fields
    assert "services/sandbox/) continue" in text, "the production image must not contain the simulators' service"


def test_the_image_is_built_in_stages_runs_as_nobody_and_carries_no_installer() -> None:
    text = (REPO / "Dockerfile").read_text()
    final = text[text.index("AS base") :]
    assert re.search(r"^USER 10001$", final, re.MULTILINE)
    assert "site-packages/*" in final
    assert not re.search(r"^RUN .*(pip install|apt-get)", final, re.MULTILINE)
    assert text.rstrip().endswith('CMD ["order_ingest"]'), "the last stage is the one that production builds"


def test_hadolint_has_nothing_to_say() -> None:
    result = subprocess.run(
        [Path(sys.executable).parent / "hadolint", REPO / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
