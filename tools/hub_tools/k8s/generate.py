"""Writes the components of `deploy/k8s` that follow from the code, and says which of them no longer do.

Only installed services can be asked what they need; one that was just scaffolded is there after `make setup`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import yaml

from hub_tools.k8s import edges, kafka, network, postgres, replays, scaling
from hub_tools.k8s.documents import NOTE, Document, kustomization, made, written
from hub_tools.k8s.facts import Facts, installed
from hub_tools.scaffold.service_names import services_of

COMPONENTS = Path("deploy/k8s/components")
RULES = Path("deploy/observability/rules")
GRAFANA = Path("deploy/observability/grafana")
OPTIONS = {"disableNameSuffixHash": True, "labels": {"grafana_dashboard": "1"}}
"""The label by which Grafana's sidecar finds dashboards."""

Texts = dict[Path, str]
"""Contents by path below the repository's root."""


def missing(root: Path) -> list[str]:
    """Services of the repository that are not installed, so that nothing can be said about their rights."""
    known = {each.name for each in installed()}
    return sorted(each.name for each in services_of(root) if each.name not in known)


def component_files(root: Path) -> Texts:
    """Every generated file of the components."""
    names = {each.name for each in services_of(root)}
    services = [each for each in installed() if each.name in names]
    texts: Texts = {}
    for component, make in _COMPONENTS.items():
        texts |= {COMPONENTS / component / name: text for name, text in make(services).items()}
    return texts | _monitoring(root) | _dashboards(root)


def drift(root: Path) -> list[str]:
    """What of the components on disk is not what the code says; one line each, empty when all agrees."""
    texts = component_files(root)
    found = [
        f"{path}: {'differs from the code' if (root / path).is_file() else 'missing'}"
        for path, text in texts.items()
        if not (root / path).is_file() or (root / path).read_text(encoding="utf-8") != text
    ]
    stale = [
        path.relative_to(root)
        for path in sorted((root / COMPONENTS).rglob("*.yaml"))
        if path.relative_to(root) not in texts and path.read_text(encoding="utf-8").startswith(NOTE)
    ]
    return found + [f"{path}: nothing writes it any more; remove it" for path in stale]


def _patches(*files: str) -> list[Document]:
    return [{"path": name} for name in files]


def _network(services: Sequence[Facts]) -> dict[str, str]:
    files = {
        "common.yaml": written(network.common()),
        "platform.yaml": written(network.platform()),
        "services.yaml": written(
            [*(network.of_service(each, services) for each in services), network.migrations(), network.replays()]
        ),
    }
    return {**files, "kustomization.yaml": kustomization(list(files))}


def _strimzi(services: Sequence[Facts]) -> dict[str, str]:
    literals = [f"{name}={value}" for name, value in kafka.SETTINGS.items()]
    generated = {"topics.yaml": written(kafka.topics()), "users.yaml": written(kafka.users(services))}
    return {
        **generated,
        "identities.yaml": written([kafka.identity(each) for each in services]),
        "kustomization.yaml": kustomization(
            ["cluster.yaml", *generated],
            configMapGenerator=[{"name": "hub-settings", "behavior": "merge", "literals": literals}],
            patches=_patches("identities.yaml"),
        ),
    }


def _postgres(services: Sequence[Facts]) -> dict[str, str]:
    files = {
        "cluster.yaml": written([postgres.cluster(services)]),
        "databases.yaml": written(postgres.databases(services)),
        "backups.yaml": written(postgres.backups()),
    }
    addresses = [document for each in services for document in postgres.addresses(each)]
    more = kustomization(list(files), patches=_patches("addresses.yaml"))
    return {**files, "addresses.yaml": written(addresses), "kustomization.yaml": more}


def _autoscaling(services: Sequence[Facts]) -> dict[str, str]:
    files = {
        "authentication.yaml": written([scaling.authentication()]),
        "scaled-objects.yaml": written(scaling.all_scaled(services)),
    }
    # With a number in the Deployment every `kubectl apply` would undo what the autoscaler decided.
    unset = {
        "target": {"kind": "Deployment", "labelSelector": "app.kubernetes.io/component=service"},
        "patch": "- {op: remove, path: /spec/replicas}\n",
    }
    return {**files, "kustomization.yaml": kustomization(list(files), patches=[unset])}


def _ingress(services: Sequence[Facts]) -> dict[str, str]:
    return {
        "ingress.yaml": written(edges.ingresses(services)),
        "addresses.yaml": written(edges.public_addresses(services)),
        "kustomization.yaml": kustomization(["ingress.yaml"], patches=_patches("addresses.yaml")),
    }


def _priorities(services: Sequence[Facts]) -> dict[str, str]:
    return {
        "classes.yaml": written(edges.priority_classes()),
        "priorities.yaml": written(edges.priorities(services)),
        "kustomization.yaml": kustomization(["classes.yaml"], patches=_patches("priorities.yaml")),
    }


def _external_secrets(services: Sequence[Facts]) -> dict[str, str]:
    text = written(edges.external_secrets(services))
    return {"external-secrets.yaml": text, "kustomization.yaml": kustomization(["external-secrets.yaml"])}


def _replay(services: Sequence[Facts]) -> dict[str, str]:
    text = written([replays.account(), *(replays.suspended(each) for each in services if each.rebuilt_from)])
    return {"replays.yaml": text, "kustomization.yaml": kustomization(["replays.yaml"])}


_COMPONENTS: dict[str, Callable[[Sequence[Facts]], dict[str, str]]] = {
    "network-policies": _network,
    "strimzi": _strimzi,
    "cloudnative-pg": _postgres,
    "autoscaling": _autoscaling,
    "ingress": _ingress,
    "priorities": _priorities,
    "external-secrets": _external_secrets,
    "replay": _replay,
}


def _monitoring(root: Path) -> Texts:
    """The alert rules as they are tested, in the shape that the Prometheus operator takes."""
    files = sorted(path for path in (root / RULES).glob("*") if path.suffix in (".yml", ".yaml"))
    rules = [
        made(
            "monitoring.coreos.com/v1",
            "PrometheusRule",
            f"hub-{path.stem}",
            yaml.safe_load(path.read_text(encoding="utf-8")),
            "monitoring",
        )
        for path in files
    ]
    place = COMPONENTS / "monitoring"
    resources = ["monitors.yaml", *(["rules.yaml"] if rules else [])]
    if any((root / GRAFANA / "dashboards").glob("*.json")):
        resources.append("../../../observability/grafana")
    texts = {place / "kustomization.yaml": kustomization(resources)}
    return texts | ({place / "rules.yaml": written(rules)} if rules else {})


def _dashboards(root: Path) -> Texts:
    """Makes the folder of the dashboards something that a kustomization can name: one ConfigMap each."""
    files = sorted((root / GRAFANA / "dashboards").glob("*.json"))
    maps = [
        {"name": f"hub-dashboard-{path.stem}", "files": [f"dashboards/{path.name}"], "options": OPTIONS}
        for path in files
    ]
    if not maps:
        return {}
    return {GRAFANA / "kustomization.yaml": kustomization([], kind="Kustomization", configMapGenerator=maps)}
