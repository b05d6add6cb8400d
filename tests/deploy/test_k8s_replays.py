"""Replays in a cluster read everything, and so they can do nothing else: each way to more is tried and told."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest

from hub_common.config import ServiceSettings
from hub_common.replay_scratch import ScratchSettings
from hub_contracts.topics import TOPICS
from hub_tools.k8s import agreement, kafka, policies, replay_checks
from hub_tools.k8s.documents import Document
from hub_tools.k8s.facts import facts_of, installed
from hub_tools.k8s.network import internet, ports
from hub_tools.k8s.policies import of_kind
from order_router.main import SPEC as ORDER_ROUTER

SERVICES = installed()
Render = Callable[[str], list[Document]]
Break = Callable[[list[Document]], object]
Policy = Callable[..., list[str]]


def one(documents: Sequence[Document], kind: str, name: str) -> Document:
    [found] = [each for each in of_kind(documents, kind) if each["metadata"]["name"] == name]
    return found


def job(documents: Sequence[Document]) -> Any:
    return one(documents, "CronJob", "order-router-replay")["spec"]


def run(documents: Sequence[Document]) -> Any:
    return job(documents)["jobTemplate"]["spec"]


def pod(documents: Sequence[Document]) -> Any:
    return run(documents)["template"]["spec"]


def held(documents: Sequence[Document]) -> Any:
    return pod(documents)["containers"][0]


def entry(documents: Sequence[Document], name: str) -> Any:
    [found] = [each for each in held(documents)["env"] if each["name"] == name]
    return found


def swap(name: str, old: str, new: str) -> Break:
    """A patch that changes a part of a written value."""
    return lambda d: entry(d, name).update(value=entry(d, name)["value"].replace(old, new))


def lend(name: str, secret: str, key: str) -> Break:
    """A patch that gives a variable from a secret."""
    reference = {"name": secret, "key": key}
    return lambda d: held(d)["env"].append({"name": name, "valueFrom": {"secretKeyRef": reference}})


def mount(secret: str) -> Break:
    return lambda d: pod(d)["volumes"].append(kafka.secret_volume("more", secret, "user.key"))


def acls(documents: Sequence[Document]) -> Any:
    return one(documents, "KafkaUser", kafka.REPLAYER)["spec"]["authorization"]["acls"]


def allow(*rule: str) -> Break:
    return lambda d: acls(d).append(kafka.rule(*rule))


def rules(documents: Sequence[Document]) -> Any:
    return one(documents, "NetworkPolicy", "replays")["spec"]


def role(documents: Sequence[Document]) -> Any:
    roles = one(documents, "Cluster", "hub-postgres")["spec"]["managed"]["roles"]
    return next(each for each in roles if each["name"] == "hub_replay")


RIGHTS: list[tuple[Break, str]] = [
    (allow("topic", "hub.orders", "Write"), "may Write topic hub.orders, needlessly"),
    (allow("topic", "hub.orders.dlq", "Read"), "may Read topic hub.orders.dlq, needlessly"),
    (allow("group", "order-router", "Read"), "may Read group order-router, needlessly"),
    (lambda d: acls(d)[0]["resource"].update(patternType="prefix"), "prefix topic"),
    (lambda d: acls(d).pop(), "may not Describe group"),
    (lambda d: d.remove(one(d, "KafkaUser", kafka.REPLAYER)), "has no user"),
    (
        lambda d: one(d, "KafkaUser", kafka.REPLAYER)["spec"].update(authentication={"type": "scram-sha-512"}),
        "proves nothing",
    ),
]
JOBS: list[tuple[Break, str]] = [
    (lambda d: d.remove(one(d, "CronJob", "order-router-replay")), "order-router: nothing compares it"),
    (lambda d: job(d).update(suspend=False), "runs by itself"),
    (lambda d: run(d).update(backoffLimit=6), "tried again"),
    (lambda d: run(d).pop("activeDeadlineSeconds"), "hang for ever"),
    (lambda d: held(d).update(args=["order_router"]), "does not replay the service"),
    (lambda d: pod(d)["containers"].append({"name": "more"}), "does not replay the service"),
    (lambda d: held(d).update(image="order-routing-hub@sha256:00"), "different releases"),
    (swap("HUB_DATABASE_DSN", "hub_order_router", "hub_order_ingest"), "not compare the database of its service"),
    (swap("HUB_DATABASE_DSN", "&default_transaction_read_only=on", ""), "could write to the service's database"),
    (swap("HUB_REPLAY_DATABASE_DSN", "hub_replay", "hub_order_router"), "not rebuild in the scratch database"),
    (swap("HUB_REPLAY_DATABASE_DSN", "verify-full", "require"), "does not check whose database"),
    (lend("HUB_CREDENTIALS_KEYS", "hub-secrets", "credentials-keys"), "is given HUB_CREDENTIALS_KEYS"),
    (lambda d: held(d)["env"].remove(entry(d, "PGPASSWORD")), "lacks the secret of PGPASSWORD"),
    (lambda d: held(d)["envFrom"].append({"secretRef": {"name": "order-router-secrets"}}), "secret as a whole"),
    (mount("order-router-kafka"), "mounts order-router-kafka"),
    (lambda d: pod(d)["volumes"].pop(0), "lacks the files of hub-kafka-cluster-ca-cert"),
    (
        lambda d: policies.pod_of(one(d, "Deployment", "order-router"))["volumes"].append(
            kafka.secret_volume("more", kafka.REPLAYER, "user.key")
        ),
        "Deployment order-router: has what only replays are given",
    ),
    (lambda d: rules(d)["egress"].append({"to": internet(), "ports": ports([443])}), "on 443"),
    (lambda d: rules(d)["egress"][0].pop("to"), "on 5432"),
    (lambda d: rules(d)["egress"].pop(), "does not reach hub-kafka on 9093"),
    (lambda d: rules(d).update(ingress=[{}]), "can be spoken to"),
    (
        lambda d: one(d, "NetworkPolicy", "kafka")["spec"]["ingress"][1]["from"].pop(1),
        "is not let in by the brokers",
    ),
    (
        lambda d: rules(d)["podSelector"]["matchLabels"].update({"app.kubernetes.io/component": "service"}),
        "does not reach hub-postgres on 5432",
    ),
]
OTHERS: list[tuple[Policy, Break, str]] = [
    (agreement.databases, lambda d: role(d).update(createdb=True), "hub_replay: its role has too few"),
    (agreement.databases, lambda d: role(d).update(inRoles=["hub_order_router"]), "too much power"),
    (agreement.databases, lambda d: role(d).update(passwordSecret={"name": "order-router-database"}), "of their own"),
    (
        agreement.databases,
        lambda d: one(d, "Database", "hub-replay")["spec"].update(owner="hub_order_router"),
        "replays have no database of their own",
    ),
    (agreement.variables, lambda d: held(d)["env"].append({"name": "HUB_REPLAY_DSN", "value": "x"}), "HUB_REPLAY_DSN"),
    (agreement.firewalls, lambda d: d.remove(one(d, "NetworkPolicy", "replays")), "replay: no policy names its pods"),
    (
        lambda d, _: policies.restricted(d),
        lambda d: pod(d).update(hostNetwork=True),
        "order-router-replay: hostNetwork",
    ),
    (lambda d, _: policies.resources(d), lambda d: held(d)["resources"].pop("limits"), "no limit of memory"),
    (
        lambda d, _: policies.secrets(d),
        lambda d: entry(d, "HUB_REPLAY_DATABASE_PASSWORD").update(value="x"),
        "HUB_REPLAY_DATABASE_PASSWORD is written down",
    ),
]
CASES: list[tuple[Policy, Break, str]] = [
    *((replay_checks.rights, broken, told) for broken, told in RIGHTS),
    *((replay_checks.replays, broken, told) for broken, told in JOBS),
    *OTHERS,
]


@pytest.mark.parametrize(
    ("policy", "broken", "told"), CASES, ids=[f"{n}-{told}" for n, (_, _, told) in enumerate(CASES)]
)
def test_what_is_broken_is_told(render: Render, policy: Policy, broken: Break, told: str) -> None:
    documents = render("overlays/prod")
    assert policy(documents, SERVICES) == []
    broken(documents)
    found = policy(documents, SERVICES)
    assert any(told in line for line in found), found


@pytest.mark.parametrize("overlay", ["overlays/dev", "overlays/prod"])
def test_both_overlays_have_a_replay_of_every_service(render: Render, overlay: str) -> None:
    documents = render(overlay)
    assert replay_checks.rights(documents, SERVICES) == []
    assert replay_checks.replays(documents, SERVICES) == []
    assert {each["metadata"]["name"] for each in of_kind(documents, "CronJob")} == {
        f"{s.name}-replay" for s in SERVICES
    }


def test_what_a_replay_may_read_follows_from_the_plans() -> None:
    """Its own topic where the plan restores from it; every topic is in the end some service's."""
    router = facts_of(ORDER_ROUTER)
    assert ORDER_ROUTER.replay is not None
    own = (ORDER_ROUTER.own_topic,) if ORDER_ROUTER.replay.own else ()
    assert router.rebuilt_from == (*ORDER_ROUTER.listens, *own)
    read = {each["resource"]["name"] for each in replay_rules() if "Read" in each["operations"]}
    assert read <= {topic.name for topic in TOPICS}
    assert {operation for each in replay_rules() for operation in each["operations"]} == {"Read", "Describe"}


def replay_rules() -> list[Document]:
    [user] = [each for each in kafka.users(SERVICES) if each["metadata"]["name"] == kafka.REPLAYER]
    found: list[Document] = user["spec"]["authorization"]["acls"]
    return found


def test_the_variables_of_a_job_are_settings(render: Render) -> None:
    documents = render("overlays/prod")
    given = {each["name"]: each.get("value", "x") for each in held(documents)["env"]}
    ours = {name.removeprefix("HUB_REPLAY_").lower(): text for name, text in given.items() if "_REPLAY_" in name}
    assert ours.keys() == ScratchSettings.model_fields.keys()
    assert ScratchSettings.model_validate(ours).rest_seconds == 900
    theirs = {name.removeprefix("HUB_").lower() for name in given.keys() - {"PGPASSWORD"} if "_REPLAY_" not in name}
    assert theirs <= ServiceSettings.model_fields.keys()
