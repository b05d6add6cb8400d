"""The Kubernetes base agrees with the code and keeps to the `restricted` pod security standard.

Everything is checked on the parsed files, so it is checked on every machine; where `kustomize` or `kubectl` is
installed, the base is also built, without speaking to any cluster.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import pytest
import yaml

from hub_common.config import ServiceSettings
from hub_common.service import ServiceSpec
from hub_common.web.app import CHECK_SECONDS
from hub_tools.scaffold.service_k8s import drift

REPO = Path(__file__).resolve().parents[2]
BASE = REPO / "deploy" / "k8s" / "base"
SPECS: dict[str, ServiceSpec] = {entry.name: entry.load() for entry in entry_points(group="hub.services")}
INDEX: dict[str, Any] = yaml.safe_load((BASE / "kustomization.yaml").read_text())
SETTINGS_MAP = "hub-settings"
SHARED_SECRET = "hub-secrets"
NAMES = ("app.kubernetes.io/name", "app.kubernetes.io/component")

each_service = pytest.mark.parametrize("name", sorted(SPECS))

Document = dict[str, Any]


def documents(folder: Path) -> list[Document]:
    """Every object that the folder's kustomization names."""
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    return [document for file in listed for document in yaml.safe_load_all((folder / file).read_text())]


def one(name: str, kind: str) -> Document:
    [found] = [document for document in documents(BASE / name) if document["kind"] == kind]
    return found


def pod(document: Document) -> Document:
    spec: Document = document["spec"]["template"]["spec"]
    return spec


def container(document: Document) -> Document:
    found: list[Document] = pod(document)["containers"]
    assert len(found) == 1
    return found[0]


def workloads(name: str) -> list[Document]:
    return [one(name, "Deployment"), one(name, "Job")]


def literals() -> dict[str, str]:
    [generated] = INDEX["configMapGenerator"]
    assert generated["name"] == SETTINGS_MAP
    return dict(literal.split("=", 1) for literal in generated["literals"])


def sources(document: Document, settings: str) -> list[Document]:
    """Where variables come from: the shared settings, and for a service the secrets that only it has, if any."""
    own = {"secretRef": {"name": f"{document['metadata']['name']}-secrets", "optional": True}}
    return [{"configMapRef": {"name": settings}}, *([own] if document["kind"] == "Deployment" else [])]


def variables(document: Document) -> set[str]:
    """Every variable that the container gets, except secrets that only this service has."""
    held = container(document)
    assert held["envFrom"] == sources(document, SETTINGS_MAP)
    return {entry["name"] for entry in held["env"]} | set(literals())


def test_every_service_of_the_code_is_there_and_no_other() -> None:
    folders = {path.name for path in BASE.iterdir() if path.is_dir()}
    assert set(INDEX["resources"]) == folders == set(SPECS)


def test_the_base_is_what_its_templates_write() -> None:
    assert drift(REPO) == []


@each_service
def test_a_folder_names_every_file_in_it(name: str) -> None:
    folder = BASE / name
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    assert {path.name for path in folder.iterdir()} == {*listed, "kustomization.yaml"}
    kinds = sorted(document["kind"] for document in documents(folder))
    assert kinds == ["Deployment", "Job", "PodDisruptionBudget", "Service", "ServiceAccount"]


@each_service
def test_names_and_labels_match(name: str) -> None:
    for document in documents(BASE / name):
        component = "migration" if document["kind"] == "Job" else "service"
        assert document["metadata"]["name"] == (f"{name}-migrate" if component == "migration" else name)
        assert "namespace" not in document["metadata"], "the namespace is the overlay's"
        holders = [document, document.get("spec", {}).get("template", document)]
        for labels in (holder["metadata"]["labels"] for holder in holders):
            assert [labels[key] for key in NAMES] == [name, component]
            assert labels["app.kubernetes.io/part-of"] == "order-routing-hub"


