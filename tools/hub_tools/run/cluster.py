"""The hub on this machine: one database and role per service, topics, then the services, together or one by one.

Ports and secrets are chosen once and kept in the data folder, so that a second start finds the same hub again.
"""

from __future__ import annotations

import json
import secrets
import sys
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import entry_points
from pathlib import Path

from hub_common.crypto import generate_key
from hub_common.kafka.client import ensure_topics
from hub_common.service import ServiceSpec
from hub_common.web import hash_token
from hub_contracts.topics import TOPICS
from hub_tools.run.api import Api, ApiError
from hub_tools.stack.databases import ensure_service_databases
from hub_tools.stack.errors import StackError
from hub_tools.stack.files import read_state, write_state
from hub_tools.stack.local import StackInfo
from hub_tools.stack.model import Say, silent
from hub_tools.stack.ports import idle_port
from hub_tools.stack.state import DataFolder
from hub_tools.stack.supervisor import Supervisor
from hub_tools.stack.waiting import run_sync
from ops_console.accounts import hash_password

SANDBOX = "sandbox"
CONSOLE = "ops-console"
CONSOLE_LOGIN = "admin"
"""The local account that a hub on a laptop begins with."""
TOGETHER = "hub"
"""Name of the one process that runs all services on a laptop."""
START_SECONDS = 90.0


def installed_services() -> dict[str, ServiceSpec]:
    """Every service found through the entry-point group `hub.services`, by name."""
    return {entry.name: entry.load() for entry in sorted(entry_points(group="hub.services"), key=lambda e: e.name)}


@dataclass
class Keys:
    """Ports and secrets of this hub, chosen at the first start."""

    ports: dict[str, int]
    operator_token: str = field(repr=False)
    credentials_keys: str = field(repr=False)
    console_token: str = field(repr=False)
    """With it the console calls the services for the people who signed in there."""
    console_password: str = field(repr=False)
    """Of the console's only local account, `admin`."""


def load_keys(folder: DataFolder, names: list[str]) -> Keys:
    """The stored ports and secrets, with what is missing chosen now and stored with mode 0600."""
    path = folder.secrets / "hub.json"
    folder.secrets.mkdir(parents=True, exist_ok=True)
    state = read_state(path)
    stored = state.get("ports")
    ports = {str(name): int(str(port)) for name, port in stored.items()} if isinstance(stored, dict) else {}
    for name in names:
        ports.setdefault(name, idle_port())
    keys = Keys(
        ports=ports,
        operator_token=str(state.get("operator_token") or f"hub_{secrets.token_urlsafe(24)}"),
        credentials_keys=str(state.get("credentials_keys") or generate_key("local")),
        console_token=str(state.get("console_token") or f"hub_{secrets.token_urlsafe(24)}"),
        console_password=str(state.get("console_password") or secrets.token_urlsafe(12)),
    )
    write_state(path, asdict(keys))
    return keys


