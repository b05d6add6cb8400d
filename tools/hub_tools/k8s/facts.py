"""What a deployment must know about each service, read from its code.

Written by hand, access lists and firewall rules are right on the day they are written. A service that listens to one
topic more would then stand still in production only, and one that listens to one less would keep a right that nobody
misses. Everything here comes from the declaration that runs, or from what the service's own modules import and call.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from importlib.resources import files
from pathlib import Path

from pydantic import SecretStr

from hub_common.config import ServiceSettings
from hub_common.replay import topics_of
from hub_common.runtime import Runtime
from hub_common.service import ServiceSpec
from hub_contracts.topics import TOPIC_BY_NAME, TOPICS
from hub_tools.scaffold.errors import ScaffoldError

GROUP = "hub.services"
MIN_REPLICAS = 2
"""One may go without notice, and the other goes on within a lease time."""
MOST_REPLICAS = 4
"""Divides twelve partitions evenly. One process handles thousands of events a second: more replicas than this wait for
call budgets, databases and each other, never for processors."""
HTTPS = 443
MAIL_PORTS = (465, 587)
"""Submission with TLS from the first byte, and with STARTTLS (RFC 8314)."""
_CALLS = frozenset({("book", "connector"), ("book", "build"), ("runtime", "caller"), ("_runtime", "caller")})
"""How a service gets hold of something that speaks to the outside of one connection."""


@dataclass(frozen=True)
class Facts:
    """One service as a deployment sees it."""

    name: str
    package: str
    listens: tuple[str, ...]
    writes: tuple[str, ...]
    """Topics of which it is the writer."""
    dead_letters: tuple[str, ...]
    """Where it records what it could not process of what it listens to."""
    watches: bool
    """Looks at the progress of other services' consumer groups."""
    ports_out: tuple[int, ...]
    """Ports of addresses outside the cluster that it calls."""
    calls_services: bool
    """Asks the other services over HTTP: the console, for people's actions."""
    public_paths: tuple[str, ...]
    """Prefixes of routes that authenticate by themselves: shops, marketplaces and browsers reach these."""
    has_deadlines: bool
    """Keeps a deadline towards a marketplace; is scheduled before the others."""
    own_secrets: tuple[str, ...]
    """Variables with secrets that only this service has."""
    settings: type[ServiceSettings]
    rebuilt_from: tuple[str, ...] = ()
    """Topics that a replay of it reads: what it listens to, and its own where that restores answers and decisions."""

    @property
    def database(self) -> str:
        """Name of its database and of the role that owns it."""
        return f"hub_{self.package}"

    @property
    def group(self) -> str:
        """Its consumer group, without prefix; empty when it listens to nothing."""
        return self.name if self.listens else ""

    @property
    def max_replicas(self) -> int:
        """Replicas beyond the partitions of what it listens to would have nothing to read."""
        partitions = [TOPIC_BY_NAME[name].partitions for name in self.listens]
        return max(MIN_REPLICAS, min([MOST_REPLICAS, max(partitions, default=MIN_REPLICAS)]))

    @property
    def connections(self) -> int:
        """Database connections at most: all replicas, one more while rolling out, a migration, a person looking."""
        return (self.max_replicas + 1) * int(self.settings.model_fields["pool_size"].default) + 4


@cache
def installed() -> tuple[Facts, ...]:
    """Every installed service, by name. Raises `ScaffoldError` when one cannot be loaded."""
    specs: list[ServiceSpec] = []
    for entry in entry_points(group=GROUP):
        try:
            specs.append(entry.load())
        except ImportError as error:
            raise ScaffoldError(f"{entry.name}: cannot be asked what it needs: {error}") from None
    return tuple(facts_of(spec) for spec in sorted(specs, key=lambda spec: spec.name))


def facts_of(spec: ServiceSpec) -> Facts:
    """What follows from a declaration and its package."""
    runtime = _unstarted(spec)
    settings = runtime.settings
    imports, calls = _used(spec.package)
    calls_services = "service_urls" in spec.settings.model_fields
    own_client = any(name.rpartition(".")[2] == "ClientFactory" for name in imports)
    outside = bool(list(spec.effects(runtime))) or bool(calls & _CALLS) or own_client
    common = ServiceSettings.model_fields
    secrets = [
        f"HUB_{name.upper()}"
        for name, field in spec.settings.model_fields.items()
        if field.annotation is SecretStr and name not in common
    ]
    paths = {route.path for router in spec.self_authenticated(runtime) for route in router.routes}  # type: ignore[attr-defined]
    mail = MAIL_PORTS if "aiosmtplib" in imports else ()
    return Facts(
        name=spec.name,
        package=spec.package,
        listens=spec.listens,
        writes=tuple(topic.name for topic in TOPICS if topic.writer == spec.name),
        dead_letters=tuple(TOPIC_BY_NAME[name].dead_letter for name in spec.listens),
        watches="hub_common.kafka.watch" in imports,
        ports_out=((HTTPS,) if outside else ()) + mail,
        calls_services=calls_services,
        public_paths=("/",) if calls_services else tuple(sorted({path.partition("{")[0] for path in paths})),
        has_deadlines="hub_common.deadlines" in imports,
        own_secrets=tuple(sorted(secrets)),
        settings=spec.settings,
        rebuilt_from=tuple(name for names in topics_of(spec, settings) for name in names) if spec.replay else (),
    )


def _unstarted(spec: ServiceSpec) -> Runtime:
    """A runtime that is connected to nothing: enough to ask for effects and routes."""
    placeholder = {"database_dsn": "postgresql://nowhere", "credentials_keys": "none:" + "A" * 43 + "="}
    return Runtime(spec, spec.settings.model_validate({"kafka_bootstrap": "nowhere:9092", **placeholder}))


def _used(package: str) -> tuple[frozenset[str], frozenset[tuple[str, str]]]:
    """Modules that a package imports, and its calls as (last name before the dot, method)."""
    imports: set[str] = set()
    calls: set[tuple[str, str]] = set()
    for module in sorted(Path(str(files(package))).rglob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            imports.update(_imported(node))
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                holder = node.func.value
                last = holder.attr if isinstance(holder, ast.Attribute) else getattr(holder, "id", "")
                calls.add((last, node.func.attr))
    return frozenset(imports), frozenset(calls)


def _imported(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)
