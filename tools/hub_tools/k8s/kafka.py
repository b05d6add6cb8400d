"""Strimzi objects: every topic as declared, one user per service with the rights that its code needs, and its mount.

A service reads what it listens to, in its own consumer group, and writes its own topics and the dead-letter topics of
what it reads. It creates nothing, and cannot read what it was not declared to: personal data least of all.
"""

from __future__ import annotations

from collections.abc import Sequence

from hub_contracts.topics import DEAD_LETTER_CONFIG, DEAD_LETTER_PARTITIONS, TOPICS
from hub_tools.k8s.documents import Document, made
from hub_tools.k8s.facts import Facts

CLUSTER = "hub-kafka"
API = "kafka.strimzi.io/v1"
BOOTSTRAP = f"{CLUSTER}-kafka-bootstrap:9093"
REPLICAS = 3
CA, IDENTITY = "/etc/hub/kafka-ca", "/etc/hub/kafka"
SETTINGS = {
    "HUB_KAFKA_BOOTSTRAP": BOOTSTRAP,
    "HUB_KAFKA_SECURITY_PROTOCOL": "SSL",
    "HUB_KAFKA_CA_FILE": f"{CA}/ca.crt",
    "HUB_KAFKA_CERT_FILE": f"{IDENTITY}/user.crt",
    "HUB_KAFKA_KEY_FILE": f"{IDENTITY}/user.key",
}
QUOTAS = {"producerByteRate": 20_971_520, "consumerByteRate": 104_857_600, "requestPercentage": 60}
"""Per broker, bytes a second: far above what a service does in its best hour, far below what starves the others."""
SCALER = "hub-autoscaler"
"""The user as whom KEDA asks how far each group is."""
REPLAYER = "hub-replay"
"""The user as whom services are rebuilt beside themselves, and so the name of the secret with its certificate."""


def user_name(service: str) -> str:
    """Name of a service's KafkaUser, and so of the secret with its certificate."""
    return f"{service}-kafka"


def topics() -> list[Document]:
    """Every topic of the contract with its dead-letter topic."""
    found: list[Document] = []
    for topic in TOPICS:
        for name, partitions, config in (
            (topic.name, topic.partitions, topic.config),
            (topic.dead_letter, DEAD_LETTER_PARTITIONS, DEAD_LETTER_CONFIG),
        ):
            spec = {"partitions": partitions, "replicas": REPLICAS, "config": dict(config)}
            document = made(API, "KafkaTopic", name, spec, "topic", of=topic.writer)
            document["metadata"]["labels"]["strimzi.io/cluster"] = CLUSTER
            found.append(document)
    return found


def rule(kind: str, name: str, *operations: str) -> Document:
    """One literal access rule; a prefix would give rights on topics that do not exist yet."""
    return {"resource": {"type": kind, "name": name, "patternType": "literal"}, "operations": list(operations)}


def rules(service: Facts, services: Sequence[Facts]) -> list[Document]:
    """What a service may do. Read and Write include Describe."""
    found = [rule("topic", name, "Read") for name in service.listens]
    if service.group:
        found.append(rule("group", service.group, "Read"))
    found += [rule("topic", name, "Write") for name in (*service.writes, *service.dead_letters)]
    if service.watches:
        found += [rule("group", other.group, "Describe") for other in services if other.group and other != service]
    return found


def users(services: Sequence[Facts]) -> list[Document]:
    """One user per service, one for the autoscaler that can see progress and no record, and one for replays.

    A replay reads every topic that tables follow from and writes nothing. It is no group's member: of the services'
    groups it sees how far they are, without which it could not tell whether a service is at rest.
    """
    found = [_user(user_name(each.name), each.name, rules(each, services)) for each in services]
    groups = [rule("group", each.group, "Describe") for each in services if each.group]
    seen = [rule("topic", topic.name, "Describe") for topic in TOPICS]
    told = sorted({name for each in services for name in each.rebuilt_from})
    read = [rule("topic", name, "Read", "Describe") for name in told]
    return [*found, _user(SCALER, SCALER, [*seen, *groups]), _user(REPLAYER, REPLAYER, [*read, *groups])]


def _user(name: str, of: str, acls: list[Document]) -> Document:
    spec = {
        "authentication": {"type": "tls"},
        "authorization": {"type": "simple", "acls": acls},
        "quotas": dict(QUOTAS),
    }
    document = made(API, "KafkaUser", name, spec, "kafka-user", of=of)
    document["metadata"]["labels"]["strimzi.io/cluster"] = CLUSTER
    return document


def identity(service: Facts) -> Document:
    """A patch that mounts the service's certificate and the brokers' authority."""
    mounts = [
        {"name": "kafka-ca", "mountPath": CA, "readOnly": True},
        {"name": "kafka", "mountPath": IDENTITY, "readOnly": True},
    ]
    volumes = [
        secret_volume("kafka-ca", f"{CLUSTER}-cluster-ca-cert", "ca.crt"),
        secret_volume("kafka", user_name(service.name), "user.crt", "user.key"),
    ]
    return patch("Deployment", service.name, "service", {"volumeMounts": mounts}, {"volumes": volumes})


def secret_volume(name: str, secret: str, *keys: str) -> Document:
    """A volume with these keys of a secret, readable by the pod's group only."""
    items = [{"key": key, "path": key} for key in keys]
    return {"name": name, "secret": {"secretName": secret, "defaultMode": 0o440, "items": items}}


def patch(kind: str, name: str, container: str, held: Document, pod: Document | None = None) -> Document:
    """A strategic merge patch of one container (and its pod) of a workload."""
    api = "apps/v1" if kind == "Deployment" else "batch/v1"
    spec: Document = {"containers": [{"name": container, **held}], **(pod or {})}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": {"template": {"spec": spec}}}
