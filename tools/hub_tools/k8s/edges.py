"""The hub's edges to a cluster: addresses for the outside, secrets by reference, who is scheduled first."""

from __future__ import annotations

from collections.abc import Sequence

from hub_tools.k8s import postgres
from hub_tools.k8s.documents import Document, made
from hub_tools.k8s.facts import Facts
from hub_tools.k8s.kafka import patch

DOMAIN = "hub.example"
"""Reserved for examples (RFC 2606): an overlay that forgets to patch it reaches nobody."""
CONSOLE_HOST, API_HOST = f"console.{DOMAIN}", f"api.{DOMAIN}"
STORE = "hub"
COMMON_SECRET = "hub-secrets"  # noqa: S105  a name, not a secret
DEADLINE, STANDARD = "hub-deadline", "hub-standard"


def ingresses(services: Sequence[Facts]) -> list[Document]:
    """The console under its own name; what shops, marketplaces and feed readers call under another."""
    consoles = [each for each in services if each.calls_services]
    doors = [each for each in services if each.public_paths and not each.calls_services]
    return [
        _ingress("hub-console", CONSOLE_HOST, [(path, each) for each in consoles for path in each.public_paths]),
        _ingress("hub-api", API_HOST, [(path, each) for each in doors for path in each.public_paths]),
    ]


def _ingress(name: str, host: str, paths: list[tuple[str, Facts]]) -> Document:
    rules = [
        {
            "path": path,
            "pathType": "Prefix",
            "backend": {"service": {"name": each.name, "port": {"name": "http"}}},
        }
        for path, each in paths
    ]
    spec = {
        "ingressClassName": "nginx",
        "tls": [{"hosts": [host], "secretName": f"{name}-tls"}],
        "rules": [{"host": host, "http": {"paths": rules}}],
    }
    annotations = {
        "cert-manager.io/cluster-issuer": "letsencrypt",
        "nginx.ingress.kubernetes.io/force-ssl-redirect": "true",
        "nginx.ingress.kubernetes.io/proxy-body-size": "32m",
    }
    return made("networking.k8s.io/v1", "Ingress", name, spec, "ingress", annotations=annotations)


def public_addresses(services: Sequence[Facts]) -> list[Document]:
    """Patches that tell a service the address under which the outside reaches it."""
    return [
        patch(
            "Deployment",
            each.name,
            "service",
            {
                "env": [
                    {"name": "HUB_PUBLIC_URL", "value": f"https://{CONSOLE_HOST if each.calls_services else API_HOST}"}
                ]
            },
        )
        for each in services
        if each.public_paths and "public_url" in each.settings.model_fields
    ]


def external_secrets(services: Sequence[Facts]) -> list[Document]:
    """Every secret of the hub, fetched from a store that the cluster knows as `hub`. No value is here."""
    shared = {"operator-tokens": "operator-tokens", "credentials-keys": "credentials-keys"}
    backup = {key: key for key in ("ACCESS_KEY_ID", "ACCESS_SECRET_KEY")}
    found = [_fetched(COMMON_SECRET, "hub/common", shared), _fetched(postgres.STORE, "hub/backup", backup)]
    found.append(_role(postgres.SCRATCH_OF, "hub/replay/database", postgres.SCRATCH))
    for each in services:
        found.append(_role(each.name, f"hub/{each.name}/database", each.database))
        if each.own_secrets:
            keys = {key: key for key in each.own_secrets}
            found.append(_fetched(f"{each.name}-secrets", f"hub/{each.name}/settings", keys))
    return found


def _role(of: str, place: str, role: str) -> Document:
    """A database role's name and password, in the form that CloudNativePG takes."""
    template = {
        "type": "kubernetes.io/basic-auth",
        "metadata": {"labels": {"cnpg.io/reload": "true"}},
        "data": {"username": role, "password": "{{ .password }}"},
    }
    return _fetched(postgres.secret_name(of), place, {"password": "password"}, template)


def _fetched(name: str, place: str, keys: dict[str, str], template: Document | None = None) -> Document:
    spec = {
        "refreshInterval": "15m",
        "secretStoreRef": {"kind": "ClusterSecretStore", "name": STORE},
        "target": {"name": name, "creationPolicy": "Owner", **({"template": template} if template else {})},
        "data": [{"secretKey": key, "remoteRef": {"key": place, "property": field}} for key, field in keys.items()],
    }
    return made("external-secrets.io/v1", "ExternalSecret", name, spec, "secret")


def priority_classes() -> list[Document]:
    """When a cluster is short of room, what answers marketplaces in time is placed first."""
    found = []
    for name, value, text in (
        (DEADLINE, 100_000, "Services that answer marketplaces by a deadline."),
        (STANDARD, 50_000, "All other services of the hub."),
    ):
        document = made("scheduling.k8s.io/v1", "PriorityClass", name, {}, "priority")
        del document["spec"]
        found.append({**document, "value": value, "globalDefault": False, "description": text})
    return found


def priorities(services: Sequence[Facts]) -> list[Document]:
    """Patches that put each service into its class."""
    found = []
    for each in services:
        spec = {"priorityClassName": DEADLINE if each.has_deadlines else STANDARD}
        found.append(
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": each.name},
                "spec": {"template": {"spec": spec}},
            }
        )
    return found