@each_service
def test_selectors_find_the_services_pods_and_not_its_migration(name: str) -> None:
    deployment, job = workloads(name)
    selectors = [
        one(name, "Service")["spec"]["selector"],
        one(name, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"],
        deployment["spec"]["selector"]["matchLabels"],
        *(each["labelSelector"]["matchLabels"] for each in pod(deployment)["topologySpreadConstraints"]),
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= deployment["spec"]["template"]["metadata"]["labels"].items()
        assert not selector.items() <= job["spec"]["template"]["metadata"]["labels"].items()


@each_service
def test_it_runs_its_own_package_and_migrates_the_same(name: str) -> None:
    deployment, job = workloads(name)
    package = SPECS[name].package
    assert container(deployment)["args"] == [package]
    assert container(job)["args"] == [package, "migrate"]
    assert container(deployment)["image"] == container(job)["image"] == "order-routing-hub"
    assert 'ENTRYPOINT ["python", "-m"]' in (REPO / "Dockerfile").read_text()


def test_the_image_has_a_tag_and_it_is_not_the_latest() -> None:
    [image] = INDEX["images"]
    assert image["name"] == "order-routing-hub"
    assert str(image["newTag"]) not in ("", "latest")


@each_service
def test_ports_lead_to_where_it_listens(name: str) -> None:
    [port] = one(name, "Service")["spec"]["ports"]
    [open_port] = container(one(name, "Deployment"))["ports"]
    assert port["targetPort"] == open_port["name"]
    assert str(open_port["containerPort"]) == str(port["port"]) == literals()["HUB_HTTP_PORT"]
    assert literals()["HUB_HTTP_HOST"] == "0.0.0.0"  # noqa: S104  probes come from outside the pod


@each_service
def test_every_variable_is_a_setting_and_every_required_one_is_there(name: str) -> None:
    fields = SPECS[name].settings.model_fields
    required = {f"HUB_{field.upper()}" for field, info in fields.items() if info.is_required()}
    for document in workloads(name):
        assert required <= variables(document) <= {f"HUB_{field.upper()}" for field in fields}


def test_shared_settings_are_known_to_every_service_and_valid() -> None:
    values = {name.removeprefix("HUB_").lower(): value for name, value in literals().items()}
    assert values.keys() <= ServiceSettings.model_fields.keys()
    settings = ServiceSettings.model_validate({"database_dsn": "postgresql://x", **values})
    assert settings.auto_migrate is False, "a job migrates; replicas that start together must not"


@each_service
def test_secrets_come_by_reference_and_the_migration_gets_the_database_only(name: str) -> None:
    deployment, job = workloads(name)
    own = {"HUB_DATABASE_DSN": (f"{name}-database", "dsn")}
    shared = {
        "HUB_OPERATOR_TOKENS": (SHARED_SECRET, "operator-tokens"),
        "HUB_CREDENTIALS_KEYS": (SHARED_SECRET, "credentials-keys"),
    }
    assert secrets_of(job) == own
    assert secrets_of(deployment) == own | shared


def secrets_of(document: Document) -> dict[str, tuple[str, str]]:
    references = {
        entry["name"]: entry["valueFrom"].get("secretKeyRef")
        for entry in container(document)["env"]
        if "value" not in entry
    }
    return {name: (found["name"], found["key"]) for name, found in references.items() if found}


def test_no_secret_is_written_down() -> None:
    for path in sorted(BASE.parent.rglob("*.yaml")):
        text = path.read_text()
        assert "kind: Secret" not in text, path
        assert "secretGenerator" not in text, path
        assert not re.search(r"://[^/\s]*:[^/\s]*@", text), f"{path}: an address with a password"
        assert not re.search(r"(PASSWORD|TOKENS?|KEYS?|DSN)=", text), path
    for name in SPECS:
        for document in workloads(name):
            assert all("value" not in entry for entry in container(document)["env"])


@each_service
def test_pods_are_restricted(name: str) -> None:
    """Every field that the pod security standard `restricted` asks for, and a root file system nobody writes to."""
    for document in workloads(name):
        spec, held = pod(document), container(document)
        assert spec["securityContext"]["runAsNonRoot"] is True
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert f"USER {spec['securityContext']['runAsUser']}\n" in (REPO / "Dockerfile").read_text()
        assert held["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
        assert [set(volume) - {"name"} for volume in spec["volumes"]] == [{"emptyDir"}]
        assert spec["serviceAccountName"] == name
        assert spec["automountServiceAccountToken"] is False
    assert one(name, "ServiceAccount")["automountServiceAccountToken"] is False


@each_service
def test_only_a_hung_process_is_restarted(name: str) -> None:
    """Liveness asks /healthz, which says nothing about broker or database; readiness asks /readyz."""
    held = container(one(name, "Deployment"))
    paths = {probe: held[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe", "readinessProbe")}
    assert paths == {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    for probe in paths:
        assert held[probe]["timeoutSeconds"] > CHECK_SECONDS
        assert held[probe]["httpGet"]["port"] == "http"


@each_service
def test_a_roll_out_leaves_time_to_drain_and_never_takes_the_last_one(name: str) -> None:
    deployment = one(name, "Deployment")
    drain = SPECS[name].settings.model_fields["drain_seconds"].default
    assert (
        pod(deployment)["terminationGracePeriodSeconds"]
        > 3 * drain + container(deployment)["lifecycle"]["preStop"]["sleep"]["seconds"]
    ), "effects, duties and the outbox each get the drain time"
    assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0
    assert one(name, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    for document in workloads(name):
        resources = container(document)["resources"]
        assert resources["requests"].keys() == {"cpu", "memory"}
        assert "memory" in resources["limits"]


def built() -> Iterator[list[str]]:
    """The commands that build a kustomization, of those that are installed."""
    if found := shutil.which("kustomize"):
        yield [found, "build", str(BASE)]
    if found := shutil.which("kubectl"):
        yield [found, "kustomize", str(BASE)]


def test_the_base_builds() -> None:
    command = next(built(), None)
    if command is None:
        pytest.skip("neither kustomize nor kubectl is installed; the other tests read the same files")
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "KUBECONFIG": os.devnull}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=env, timeout=60)
    assert done.returncode == 0, done.stderr
    objects = list(yaml.load_all(done.stdout, Loader=yaml.CSafeLoader))
    kinds = [document["kind"] for document in objects]
    assert sorted(set(kinds)) == [
        "ConfigMap",
        "Deployment",
        "Job",
        "PodDisruptionBudget",
        "Service",
        "ServiceAccount",
    ]
    assert kinds.count("Deployment") == kinds.count("Job") == len(SPECS)
    [settings] = [document["metadata"]["name"] for document in objects if document["kind"] == "ConfigMap"]
    for document in objects:
        if document["kind"] in ("Deployment", "Job"):
            # Named by its content, so that a changed setting rolls the pods.
            assert container(document)["envFrom"] == sources(document, settings)
            assert ":" in container(document)["image"]
