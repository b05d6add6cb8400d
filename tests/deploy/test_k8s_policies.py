"""Each promise about a deployment can be broken, and then somebody says so: policies against deliberately bad objects.

Every case begins with what production really gets, takes one guarantee away as a patch or a slip would, and expects the
one policy that guards it to name the object and the harm.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hub_tools.k8s import agreement, kafka, policies
from hub_tools.k8s.documents import Document, made
from hub_tools.k8s.facts import MAIL_PORTS, facts_of, installed
from hub_tools.k8s.policies import of_kind
from order_router.main import SPEC as ORDER_ROUTER

SERVICES = installed()
Break = Callable[[list[Document]], object]
Policy = Callable[[Sequence[Document]], list[str]]
ROUTER = "Deployment order-router"


def one(documents: Sequence[Document], kind: str, name: str) -> Document:
    [found] = [each for each in of_kind(documents, kind) if each["metadata"]["name"] == name]
    return found


def router(documents: Sequence[Document]) -> Document:
    """The pod of a service that calls nobody outside."""
    return policies.pod_of(one(documents, "Deployment", "order-router"))


def held(documents: Sequence[Document]) -> Document:
    container: Document = router(documents)["containers"][0]
    return container


def settings(documents: Sequence[Document]) -> dict[str, str]:
    [found] = [each for each in of_kind(documents, "ConfigMap") if each["metadata"]["name"].startswith("hub-settings")]
    data: dict[str, str] = found["data"]
    return data


def put(place: Callable[[list[Document]], Any], **values: Any) -> Break:
    return lambda documents: place(documents).update(values)


def take(place: Callable[[list[Document]], Any], key: str) -> Break:
    return lambda documents: place(documents).pop(key)


def drop(kind: str, name: str) -> Break:
    return lambda documents: documents.remove(one(documents, kind, name))


def spec(kind: str, name: str) -> Callable[[list[Document]], Any]:
    return lambda documents: one(documents, kind, name)["spec"]


def acls(documents: Sequence[Document]) -> Any:
    return one(documents, "KafkaUser", "order-router-kafka")["spec"]["authorization"]["acls"]


def egress(documents: Sequence[Document], rule: Document) -> None:
    one(documents, "NetworkPolicy", "order-router")["spec"]["egress"].append(rule)


def trigger(documents: Sequence[Document], number: int) -> Any:
    return one(documents, "ScaledObject", "order-router")["spec"]["triggers"][number]["metadata"]


def probe(documents: Sequence[Document]) -> Any:
    return held(documents)["livenessProbe"]["httpGet"]


def context(documents: Sequence[Document]) -> Any:
    return held(documents)["securityContext"]


def listener(documents: Sequence[Document]) -> Any:
    return one(documents, "Kafka", "hub-kafka")["spec"]["kafka"]["listeners"][0]


def production_images(documents: Sequence[Document]) -> list[str]:
    return policies.images(documents, digest=True)


def any_images(documents: Sequence[Document]) -> list[str]:
    return policies.images(documents, digest=False)


def topics(documents: Sequence[Document]) -> list[str]:
    return agreement.topics(documents, replicas=kafka.REPLICAS)


def of_services(policy: Callable[..., list[str]]) -> Policy:
    return lambda documents: policy(documents, SERVICES)


def roles(documents: Sequence[Document]) -> Any:
    return one(documents, "Cluster", "hub-postgres")["spec"]["managed"]["roles"]


def secret_object(documents: list[Document]) -> None:
    documents.append(made("v1", "Secret", "hub-secrets", {}, "secret"))


RESTRICTED: list[tuple[Break, str]] = [
    (put(lambda d: router(d)["securityContext"], runAsNonRoot=False), "may run as root"),
    (take(lambda d: router(d)["securityContext"], "seccompProfile"), "no seccomp"),
    (put(router, hostNetwork=True), "hostNetwork"),
    (lambda d: router(d)["volumes"].append({"name": "x", "hostPath": {"path": "/"}}), "is a hostPath"),
    (put(router, automountServiceAccountToken=True), "gets a token"),
    (take(router, "serviceAccountName"), "default service account"),
    (put(context, allowPrivilegeEscalation=True), "gain privileges"),
    (put(context, capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}), "keeps capabilities"),
    (put(context, readOnlyRootFilesystem=False), "can write"),
    (put(context, runAsUser=0), "may run as root"),
    (lambda d: router(d).update(initContainers=[{"name": "i", "image": "x"}]), "order-router/i"),
    (put(lambda d: held(d)["ports"][0], hostPort=80), "port of its node"),
    (lambda d: one(d, "Namespace", "hub")["metadata"].update(labels={}), "Namespace hub"),
]
PODS: list[tuple[Policy, Break, str]] = [
    (policies.resources, take(lambda d: held(d)["resources"]["requests"], "cpu"), "requests lack"),
    (policies.resources, take(lambda d: held(d)["resources"], "limits"), "no limit of memory"),
    (policies.resources, put(lambda d: held(d)["resources"]["limits"], cpu="1"), "throttled"),
    (production_images, put(held, image="images.example/order-routing-hub:1.4.2"), "not named by digest"),
    (any_images, put(held, image="order-routing-hub:latest"), "something else tomorrow"),
    (any_images, put(held, image="images.example:5000/order-routing-hub"), "something else tomorrow"),
    (policies.secrets, secret_object, "by reference"),
    (policies.secrets, put(settings, HUB_OPERATOR_TOKENS="ops:admin:00"), "HUB_OPERATOR_TOKENS is written down"),
    (policies.secrets, put(settings, HUB_DATABASE_DSN="postgresql://a:b@c/d"), "HUB_DATABASE_DSN is written down"),
    (policies.secrets, lambda d: held(d)["env"].append({"name": "PGPASSWORD", "value": "x"}), "PGPASSWORD"),
    (policies.probes, put(probe, path="/readyz"), "livenessProbe does not ask /healthz"),
    (policies.probes, put(lambda d: held(d)["readinessProbe"], timeoutSeconds=1), "gives up"),
    (policies.probes, take(held, "startupProbe"), "startupProbe"),
    (policies.no_sandbox, put(held, image="order-routing-hub-sandbox@sha256:00"), "no place in production"),
    (policies.no_sandbox, put(settings, HUB_ALLOW_PRIVATE_NETWORKS="10.0.0.0/8"), "no place in production"),
    (policies.selected, put(lambda d: held(d)["ports"][0], containerPort=9000), "leads nowhere"),
    (policies.selected, drop("Deployment", "order-router"), "0 workloads"),
    (policies.part_of_hub, lambda d: d[-1]["metadata"].update(namespace="default"), "namespaces"),
]
ROLLS: list[tuple[Break, str]] = [
    (put(spec("Deployment", "order-router"), strategy={"type": "Recreate"}), "before the next one is ready"),
    (take(router, "topologySpreadConstraints"), "one node or in one zone"),
    (lambda d: router(d)["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"].update(a="b"), "counts other"),
    (drop("PodDisruptionBudget", "order-router"), "no disruption budget"),
    (put(spec("PodDisruptionBudget", "order-router"), maxUnavailable=0), "not one replica"),
    (put(router, terminationGracePeriodSeconds=60), "is killed after 60 s"),
    (take(held, "lifecycle"), "still sends it requests"),
]
CODE: list[tuple[Callable[..., list[str]], Break, str]] = [
    (agreement.deployed, drop("Deployment", "order-router"), "order-router: nothing runs it"),
    (agreement.deployed, put(held, args=["order_ingest"]), "order-router: nothing runs it"),
    (agreement.deployed, drop("Job", "order-router-migrate"), "nothing migrates"),
    (agreement.deployed, put(held, image="x"), "different releases"),
    (
        agreement.deployed,
        lambda d: one(d, "Deployment", "stock-sync")["metadata"].update(name="old"),
        "old: no service",
    ),
    (
        agreement.variables,
        lambda d: held(d)["env"].append({"name": "HUB_POOLSIZE", "value": "9"}),
        "HUB_POOLSIZE is no",
    ),
    (agreement.variables, take(settings, "HUB_KAFKA_BOOTSTRAP"), "HUB_KAFKA_BOOTSTRAP is not set"),
    (agreement.variables, put(settings, HUB_POOL_SIZE="one"), "refuses"),
    (agreement.variables, put(settings, HUB_AUTO_MIGRATE="true"), "migrates by itself"),
    (agreement.variables, put(settings, HUB_TOPIC_PREFIX="x."), "topics that nobody makes"),
    (agreement.variables, take(settings, "HUB_KAFKA_KEY_FILE"), "refuses"),
    (agreement.mounted, put(settings, HUB_KAFKA_CERT_FILE="/etc/x.crt"), "nothing is mounted at /etc/x.crt"),
    (
        agreement.mounted,
        lambda d: next(v for v in router(d)["volumes"] if v["name"] == "kafka")["secret"].update(
            secretName="order-ingest-kafka"
        ),
        "mounts order-ingest-kafka",
    ),
    (agreement.access, lambda d: acls(d).append(kafka.rule("topic", "hub.order-customers", "Read")), "needlessly"),
    (
        agreement.access,
        lambda d: acls(d).append(kafka.rule("topic", "hub.orders", "Write")),
        "may Write topic hub.orders",
    ),
    (agreement.access, lambda d: acls(d)[0]["resource"].update(patternType="prefix"), "may Read prefix topic"),
    (agreement.access, lambda d: acls(d)[0].update(type="deny"), "may Read not topic"),
    (agreement.access, lambda d: acls(d).pop(), "order-router: may not Write"),
    (agreement.access, drop("KafkaUser", "order-router-kafka"), "order-router: has no user"),
    (agreement.access, put(listener, tls=False), "lets anybody in"),
    (agreement.access, take(listener, "authentication"), "lets anybody in"),
    (agreement.access, take(listener, "networkPolicyPeers"), "from everywhere"),
    (
        agreement.access,
        lambda d: one(d, "Kafka", "hub-kafka")["spec"]["kafka"]["authorization"].update(superUsers=["CN=x"]),
        "somebody has all",
    ),
    (
        agreement.access,
        lambda d: one(d, "KafkaUser", kafka.SCALER)["spec"]["authorization"]["acls"].append(
            kafka.rule("topic", "hub.orders", "Read")
        ),
        "hub-autoscaler: may Read",
    ),
    (agreement.databases, lambda d: roles(d).pop(0), "has no role of its own"),
    (agreement.databases, lambda d: roles(d)[0].update(superuser=True), "too much power"),
    (agreement.databases, lambda d: roles(d)[0].update(passwordSecret={"name": "shared"}), "no role of its own"),
    (agreement.databases, put(spec("Database", "order-router"), owner="hub_order_ingest"), "no database of its own"),
    (agreement.databases, put(spec("Database", "order-router"), databaseReclaimPolicy="delete"), "remove its data"),
    (
        agreement.databases,
        lambda d: one(d, "Cluster", "hub-postgres")["spec"]["postgresql"].update(pg_hba=["host all all all trust"]),
        "another's database",
    ),
    (
        agreement.databases,
        lambda d: one(d, "Cluster", "hub-postgres")["spec"]["postgresql"]["parameters"].update(max_connections="100"),
        "do not last",
    ),
    (agreement.scaling, put(spec("ScaledObject", "order-router"), maxReplicaCount=13), "to 13 replicas"),
    (agreement.scaling, put(spec("ScaledObject", "order-router"), minReplicaCount=1), "1 to"),
    (agreement.scaling, put(spec("Deployment", "order-router"), replicas=2), "every apply would undo it"),
    (
        agreement.scaling,
        lambda d: trigger(d, 1).update(query='max(hub_outbox_age{service="order-router"})'),
        "hub_outbox_age",
    ),
    (agreement.scaling, lambda d: trigger(d, 1).update(query="max(hub_outbox_oldest_seconds)"), "other services too"),
    (agreement.scaling, lambda d: trigger(d, 0).update(consumerGroup="x"), "asks about group x"),
    (agreement.scaling, lambda d: trigger(d, 0).update(bootstrapServers="kafka.elsewhere:9092"), "elsewhere"),
    (agreement.scaling, lambda d: trigger(d, 0).pop("tls"), "in the clear"),
    (agreement.scaling, drop("ScaledObject", "order-router"), "order-router: nothing scales it"),
    (agreement.firewalls, drop("NetworkPolicy", "default-deny"), "by default"),
    (agreement.firewalls, drop("NetworkPolicy", "order-router"), "no policy names its pods"),
    (
        agreement.firewalls,
        lambda d: egress(d, {"ports": [{"port": 443}]}),
        "may call outside on [443], its code calls on []",
    ),
    (agreement.firewalls, lambda d: egress(d, {"to": [{"ipBlock": {"cidr": "0.0.0.0/0"}}]}), "[-1, 0]"),
    (agreement.firewalls, lambda d: one(d, "NetworkPolicy", "order-ingest")["spec"]["egress"].pop(), "calls on [443]"),
    (agreement.watched, drop("ServiceMonitor", "hub"), "0 monitors"),
    (agreement.doors, lambda d: one(d, "Ingress", "hub-api")["spec"].pop("tls"), "without TLS"),
    (
        agreement.doors,
        lambda d: one(d, "Ingress", "hub-api")["spec"]["rules"][0]["http"]["paths"][0].update(path="/"),
        "/ is open to the outside",
    ),
]
CASES: list[tuple[Policy, Break, str]] = [
    *((policies.restricted, broken, told) for broken, told in RESTRICTED),
    *PODS,
    *((of_services(policies.roll_outs), broken, told) for broken, told in ROLLS),
    *((of_services(policy), broken, told) for policy, broken, told in CODE),
    (topics, put(spec("KafkaTopic", "hub.orders"), partitions=6), "6 partitions, the contract says 12"),
    (topics, put(spec("KafkaTopic", "hub.orders"), replicas=1), "1 copies"),
    (topics, lambda d: one(d, "KafkaTopic", "hub.order-customers")["spec"]["config"].pop("retention.ms"), "settings"),
    (topics, drop("KafkaTopic", "hub.orders.dlq"), "hub.orders.dlq: is not made"),
    (topics, lambda d: one(d, "KafkaTopic", "hub.stock")["spec"].update(topicName="hub.stok"), "hub.stok: not a topic"),
]


@pytest.mark.parametrize(
    ("policy", "broken", "told"), CASES, ids=[f"{n}-{told}" for n, (_, _, told) in enumerate(CASES)]
)
def test_what_is_broken_is_told(
    render: Callable[[str], list[Document]], policy: Policy, broken: Break, told: str
) -> None:
    documents = render("overlays/prod")
    assert policy(documents) == []
    broken(documents)
    found = policy(documents)
    assert any(told in line for line in found), found


def test_rights_follow_the_declaration_and_the_calls_of_the_code() -> None:
    """What a service may do comes from its code: order-router calls nobody, and personal data reaches two services."""
    known = {each.name: each for each in SERVICES}
    assert facts_of(ORDER_ROUTER) == known["order-router"]
    assert known["order-router"].ports_out == ()
    assert known["shop-gateway"].ports_out == known["order-ingest"].ports_out == (443,)
    assert known["notification-service"].ports_out[-2:] == MAIL_PORTS
    assert known["order-ingest"].writes == ("hub.orders", "hub.order-customers")
    assert known["order-ingest"].public_paths == ("/v1/notices/",)
    assert [name for name, each in known.items() if each.calls_services] == ["ops-console"]
    assert {name for name, each in known.items() if "hub.order-customers" in each.listens} == {
        "shop-gateway",
        "ops-console",
    }
    assert "HUB_CONSOLE_TOKEN" in known["ops-console"].own_secrets
