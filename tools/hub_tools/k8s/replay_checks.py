"""Whether a replay can read all that it compares, and can neither write, send, decrypt nor tell anybody anything.

It reads every topic and every database of the hub, personal data among them. A patch that lends it a little more (a
service's certificate, the key of the credentials, a way out) would make it the best place to break into.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence

from hub_tools.k8s import kafka, postgres
from hub_tools.k8s.agreement import rights_of
from hub_tools.k8s.documents import NAME, Document
from hub_tools.k8s.facts import Facts
from hub_tools.k8s.policies import WORKLOADS, containers, is_service, labels_of, name_of, of_kind, pod_of

BROKERS = ("strimzi.io/cluster", kafka.CLUSTER)
REACHED = frozenset({("cnpg.io/cluster", postgres.CLUSTER, 5432), (*BROKERS, 9093)})
"""Label, value and port of the only pods that a replay speaks to, names aside."""
SECRETS = frozenset({f"{kafka.CLUSTER}-cluster-ca-cert", f"{postgres.CLUSTER}-ca", kafka.REPLAYER})
"""Secrets that every replay is given; passwords come beside them."""
MARKED = "default_transaction_read_only=on"


def rights(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """The replays' user reads exactly the topics that tables follow from, sees the groups' progress, and no more."""
    users = [each for each in of_kind(documents, "KafkaUser") if each["metadata"]["name"] == kafka.REPLAYER]
    if not users:
        return [f"{kafka.REPLAYER}: has no user"]
    [user] = users
    given = rights_of(user["spec"]["authorization"]["acls"])
    wanted = {(f"topic {name}", op) for each in services for name in each.rebuilt_from for op in ("Read", "Describe")}
    wanted |= {(f"group {each.name}", "Describe") for each in services if each.listens}
    found = [f"{kafka.REPLAYER}: may {operation} {what}, needlessly" for what, operation in sorted(given - wanted)]
    found += [f"{kafka.REPLAYER}: may not {operation} {what}" for what, operation in sorted(wanted - given)]
    if user["spec"]["authentication"] != {"type": "tls"}:
        found.append(f"{kafka.REPLAYER}: its user proves nothing by certificate")
    return found


def replays(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """One suspended replay per service, of the release that runs, with the least that it can do with."""
    jobs = {each["metadata"]["name"]: each for each in of_kind(documents, "CronJob")}
    running = {each["metadata"]["name"]: each for each in documents if is_service(each)}
    found: list[str] = []
    for service in services:
        job = jobs.pop(f"{service.name}-replay", None)
        if job is None:
            found.append(f"{service.name}: nothing compares it with its topics")
            continue
        found += [f"{name_of(job)}: {text}" for text in (*_job_breaks(job, service), *_given_breaks(job, service))]
        if service.name in running and containers(running[service.name])[0]["image"] != containers(job)[0]["image"]:
            found.append(f"{name_of(job)}: it and the service are of different releases")
        found += [f"{name_of(job)}: {text}" for text in _way_breaks(job, of_kind(documents, "NetworkPolicy"))]
    found += [f"CronJob {name}: replays no service of the code" for name in jobs]
    for document in of_kind(documents, *WORKLOADS):
        named = f'"{kafka.REPLAYER}"', f'"{postgres.secret_name(postgres.SCRATCH_OF)}"'
        if document["kind"] != "CronJob" and any(name in json.dumps(pod_of(document)) for name in named):
            found.append(f"{name_of(document)}: has what only replays are given")
    return found


def _job_breaks(job: Document, service: Facts) -> Iterator[str]:
    spec, [held, *others] = job["spec"], containers(job)
    if held.get("args") != [service.package, "replay"] or others or labels_of(job).get(NAME) != service.name:
        yield "does not replay the service that it is named after"
    if spec.get("suspend") is not True:
        yield "runs by itself"
    if spec["jobTemplate"]["spec"].get("backoffLimit", 6) != 0 or pod_of(job).get("restartPolicy") != "Never":
        yield "is tried again, and shows two answers"
    if not spec["jobTemplate"]["spec"].get("activeDeadlineSeconds"):
        yield "may hang for ever, and keep the scratch database"


def _given_breaks(job: Document, service: Facts) -> Iterator[str]:
    """Addresses, passwords and files, none of them more than it needs."""
    held = containers(job)[0]
    written = {entry["name"]: entry["value"] for entry in held["env"] if entry.get("value") is not None}
    referred = {entry["name"]: entry["valueFrom"]["secretKeyRef"] for entry in held["env"] if "valueFrom" in entry}
    present, scratch = written.get("HUB_DATABASE_DSN", ""), written.get("HUB_REPLAY_DATABASE_DSN", "")
    if f"//{service.database}@" not in present or f"/{service.database}?" not in present:
        yield "does not compare the database of its service"
    if MARKED not in present:
        yield "could write to the service's database"
    if f"//{postgres.SCRATCH}@" not in scratch or f"/{postgres.SCRATCH}?" not in scratch:
        yield "does not rebuild in the scratch database"
    if any("sslmode=verify-full" not in address for address in (present, scratch)):
        yield "does not check whose database it speaks to"
    wanted = {
        "PGPASSWORD": {"name": postgres.secret_name(service.name), "key": "password"},
        "HUB_REPLAY_DATABASE_PASSWORD": {"name": postgres.secret_name(postgres.SCRATCH_OF), "key": "password"},
    }
    yield from (f"lacks the secret of {name}" for name in sorted(wanted) if referred.get(name) != wanted[name])
    yield from (f"is given {name}, which it does not need" for name in sorted(referred.keys() - wanted.keys()))
    if any("secretRef" in source for source in held.get("envFrom", [])):
        yield "is given a secret as a whole"
    mounts = {each["secret"]["secretName"] for each in pod_of(job)["volumes"] if "secret" in each}
    yield from (f"lacks the files of {name}" for name in sorted(SECRETS - mounts))
    yield from (f"mounts {name}, which it does not need" for name in sorted(mounts - SECRETS))


def _way_breaks(job: Document, rules: Sequence[Document]) -> Iterator[str]:
    """Every address that any policy lets its pods reach, and who reaches them."""
    if not rules:
        return
    labels, ways = labels_of(job), set()
    naming = [each["spec"] for each in rules if _selects(each["spec"]["podSelector"], labels)]
    for rule in (rule for spec in naming for rule in spec.get("egress", [])):
        numbers = {port["port"] for port in rule.get("ports", [{"port": 0}])}
        if numbers == {53}:
            continue
        for peer in rule.get("to", [{}]):
            chosen = peer.get("podSelector", {}).get("matchLabels", {})
            place = (
                next(iter(chosen.items())) if len(chosen) == 1 and peer.keys() == {"podSelector"} else ("", str(peer))
            )
            ways |= {(*place, number) for number in numbers}
    yield from (f"reaches {key}={value} on {port}" for key, value, port in sorted(ways - REACHED))
    yield from (f"does not reach {value} on {port}" for _, value, port in sorted(REACHED - ways))
    if any(spec.get("ingress") for spec in naming):
        yield "can be spoken to"
    broker = [each["spec"] for each in rules if each["spec"]["podSelector"].get("matchLabels") == dict([BROKERS])]
    let_in = [peer for spec in broker for rule in spec["ingress"] for peer in rule.get("from", [])]
    if broker and not any(_selects(peer.get("podSelector"), labels) for peer in let_in):
        yield "is not let in by the brokers"


def _selects(selector: Document | None, labels: dict[str, str]) -> bool:
    return selector is not None and selector.get("matchLabels", {}).items() <= labels.items()
