"""Whether a rendered deployment says what the code says: services, settings, topics, rights, databases, scaling.

Each function compares objects with facts and returns one line per difference. They do not ask who wrote the objects:
generated, patched and written by hand are held to the same.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from hub_common.metrics import Metrics
from hub_common.replay_scratch import ScratchSettings
from hub_contracts.topics import DEAD_LETTER_CONFIG, DEAD_LETTER_PARTITIONS, TOPICS
from hub_tools.k8s import kafka, network, postgres
from hub_tools.k8s.documents import COMPONENT, NAME, PART, PART_OF, Document
from hub_tools.k8s.facts import MIN_REPLICAS, Facts
from hub_tools.k8s.policies import containers, is_service, labels_of, name_of, of_kind, pod_of

SCRATCH_VARIABLES = frozenset(f"HUB_REPLAY_{name.upper()}" for name in ScratchSettings.model_fields)
POWERS = frozenset({"superuser", "createdb", "createrole", "replication", "bypassrls"})
METRIC = re.compile(r"\bhub_[a-z_]+\b")


def deployed(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Every service runs its package and migrates the same; nothing else calls itself a service."""
    found: list[str] = []
    running = {each["metadata"]["name"]: each for each in documents if is_service(each)}
    jobs = {each["metadata"]["name"]: each for each in of_kind(documents, "Job")}
    for service in services:
        deployment, job = running.pop(service.name, None), jobs.pop(f"{service.name}-migrate", None)
        if deployment is None or containers(deployment)[0].get("args") != [service.package]:
            found.append(f"{service.name}: nothing runs it")
        if job is None or containers(job)[0].get("args") != [service.package, "migrate"]:
            found.append(f"{service.name}: nothing migrates its database")
        if deployment and job and containers(deployment)[0]["image"] != containers(job)[0]["image"]:
            found.append(f"{service.name}: it and its migration are of different releases")
    return found + [f"{name}: no service of the code" for name in (*running, *jobs)]


