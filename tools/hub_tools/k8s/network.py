"""Who may speak to whom: nobody, except as the code of a service needs it.

A service that is broken into is then a way to its own database and its own topics, not to the neighbour's API, the
cloud's metadata address or a host on the internet that waits for what it finds.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from hub_tools.k8s import kafka, postgres
from hub_tools.k8s.documents import COMPONENT, PART, PART_OF, Document, made, selector
from hub_tools.k8s.facts import Facts

API = "networking.k8s.io/v1"
HTTP_PORT, KAFKA_PORT, POSTGRES_PORT, OTLP_PORT = 8080, 9093, 5432, 4318
MONITORING, INGRESS, AUTOSCALER = "monitoring", "ingress-nginx", "keda"
"""Namespaces of what is not ours; an overlay patches them where they are called otherwise."""
REPLAY = "replay"
"""The label `app.kubernetes.io/component` of pods that rebuild a service."""
PRIVATE_4 = ("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16")
PRIVATE_6 = ("::1/128", "fc00::/7", "fe80::/10")
"""Not the internet: other pods, nodes, and the address where clouds hand out credentials."""


def pods(labels: dict[str, str]) -> Document:
    """Pods of the hub's own namespace with these labels."""
    return {"podSelector": {"matchLabels": labels}}


def namespace(name: str) -> Document:
    """Every pod of a namespace."""
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def internet() -> list[Document]:
    """Every public address."""
    return [
        {"ipBlock": {"cidr": "0.0.0.0/0", "except": list(PRIVATE_4)}},
        {"ipBlock": {"cidr": "::/0", "except": list(PRIVATE_6)}},
    ]


def ports(numbers: Iterable[int], protocol: str = "TCP") -> list[Document]:
    """These ports."""
    return [{"protocol": protocol, "port": number} for number in numbers]


def policy(
    name: str, select: dict[str, str], ingress: list[Document], egress: list[Document], of: str = "network"
) -> Document:
    """A policy for both directions: what is not listed in one of its rules is not allowed by it."""
    spec = {
        "podSelector": {"matchLabels": select} if select else {},
        "policyTypes": ["Ingress", "Egress"],
        **({"ingress": ingress} if ingress else {}),
        **({"egress": egress} if egress else {}),
    }
    return made(API, "NetworkPolicy", name, spec, "network", of=of)


def common() -> list[Document]:
    """Nothing at all for every pod of the namespace, and names for every pod."""
    resolver = namespace("kube-system") | pods({"k8s-app": "kube-dns"})
    dns = [{"to": [resolver], "ports": [*ports([53], "UDP"), *ports([53])]}]
    return [policy("default-deny", {}, [], []), policy("allow-dns", {}, [], dns)]


def of_service(service: Facts, services: Sequence[Facts]) -> Document:
    """What one service needs."""
    ingress = [{"from": [namespace(MONITORING)], "ports": ports([HTTP_PORT])}]
    callers = [pods(selector(each.name)) for each in services if each.calls_services and each != service]
    if callers:
        ingress.append({"from": callers, "ports": ports([HTTP_PORT])})
    if service.public_paths:
        ingress.append({"from": [namespace(INGRESS)], "ports": ports([HTTP_PORT])})
    egress = [
        {"to": [pods({"cnpg.io/cluster": postgres.CLUSTER})], "ports": ports([POSTGRES_PORT])},
        {"to": [pods({"strimzi.io/cluster": kafka.CLUSTER})], "ports": ports([KAFKA_PORT])},
        {"to": [namespace(MONITORING)], "ports": ports([OTLP_PORT])},
    ]
    if service.calls_services:
        others = {PART: PART_OF, COMPONENT: "service"}
        egress.append({"to": [pods(others)], "ports": ports([HTTP_PORT])})
    if service.ports_out:
        egress.append({"to": internet(), "ports": ports(service.ports_out)})
    return policy(service.name, selector(service.name), ingress, egress, of=service.name)


def migrations() -> Document:
    """Migrations reach the database and nothing else."""
    to = [{"to": [pods({"cnpg.io/cluster": postgres.CLUSTER})], "ports": ports([POSTGRES_PORT])}]
    return policy("migrations", {PART: PART_OF, COMPONENT: "migration"}, [], to)


def replays() -> Document:
    """A replay reads the brokers and two databases. What it rebuilds holds everything: there is no other way out."""
    to = [
        {"to": [pods({"cnpg.io/cluster": postgres.CLUSTER})], "ports": ports([POSTGRES_PORT])},
        {"to": [pods({"strimzi.io/cluster": kafka.CLUSTER})], "ports": ports([KAFKA_PORT])},
    ]
    return policy("replays", {PART: PART_OF, COMPONENT: REPLAY}, [], to)


def platform() -> list[Document]:
    """What broker and database pods need, where they run beside the hub. Their operators add rules for themselves."""
    hub, services = {PART: PART_OF}, {PART: PART_OF, COMPONENT: "service"}
    replaying = {PART: PART_OF, COMPONENT: REPLAY}
    kafka_pods, postgres_pods = {"strimzi.io/cluster": kafka.CLUSTER}, {"cnpg.io/cluster": postgres.CLUSTER}
    # The address of the cluster's own API differs from place to place, and is often a private one.
    cluster_api = {"ports": ports([443, 6443])}
    return [
        policy(
            "kafka",
            kafka_pods,
            [
                {"from": [pods(kafka_pods)]},
                {"from": [pods(services), pods(replaying), namespace(AUTOSCALER)], "ports": ports([KAFKA_PORT])},
                {"from": [namespace(MONITORING)], "ports": ports([9404])},
            ],
            [{"to": [pods(kafka_pods)]}, cluster_api],
        ),
        policy(
            "postgres",
            postgres_pods,
            [
                {"from": [pods(postgres_pods)]},
                {"from": [pods(hub)], "ports": ports([POSTGRES_PORT])},
                {"from": [namespace("cnpg-system")], "ports": ports([8000, POSTGRES_PORT, 9090])},
                {"from": [namespace(MONITORING)], "ports": ports([9187])},
            ],
            [{"to": [pods(postgres_pods)]}, cluster_api],
        ),
    ]
