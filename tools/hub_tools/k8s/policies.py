"""What every rendered deployment must keep, as functions over its objects: each returns one line per broken promise.

They read what a cluster would be given, after every overlay and patch, so a patch that takes away a guarantee is seen
where it takes effect. Tests feed them good and deliberately bad objects.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from hub_common.web.app import CHECK_SECONDS
from hub_common.web.server import DRAIN_SECONDS as WEB_SECONDS
from hub_tools.k8s.documents import COMPONENT, NAME, PART, PART_OF, Document
from hub_tools.k8s.facts import Facts

WORKLOADS = ("Deployment", "Job", "StatefulSet", "DaemonSet", "CronJob")
PHASES = 3
"""Effects, duties and the outbox each get the drain time when a service stops, one after the other."""
CLOSING_SECONDS = 10 + WEB_SECONDS
"""Leases, the pool and requests in the air, after the phases."""
_VOLUMES = frozenset({"configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "persistentVolumeClaim", "projected"})
_CAPABILITIES = {"drop": ["ALL"]}
_ADDRESS = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_SECRET_NAME = re.compile(r"PASSWORD|TOKEN|SECRET|CREDENTIALS|_KEYS?$|ACCOUNTS")


def name_of(document: Document) -> str:
    """How a finding names an object."""
    return f"{document['kind']} {document['metadata']['name']}"


def of_kind(documents: Iterable[Document], *kinds: str) -> list[Document]:
    """The objects of these kinds."""
    return [each for each in documents if each["kind"] in kinds]


def _template(document: Document) -> Document:
    holder = document["spec"]["jobTemplate"] if document["kind"] == "CronJob" else document
    found: Document = holder["spec"]["template"]
    return found


def pod_of(document: Document) -> Document:
    """The pod template's spec of a workload."""
    spec: Document = _template(document)["spec"]
    return spec


def labels_of(document: Document) -> dict[str, str]:
    """Labels of the pods of a workload."""
    found: dict[str, str] = _template(document)["metadata"].get("labels", {})
    return found


def containers(document: Document) -> list[Document]:
    """All containers of a workload, those that run first included."""
    spec = pod_of(document)
    return [*spec.get("initContainers", []), *spec["containers"]]


def is_service(document: Document) -> bool:
    """Whether a workload is one of the hub's services."""
    return document["kind"] == "Deployment" and labels_of(document).get(COMPONENT) == "service"


def restricted(documents: Sequence[Document]) -> list[str]:
    """The pod security standard `restricted`, and a root file system that nobody writes to."""
    found: list[str] = []
    for document in of_kind(documents, *WORKLOADS):
        found += [f"{name_of(document)}: {text}" for text in _pod_breaks(pod_of(document))]
        for held in containers(document):
            found += [f"{name_of(document)}/{held['name']}: {text}" for text in _container_breaks(held)]
    for space in of_kind(documents, "Namespace"):
        level = space["metadata"].get("labels", {}).get("pod-security.kubernetes.io/enforce")
        if level != "restricted":
            found.append(f"{name_of(space)}: pod security is {level}, not restricted")
    return found


def _pod_breaks(spec: Document) -> Iterator[str]:
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True or context.get("runAsUser", 1) == 0:
        yield "may run as root"
    if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
        yield "has no seccomp profile"
    yield from (f"{key} is on" for key in ("hostNetwork", "hostPID", "hostIPC") if spec.get(key))
    for volume in spec.get("volumes", []):
        kinds = volume.keys() - {"name"}
        if not kinds <= _VOLUMES | {"secret"}:
            yield f"volume {volume['name']} is a {', '.join(sorted(kinds))}"
    if spec.get("automountServiceAccountToken") is not False:
        yield "gets a token of the cluster's API"
    if spec.get("serviceAccountName", "default") == "default":
        yield "runs as the default service account"


def _container_breaks(held: Document) -> Iterator[str]:
    context = held.get("securityContext", {})
    if context.get("allowPrivilegeEscalation") is not False or context.get("privileged"):
        yield "may gain privileges"
    if context.get("capabilities") != _CAPABILITIES:
        yield "keeps capabilities"
    if context.get("readOnlyRootFilesystem") is not True:
        yield "can write its root file system"
    if context.get("runAsNonRoot", True) is not True or context.get("runAsUser", 1) == 0:
        yield "may run as root"
    if any(port.get("hostPort") for port in held.get("ports", [])):
        yield "takes a port of its node"


def resources(documents: Sequence[Document]) -> list[str]:
    """Every container says what it needs and how much memory it may take; processors are not throttled."""
    found: list[str] = []
    for document in of_kind(documents, *WORKLOADS):
        for held in containers(document):
            given = held.get("resources", {})
            where = f"{name_of(document)}/{held['name']}"
            if given.get("requests", {}).keys() < {"cpu", "memory"}:
                found.append(f"{where}: requests lack cpu or memory")
            if "memory" not in given.get("limits", {}):
                found.append(f"{where}: no limit of memory")
            if "cpu" in given.get("limits", {}):
                found.append(f"{where}: throttled, it would answer late")
    return found


def images(documents: Sequence[Document], *, digest: bool) -> list[str]:
    """Images are named exactly: by digest in production, by a tag that is not `latest` elsewhere."""
    found: list[str] = []
    for document in of_kind(documents, *WORKLOADS):
        for held in containers(document):
            image, tag = held["image"], held["image"].rpartition("/")[2].partition(":")[2]
            if digest and not re.search(r"@sha256:[0-9a-f]{64}$", image):
                found.append(f"{name_of(document)}: image {image} is not named by digest")
            elif tag in ("", "latest"):
                found.append(f"{name_of(document)}: image {image} means something else tomorrow")
    return found