def variables(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Every variable is a setting of that service, every required one is there, and together they are valid."""
    found: list[str] = []
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(documents, "ConfigMap")}
    known = {each.name: each for each in services}
    for document in of_kind(documents, "Deployment", "Job", "CronJob"):
        service = known.get(labels_of(document).get(NAME, ""))
        if service is None:
            continue
        given: dict[str, Any] = {}
        for source in containers(document)[0].get("envFrom", []):
            if "configMapRef" in source:
                given |= maps.get(source["configMapRef"]["name"], {})
        given |= {entry["name"]: entry.get("value") for entry in containers(document)[0].get("env", [])}
        if document["kind"] == "CronJob":
            given = {name: value for name, value in given.items() if name not in SCRATCH_VARIABLES}
        found += [f"{name_of(document)}: {text}" for text in _variable_breaks(given, service)]
    return found


def _variable_breaks(given: dict[str, Any], service: Facts) -> Iterator[str]:
    fields = service.settings.model_fields
    for name in sorted(given):
        if name.startswith("HUB_") and name.removeprefix("HUB_").lower() not in fields:
            yield f"{name} is no setting of it"
    for field, info in fields.items():
        if info.is_required() and f"HUB_{field.upper()}" not in given:
            yield f"HUB_{field.upper()} is not set"
    written = {name.removeprefix("HUB_").lower(): value for name, value in given.items() if value is not None}
    placeholder = {"database_dsn": "postgresql://nowhere", "kafka_bootstrap": "nowhere:1"}
    try:
        settings = service.settings.model_validate(placeholder | {k: v for k, v in written.items() if k in fields})
    except ValueError as error:
        yield f"settings that it refuses: {str(error).splitlines()[-1]}"
        return
    if settings.auto_migrate or settings.topic_prefix:
        yield "migrates by itself, or uses topics that nobody makes"
    if settings.kafka_security_protocol == "PLAINTEXT":
        yield "speaks to the brokers in the clear"


def mounted(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Every file that a setting names is in a mounted secret, and that secret is the service's own or an authority."""
    found: list[str] = []
    maps = {each["metadata"]["name"]: each.get("data", {}) for each in of_kind(documents, "ConfigMap")}
    known = {each.name for each in services}
    for document in filter(is_service, documents):
        name = labels_of(document)[NAME]
        held = containers(document)[0]
        places: dict[str, str] = {}
        for volume in pod_of(document)["volumes"]:
            for mount in held["volumeMounts"]:
                if "secret" in volume and mount["name"] == volume["name"]:
                    keys = {f"{mount['mountPath']}/{item['path']}" for item in volume["secret"]["items"]}
                    places |= dict.fromkeys(keys, volume["secret"]["secretName"])
        settings = [maps.get(each["configMapRef"]["name"], {}) for each in held["envFrom"] if "configMapRef" in each]
        wanted = [value for each in settings for key, value in each.items() if key.endswith("_FILE")]
        found += [f"{name_of(document)}: nothing is mounted at {path}" for path in wanted if path not in places]
        foreign = {secret for secret in places.values() if any(secret.startswith(f"{o}-") for o in known - {name})}
        found += [f"{name_of(document)}: mounts {secret}" for secret in sorted(foreign) if not secret.startswith(name)]
    return found


def topics(documents: Sequence[Document], *, replicas: int) -> list[str]:
    """Every topic of the contract with its partitions and how long it keeps; no topic that the contract lacks."""
    found: list[str] = []
    wanted: dict[str, tuple[int, dict[str, str]]] = {}
    for topic in TOPICS:
        wanted[topic.name] = (topic.partitions, topic.config)
        wanted[topic.dead_letter] = (DEAD_LETTER_PARTITIONS, DEAD_LETTER_CONFIG)
    for document in of_kind(documents, "KafkaTopic"):
        name, spec = document["spec"].get("topicName", document["metadata"]["name"]), document["spec"]
        if name not in wanted:
            found.append(f"{name}: not a topic of the contract")
            continue
        partitions, config = wanted.pop(name)
        if spec["partitions"] != partitions:
            found.append(f"{name}: {spec['partitions']} partitions, the contract says {partitions}")
        if {key: str(value) for key, value in spec["config"].items()} != config:
            found.append(f"{name}: settings {json.dumps(spec['config'])}, the contract says {json.dumps(config)}")
        if spec.get("replicas") != replicas:
            found.append(f"{name}: {spec.get('replicas')} copies, wanted are {replicas}")
    return found + [f"{name}: is not made" for name in wanted]


def access(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Each service's user has exactly the rights that follow from its declaration, and nobody else writes anything."""
    found: list[str] = []
    users = {each["metadata"]["name"]: each for each in of_kind(documents, "KafkaUser")}
    for service in services:
        user = users.pop(kafka.user_name(service.name), None)
        if user is None:
            found.append(f"{service.name}: has no user")
            continue
        if user["spec"]["authentication"] != {"type": "tls"}:
            found.append(f"{service.name}: its user proves nothing by certificate")
        given, wanted = rights_of(user["spec"]["authorization"]["acls"]), _wanted_rights(service, services)
        found += [f"{service.name}: may {operation} {what}, needlessly" for what, operation in sorted(given - wanted)]
        found += [f"{service.name}: may not {operation} {what}" for what, operation in sorted(wanted - given)]
    users.pop(kafka.REPLAYER, None)  # `replay_checks.rights` is about it
    for name, user in users.items():
        rights = rights_of(user["spec"]["authorization"]["acls"])
        found += [f"{name}: may {op} {what}" for what, op in sorted(rights) if op != "Describe"]
    for cluster in of_kind(documents, "Kafka"):
        spec = cluster["spec"]["kafka"]
        if spec.get("authorization") != {"type": "simple"}:
            found.append(f"{name_of(cluster)}: nobody checks rights, or somebody has all of them")
        for listener in spec["listeners"]:
            if not listener["tls"] or listener.get("authentication") != {"type": "tls"}:
                found.append(f"{name_of(cluster)}: listener {listener['name']} lets anybody in")
            if not listener.get("networkPolicyPeers"):
                found.append(f"{name_of(cluster)}: listener {listener['name']} can be reached from everywhere")
    return found


def rights_of(acls: Sequence[Document]) -> set[tuple[str, str]]:
    """(kind and name, operation); what is not one literal resource shows as such, so that it equals nothing wanted."""
    found = set()
    for acl in acls:
        resource = acl["resource"]
        literal = "" if resource.get("patternType", "literal") == "literal" else "prefix "
        denied = "" if acl.get("type", "allow") == "allow" else "not "
        what = f"{denied}{literal}{resource['type']} {resource.get('name', '*')}"
        found |= {(what, operation) for operation in acl["operations"]}
    return found


def _wanted_rights(service: Facts, services: Sequence[Facts]) -> set[tuple[str, str]]:
    """Worked out from the declaration anew, not through the code that writes the objects."""
    own = {topic.name for topic in TOPICS if topic.writer == service.name}
    wanted = {(f"topic {name}", "Read") for name in service.listens}
    wanted |= {(f"topic {name}", "Write") for name in own | {f"{name}.dlq" for name in service.listens}}
    if service.listens:
        wanted.add((f"group {service.name}", "Read"))
    if service.watches:
        wanted |= {(f"group {o.name}", "Describe") for o in services if o.listens and o.name != service.name}
    return wanted


def databases(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """One role and one database per service, of the same name, with room for all its connections."""
    found: list[str] = []
    for cluster in of_kind(documents, "Cluster"):
        spec = cluster["spec"]
        roles = {role["name"]: role for role in spec["managed"]["roles"]}
        made = {each["spec"]["name"]: each["spec"] for each in of_kind(documents, "Database")}
        for service in services:
            role, database = roles.pop(service.database, None), made.pop(service.database, None)
            if role is None or role["passwordSecret"] != {"name": postgres.secret_name(service.name)}:
                found.append(f"{service.name}: has no role of its own")
            elif role.get("connectionLimit", -1) < service.connections or role.get("superuser"):
                found.append(f"{service.name}: its role has too few connections, or too much power")
            if database is None or database["owner"] != service.database:
                found.append(f"{service.name}: has no database of its own")
            elif database.get("databaseReclaimPolicy") != "retain":
                found.append(f"{service.name}: removing an object would remove its data")
        found += _scratch_breaks(roles.pop(postgres.SCRATCH, None), made.pop(postgres.SCRATCH, None))
        found += [f"{name}: nobody's" for name in (*roles, *made)]
        room = int(spec["postgresql"]["parameters"]["max_connections"])
        used = sum(service.connections for service in services) + postgres.SCRATCH_CONNECTIONS
        if room < used + postgres.OWN_CONNECTIONS:
            found.append(f"{name_of(cluster)}: {room} connections do not last for all replicas")
        if spec["postgresql"]["pg_hba"] != ["hostssl sameuser all all scram-sha-256", "host all all all reject"]:
            found.append(f"{name_of(cluster)}: a role may enter another's database, or come without TLS")
    return found


def _scratch_breaks(role: Document | None, database: Document | None) -> Iterator[str]:
    """What replays rebuild in is theirs alone: its role owns it and nothing else, and has no other power."""
    if role is None or role["passwordSecret"] != {"name": postgres.secret_name(postgres.SCRATCH_OF)}:
        yield f"{postgres.SCRATCH}: replays have no role of their own"
    elif role.get("connectionLimit", -1) < postgres.SCRATCH_CONNECTIONS or role.keys() & POWERS or role.get("inRoles"):
        yield f"{postgres.SCRATCH}: its role has too few connections, or too much power"
    if database is None or database["owner"] != postgres.SCRATCH:
        yield f"{postgres.SCRATCH}: replays have no database of their own"


def scaling(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Each autoscaler is for a service, stays within what has something to read, and asks for what is measured."""
    found: list[str] = []
    known = {each.name: each for each in services}
    deployments = {each["metadata"]["name"]: each for each in documents if is_service(each)}
    spaces = {each["metadata"]["name"] for each in of_kind(documents, "Namespace")}
    for document in of_kind(documents, "ScaledObject"):
        spec, where = document["spec"], name_of(document)
        service = known.pop(spec["scaleTargetRef"]["name"], None)
        if service is None:
            found.append(f"{where}: scales nothing of ours, or twice")
            continue
        if "replicas" in deployments[service.name]["spec"]:
            found.append(f"{where}: every apply would undo it, the Deployment has a number of its own")
        if not MIN_REPLICAS <= spec.get("minReplicaCount", 0) <= spec["maxReplicaCount"] <= service.max_replicas:
            found.append(f"{where}: {spec.get('minReplicaCount')} to {spec['maxReplicaCount']} replicas")
        down = spec["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]["scaleDown"]
        if down["stabilizationWindowSeconds"] < 300 or down["policies"][0]["value"] > 1:
            found.append(f"{where}: shrinks in a hurry, and each change of a group stops its reading")
        found += [
            f"{where}: {text}" for trigger in spec["triggers"] for text in _trigger_breaks(trigger, service, spaces)
        ]
        if not any(trigger["type"] == "prometheus" for trigger in spec["triggers"]):
            found.append(f"{where}: does not see what waits to be told")
    if of_kind(documents, "ScaledObject"):
        found += [f"{name}: nothing scales it" for name in known]
    return found


def _trigger_breaks(trigger: Document, service: Facts, spaces: set[str]) -> Iterator[str]:
    metadata = trigger["metadata"]
    if trigger["type"] == "kafka":
        if metadata["consumerGroup"] != service.name or not service.listens:
            yield f"asks about group {metadata['consumerGroup']}"
        if metadata.get("tls") != "enable" or "authenticationRef" not in trigger:
            yield "asks the brokers in the clear"
        if not any(metadata["bootstrapServers"].endswith(f".{space}.svc:9093") for space in spaces):
            yield f"asks brokers at {metadata['bootstrapServers']}, which is not in this namespace"
    elif trigger["type"] == "prometheus":
        unknown = set(METRIC.findall(metadata["query"])) - Metrics().names()
        if unknown or not METRIC.search(metadata["query"]):
            yield f"no code measures {', '.join(sorted(unknown)) or 'that'}"
        if f'service="{service.name}"' not in metadata["query"]:
            yield "counts other services too"
        if not any(f'namespace="{space}"' in metadata["query"] for space in spaces):
            yield "counts another deployment's service"


def firewalls(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Nothing is allowed by default, every pod is named by a policy, and only who calls outside can."""
    found: list[str] = []
    policies = of_kind(documents, "NetworkPolicy")
    closed = {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}
    if not any(each["spec"] == closed for each in policies):
        found.append("no policy closes everything by default")
    for document in of_kind(documents, "Deployment", "Job", "CronJob"):
        labels = labels_of(document)
        naming = [
            each
            for each in policies
            if each["spec"]["podSelector"] and each["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
        ]
        if not naming:
            found.append(f"{name_of(document)}: no policy names its pods")
        out = {port for each in naming for port in _internet_ports(each["spec"])}
        service = next((each for each in services if is_service(document) and each.name == labels[NAME]), None)
        allowed = set(service.ports_out) if service else set()
        if out != allowed:
            found.append(f"{name_of(document)}: may call outside on {sorted(out)}, its code calls on {sorted(allowed)}")
    return found


def _internet_ports(spec: Document) -> Iterator[int]:
    for rule in spec.get("egress", []):
        blocks = [peer["ipBlock"] for peer in rule.get("to", []) if "ipBlock" in peer]
        open_to_all = "to" not in rule
        if blocks or open_to_all:
            yield from (port["port"] for port in rule.get("ports", [{"port": 0}]))
        for block in blocks:
            private = network.PRIVATE_6 if ":" in block["cidr"] else network.PRIVATE_4
            if not set(private) <= set(block.get("except", [])):
                yield -1


def watched(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """Every service is read by Prometheus, where the alerts expect it."""
    monitors = [each for each in of_kind(documents, "ServiceMonitor") if each["spec"]["selector"].get("matchLabels")]
    found: list[str] = []
    for service in services:
        labels = {NAME: service.name, COMPONENT: "service", PART: PART_OF}
        reading = [each for each in monitors if each["spec"]["selector"]["matchLabels"].items() <= labels.items()]
        if len(reading) != 1 or [end["port"] for end in reading[0]["spec"]["endpoints"]] != ["http"]:
            found.append(f"{service.name}: {len(reading)} monitors read it")
    return found


def doors(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """What the outside reaches is exactly what authenticates by itself, over TLS, and no path leads to two services."""
    found: list[str] = []
    opened: dict[tuple[str, str], str] = {}
    for document in of_kind(documents, "Ingress"):
        secured = {host for each in document["spec"].get("tls", []) for host in each["hosts"]}
        for rule in document["spec"]["rules"]:
            if rule["host"] not in secured:
                found.append(f"{name_of(document)}: {rule['host']} without TLS")
            for path in rule["http"]["paths"]:
                if (rule["host"], path["path"]) in opened:
                    found.append(f"{name_of(document)}: {path['path']} leads to two services")
                opened[rule["host"], path["path"]] = path["backend"]["service"]["name"]
    wanted = {(service.name, path) for service in services for path in service.public_paths}
    given = {(name, path) for (_, path), name in opened.items()}
    found += [f"{name}: {path} is open to the outside" for name, path in sorted(given - wanted)]
    return found + [f"{name}: {path} is not reached from outside" for name, path in sorted(wanted - given)]
