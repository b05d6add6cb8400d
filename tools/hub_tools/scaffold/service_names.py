"""Names of a new service and its topics, checked before anything is written.

A name becomes a folder, a Python package, a database role, a Kafka group and a Kubernetes object. One that is good for
some of these and not for all fails weeks later, in the deployment.
"""

from __future__ import annotations

import ast
import keyword
import re
import sys
import tomllib
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from hub_tools.scaffold.errors import ScaffoldError

LONGEST_NAME = 40
"""`hub_<package>` is a PostgreSQL role (63 bytes) and `<name>-<hash>-<hash>` the name of a pod (63 characters)."""
INFRASTRUCTURE = frozenset({"kafka", "postgres", "topics", "sandbox", "prometheus", "grafana"})
"""What compose and Kubernetes run beside the services under these names."""
CONNECTIONS = "hub.connections"
PERSONAL = "hub.order-customers"
TOPICS_FILE = "libs/contracts/hub_contracts/topics.py"

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_TOPIC = re.compile(r"hub\.[a-z]+(-[a-z]+)*")


@dataclass(frozen=True, slots=True)
class Service:
    """A service of the repository, known by the name of its folder."""

    name: str

    @property
    def package(self) -> str:
        """Its Python package."""
        return self.name.replace("-", "_")

    @property
    def settings(self) -> str:
        """Its class of settings."""
        return "".join(part.capitalize() for part in self.name.split("-")) + "Settings"


@dataclass(frozen=True, slots=True)
class Declared:
    """The topics that a repository declares: name to constant, in order, and every name its module defines."""

    constants: dict[str, str]
    taken: frozenset[str]


def constant_of(topic: str) -> str:
    """The constant in `topics.py` that a topic gets: `hub.shop-activity` is `SHOP_ACTIVITY`."""
    return topic.removeprefix("hub.").replace("-", "_").upper()


def declared_topics(root: Path) -> Declared:
    """What `topics.py` of the repository at `root` defines, read without running it. Raises `ScaffoldError`."""
    path = root / TOPICS_FILE
    if not path.is_file():
        raise ScaffoldError(f"{path}: not there; run this in a clone of the hub's repository")
    constants: dict[str, str] = {}
    taken: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if not isinstance(node, ast.Assign | ast.AnnAssign):
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        for target in targets:
            if isinstance(target, ast.Name):
                taken.add(target.id)
                if isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
                    constants[node.value.value] = target.id
    return Declared(constants, frozenset(taken))


def services_of(root: Path) -> list[Service]:
    """Services of the entry-point group `hub.services` below `root`, by name, whether installed or not."""
    found: list[Service] = []
    for pyproject in sorted((root / "services").glob("*/pyproject.toml")):
        project = tomllib.loads(pyproject.read_text(encoding="utf-8")).get("project", {})
        found += [Service(name) for name in project.get("entry-points", {}).get("hub.services", {})]
    return sorted(found, key=lambda service: service.name)


def new_service_name(root: Path, name: str) -> Service:
    """A name that nothing has yet. Raises `ScaffoldError` naming the broken rule."""
    service = Service(name)
    if not _NAME.fullmatch(name):
        raise ScaffoldError(
            f"name {name!r}: lower-case words of letters and digits joined by single hyphens, the first letter a-z "
            "(as in stock-sync)"
        )
    if len(name) > LONGEST_NAME:
        raise ScaffoldError(f"name {name!r}: at most {LONGEST_NAME} characters, it has {len(name)}")
    if (root / "services" / name).exists():
        raise ScaffoldError(f"services/{name} exists already; nothing is overwritten")
    if name in INFRASTRUCTURE:
        raise ScaffoldError(f"name {name!r}: something beside the services is called that in the deployments")
    package = service.package
    if keyword.iskeyword(package) or package in sys.stdlib_module_names or find_spec(package) is not None:
        raise ScaffoldError(f"name {name!r}: its package {package} would hide a Python package of that name")
    return service


def new_topic(declared: Declared, topic: str) -> str:
    """A topic that nobody writes yet. Raises `ScaffoldError`: one topic has one writer."""
    if not _TOPIC.fullmatch(topic):
        raise ScaffoldError(
            f"--topic {topic!r}: hub. and lower-case words joined by single hyphens (as in hub.shop-activity)"
        )
    if topic in declared.constants:
        raise ScaffoldError(f"--topic {topic!r}: it has a writer already, and one topic has one writer")
    if constant_of(topic) in declared.taken:
        raise ScaffoldError(f"--topic {topic!r}: {constant_of(topic)} means something else in {TOPICS_FILE}")
    return topic


def listened_topics(declared: Declared, given: str) -> list[str]:
    """The topics of a comma-separated list, as given, with `hub.connections` behind. Raises `ScaffoldError`."""
    names = list(dict.fromkeys(part.strip() for part in given.split(",") if part.strip()))
    for name in names:
        if name not in declared.constants or not name.startswith("hub."):
            raise ScaffoldError(f"--listens {name!r}: no such topic; there are {', '.join(sorted(declared.constants))}")
        if name == PERSONAL:
            raise ScaffoldError(f"--listens {name!r}: personal data reaches only services that cannot work without it")
    others = [name for name in names if name != CONNECTIONS]
    if not others:
        raise ScaffoldError(f"--listens: at least one topic beside {CONNECTIONS}, which every service listens to")
    return [*others, CONNECTIONS]