def secrets(documents: Sequence[Document]) -> list[str]:
    """No value of a secret is written down: neither as an object, nor in a setting, nor in an address."""
    found = [f"{name_of(each)}: secrets come by reference" for each in of_kind(documents, "Secret")]
    for document in of_kind(documents, "ConfigMap"):
        found += [
            f"{name_of(document)}: {key} is written down"
            for key, value in document.get("data", {}).items()
            if _is_secret(key, value) and "dashboard" not in document["metadata"]["name"]
        ]
    for document in of_kind(documents, *WORKLOADS):
        for held in containers(document):
            found += [
                f"{name_of(document)}: {entry['name']} is written down"
                for entry in held.get("env", [])
                if _is_secret(entry["name"], str(entry.get("value", "")))
            ]
    return found


def _is_secret(name: str, value: str) -> bool:
    return bool(value) and bool(_ADDRESS.search(value) or (_SECRET_NAME.search(name) and not name.endswith("_FILE")))


def probes(documents: Sequence[Document]) -> list[str]:
    """Only a hung process is restarted; only one that cannot work gets no requests. Both have time to answer."""
    wanted = {"startupProbe": "/healthz", "livenessProbe": "/healthz", "readinessProbe": "/readyz"}
    found: list[str] = []
    for document in filter(is_service, documents):
        held = pod_of(document)["containers"][0]
        for probe, path in wanted.items():
            asked = held.get(probe, {})
            if asked.get("httpGet", {}).get("path") != path:
                found.append(f"{name_of(document)}: {probe} does not ask {path}")
            if asked.get("timeoutSeconds", 1) <= CHECK_SECONDS:
                found.append(f"{name_of(document)}: {probe} gives up before the service answers")
    return found


def roll_outs(documents: Sequence[Document], services: Sequence[Facts]) -> list[str]:
    """A roll-out or a drained node takes no service away, and every pod has the time that stopping takes."""
    found: list[str] = []
    budgets = {each["metadata"]["name"]: each["spec"] for each in of_kind(documents, "PodDisruptionBudget")}
    known = {each.name: each for each in services}
    for document in filter(is_service, documents):
        where, spec, labels = name_of(document), pod_of(document), labels_of(document)
        if document["spec"].get("strategy", {}).get("rollingUpdate", {}).get("maxUnavailable") != 0:
            found.append(f"{where}: a roll-out may take a replica away before the next one is ready")
        spread = spec.get("topologySpreadConstraints", [])
        if {each["topologyKey"] for each in spread} < {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}:
            found.append(f"{where}: replicas may all be on one node or in one zone")
        counted = [each.get("labelSelector", {}).get("matchLabels", {"": ""}) for each in spread]
        found += [f"{where}: a spread constraint counts other pods" for c in counted if not c.items() <= labels.items()]
        budget = budgets.get(labels.get(NAME, ""), {})
        if not budget or not budget["selector"]["matchLabels"].items() <= labels.items():
            found.append(f"{where}: no disruption budget is for it")
        elif budget.get("maxUnavailable") != 1:
            found.append(f"{where}: its disruption budget is not one replica at a time")
        service = known.get(labels.get(NAME, ""))
        if service is not None:
            found += [f"{where}: {text}" for text in _grace_breaks(spec, service)]
    return found


def _grace_breaks(spec: Document, service: Facts) -> Iterator[str]:
    pause = spec["containers"][0].get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
    if pause < 1:
        yield "stops while the cluster still sends it requests"
    drain = float(service.settings.model_fields["drain_seconds"].default)
    needed = PHASES * drain + CLOSING_SECONDS + pause
    given = spec.get("terminationGracePeriodSeconds", 30)
    if given <= needed:
        yield f"is killed after {given} s, stopping may take {needed:g} s"


def no_sandbox(documents: Sequence[Document]) -> list[str]:
    """The simulators have no log-in and invent orders: nothing of them is in production."""
    return [
        f"{name_of(each)}: simulators have no place in production"
        for each in documents
        if "sandbox" in each["metadata"]["name"]
        or (each["kind"] in WORKLOADS and any("sandbox" in held["image"] for held in containers(each)))
        or (each["kind"] == "ConfigMap" and "HUB_ALLOW_PRIVATE_NETWORKS" in each.get("data", {}))
    ]


def selected(documents: Sequence[Document]) -> list[str]:
    """Every Service has pods behind it, and every port it names is one that they open."""
    found: list[str] = []
    workloads = of_kind(documents, "Deployment")
    for service in of_kind(documents, "Service"):
        behind = [each for each in workloads if service["spec"]["selector"].items() <= labels_of(each).items()]
        if len(behind) != 1:
            found.append(f"{name_of(service)}: {len(behind)} workloads are behind it")
            continue
        opened = {port["name"]: port["containerPort"] for port in containers(behind[0])[0].get("ports", [])}
        found += [
            f"{name_of(service)}: port {port['port']} leads nowhere"
            for port in service["spec"]["ports"]
            if opened.get(str(port["targetPort"])) != port["port"]
        ]
    return found


def part_of_hub(documents: Iterable[Document]) -> list[str]:
    """Every object of ours says so, and lies in one namespace: what clusters select and clean up by."""
    found: list[str] = []
    cluster_wide = ("Namespace", "PriorityClass")
    listed = [each for each in documents if each["kind"] != "Namespace"]
    spaces = {each["metadata"].get("namespace") for each in listed if each["kind"] not in cluster_wide}
    if len(spaces) != 1 or None in spaces:
        found.append(f"objects are in namespaces {sorted(map(str, spaces))}")
    for each in listed:
        labels = each["metadata"].get("labels", {})
        if each["kind"] != "ConfigMap" and labels.get(PART) != PART_OF:
            found.append(f"{name_of(each)}: no label {PART}")
    return found