class Cluster:
    """The services of one data folder. `apart` starts a process per service, else all share one."""

    def __init__(
        self,
        stack: StackInfo,
        *,
        apart: bool = False,
        extra_env: Mapping[str, str] | None = None,
        sandbox_settings: Mapping[str, object] | None = None,
        tied: bool = False,
    ) -> None:
        self.stack = stack
        self.folder = DataFolder(stack.data_dir)
        self.specs = installed_services()
        self.supervisor = Supervisor(self.folder.services, tied=tied)
        self.keys = load_keys(self.folder, [*self.specs, SANDBOX])
        self._apart = apart
        self._extra = dict(extra_env or {})
        self._sandbox_settings = dict(sandbox_settings or {})

    def url(self, name: str) -> str:
        """Base address of a service's API."""
        return f"http://127.0.0.1:{self.keys.ports[name]}"

    def dsn(self, name: str) -> str:
        """Address of a service's database; holds a password. Known after `prepare`."""
        return self._databases[name].dsn

    def api(self, name: str) -> Api:
        """Client of a service's API, with the operator's token."""
        return Api(self.url(name), None if name == SANDBOX else self.keys.operator_token)

    def prepare(self, say: Say = silent) -> None:
        """Databases, roles and topics; schemas are brought to head by the services themselves."""
        started = time.monotonic()
        names = sorted(self.specs)
        self._databases = run_sync(ensure_service_databases(self.stack.postgres_dsn, names, self.folder.secrets))
        run_sync(ensure_topics(self.stack.bootstrap_servers, TOPICS))
        say(f"{len(names)} databases and {len(TOPICS)} topics ready in {time.monotonic() - started:.1f} s")

    def environment(self, name: str) -> dict[str, str]:
        """Settings of one service as environment variables."""
        env = {
            "HUB_DATABASE_DSN": self._databases[name].dsn,
            "HUB_KAFKA_BOOTSTRAP": self.stack.bootstrap_servers,
            "HUB_HTTP_PORT": str(self.keys.ports[name]),
            "HUB_OPERATOR_TOKENS": self._operator_tokens,
            "HUB_CREDENTIALS_KEYS": self.keys.credentials_keys,
            "HUB_ALLOW_PRIVATE_NETWORKS": "127.0.0.0/8",
            "HUB_AUTO_MIGRATE": "true",
            "HUB_POOL_SIZE": "5",
            "HUB_INSTANCE": "" if self._apart else "local",
            "HUB_SERVICE_URLS": json.dumps({each: self.url(each) for each in self.specs}),
            "HUB_PUBLIC_URL": self.url(name),
        }
        if name == CONSOLE:
            env["HUB_CONSOLE_TOKEN"] = self.keys.console_token
            env["HUB_LOCAL_ACCOUNTS"] = f"{CONSOLE_LOGIN}:admin:*:{hash_password(self.keys.console_password)}"
        return env | self._extra

    @property
    def _operator_tokens(self) -> str:
        tool, console = hash_token(self.keys.operator_token), hash_token(self.keys.console_token)
        return f"local:admin:{tool},console:delegate:{console}"

    def start(self, say: Say = silent) -> None:
        """Start simulators and services and wait until all are ready. Raises `StackError` with the log's end."""
        started = time.monotonic()
        self.start_sandbox()
        if self._apart:
            for name, spec in self.specs.items():
                self.start_service(name, spec)
        else:
            plan = {name: self.environment(name) for name in self.specs}
            path = self.folder.secrets / "together.json"
            write_state(path, {"services": plan})
            self.supervisor.start(TOGETHER, [sys.executable, "-m", "hub_tools.run.together", path], env={})
        for name in (SANDBOX, *self.specs):
            self.wait_ready(name)
        say(f"{len(self.specs)} services and the simulators are ready in {time.monotonic() - started:.1f} s")

    def start_sandbox(self) -> None:
        """Start the simulators."""
        env = {
            "HUB_SANDBOX_PORT": str(self.keys.ports[SANDBOX]),
            "HUB_SANDBOX_SETTINGS": json.dumps(self._sandbox_settings),
        }
        self.supervisor.start(SANDBOX, [sys.executable, "-m", "sandbox"], env=env)

    def start_service(self, name: str, spec: ServiceSpec | None = None) -> None:
        """Start one service as a process of its own."""
        package = (spec or self.specs[name]).package
        self.supervisor.start(name, [sys.executable, "-m", package], env=self.environment(name))

    def wait_ready(self, name: str, seconds: float = START_SECONDS) -> None:
        """Wait until a service says that it is ready. Raises `StackError` with the end of its log."""
        process = name if self._apart or name == SANDBOX else TOGETHER
        path = "/healthz" if name == SANDBOX else "/readyz"
        deadline = time.monotonic() + seconds
        while True:
            try:
                self.api(name).get(path)
            except ApiError as error:
                if not self.supervisor.status(process).running:
                    raise StackError(f"{name} ended: {self.supervisor.why_ended(process)}") from None
                if time.monotonic() > deadline:
                    raise StackError(
                        f"{name} is not ready after {seconds:.0f} s ({error}); log: {self.supervisor.log(process)}"
                    ) from None
                time.sleep(0.1)
            else:
                return

    def stop(self) -> None:
        """Stop services and simulators; the stack below stays."""
        self.supervisor.stop_all()

    def logs(self) -> Path:
        """Folder of the logs."""
        return self.folder.services
