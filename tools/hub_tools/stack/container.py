"""Kafka and PostgreSQL in containers, through testcontainers, where a container engine answers.

Host ports are chosen here and bound explicitly: Kafka tells clients its own address, so it must know the port before
it starts, and the port must be the same after a restart.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from .errors import StackError
from .files import kept_secret, make_folder
from .model import JsonState, number, text
from .ports import idle_port
from .waiting import run_sync, wait_until
from .wire import broker_ready

if TYPE_CHECKING:
    from docker.models.containers import Container  # type: ignore[import-untyped]

KAFKA_IMAGE = "apache/kafka:4.1.1"
POSTGRES_IMAGE = "postgres:16"
_LOCAL = "127.0.0.1"
_PROBE_TIMEOUT_S = 5.0
_START_TIMEOUT_S = 120.0
_STOP_TIMEOUT_S = 20


def engine() -> str | None:
    """The container engine that answers (`docker` or `podman`), or None. Takes 5 s per engine at most."""
    for name in ("docker", "podman"):
        if shutil.which(name) is None:
            continue
        try:
            answer = subprocess.run([name, "info"], capture_output=True, check=False, timeout=_PROBE_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            continue
        if answer.returncode == 0 and (name == "docker" or _point_at_podman()):
            return name
    return None


class _Container:
    """One container on one host port, found again by its id."""

    kind = "container"
    image = ""
    port_inside = 0

    def __init__(self, folder: Path, *, tied: bool = False, state: JsonState | None = None) -> None:
        self._folder = folder
        self._tied = tied
        self._id = text(state or {}, "container")
        self._host = text(state or {}, "host") or _LOCAL
        self._port = number(state or {}, "port") or 0

    @property
    def pid(self) -> int | None:
        return None

    def state(self) -> JsonState:
        return {"kind": self.kind, "host": self._host, "port": self._port, "container": self._id}

    def start(self) -> None:
        if self.alive():
            return
        make_folder(self._folder)
        container = self._container()
        if container is not None:
            container.start()
        else:
            self._port = idle_port()
            self._id = self._create()
        wait_until(
            self.alive, timeout=_START_TIMEOUT_S, what=f"{self.image} does not answer; see: docker logs {self._id[:12]}"
        )

    def stop(self) -> None:
        container = self._container()
        if container is not None:
            container.stop(timeout=_STOP_TIMEOUT_S)

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        container = self._container()
        if container is not None and container.status == "running":
            container.kill()

    def remove(self) -> None:
        container = self._container()
        if container is not None:
            container.remove(force=True, v=True)
        self._id = ""
        shutil.rmtree(self._folder, ignore_errors=True)

    def alive(self) -> bool:
        container = self._container()
        return container is not None and container.status == "running" and self._answers()

    def _answers(self) -> bool:
        raise StackError(f"{type(self).__name__} has no probe")

    def _environment(self) -> dict[str, str]:
        raise StackError(f"{type(self).__name__} has no environment")

    def _create(self) -> str:
        from testcontainers.core.config import testcontainers_config
        from testcontainers.core.container import DockerContainer
        from testcontainers.core.docker_client import DockerClient

        # Its reaper removes containers when this process ends: wanted for a test run, not for a stack that stays.
        testcontainers_config.ryuk_disabled = not self._tied
        self._host = _LOCAL if (host := DockerClient().host()) == "localhost" else host
        container = DockerContainer(self.image)
        # Not reachable from other machines, unless the engine itself is on another one.
        ports = cast("dict[str, Any]", container.ports)
        ports[f"{self.port_inside}/tcp"] = (_LOCAL, self._port) if self._host == _LOCAL else self._port
        for name, value in self._environment().items():
            container.with_env(name, value)
        try:
            # Any failure of the engine: pull, port, rights.
            container.start()
        except Exception as error:
            raise StackError(f"{self.image} does not start in a container: {error}; or set HUB_BROKER=jvm") from error
        return str(container.get_wrapped_container().id)

    def _container(self) -> Container | None:
        if not self._id:
            return None
        import docker  # type: ignore[import-untyped]
        from docker.errors import DockerException, NotFound  # type: ignore[import-untyped]

        try:
            return docker.from_env().containers.get(self._id)
        except NotFound:
            return None
        except DockerException as error:
            raise StackError(f"the container engine does not answer any more: {error}") from error


class ContainerKafka(_Container):
    """Apache Kafka's own image, one node."""

    image = KAFKA_IMAGE
    port_inside = 9092

    @property
    def bootstrap_servers(self) -> str:
        return f"{self._host}:{self._port}"

    def _answers(self) -> bool:
        return broker_ready(self.bootstrap_servers)

    def _environment(self) -> dict[str, str]:
        settings: dict[str, Any] = {
            "NODE_ID": 1,
            "PROCESS_ROLES": "broker,controller",
            "CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
            "LISTENERS": "BROKER://:9092,CONTROLLER://:9093",
            "ADVERTISED_LISTENERS": f"BROKER://{self.bootstrap_servers}",
            "LISTENER_SECURITY_PROTOCOL_MAP": "BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT",
            "INTER_BROKER_LISTENER_NAME": "BROKER",
            "CONTROLLER_LISTENER_NAMES": "CONTROLLER",
            "AUTO_CREATE_TOPICS_ENABLE": "false",
            "OFFSETS_TOPIC_REPLICATION_FACTOR": 1,
            "OFFSETS_TOPIC_NUM_PARTITIONS": 4,
            "TRANSACTION_STATE_LOG_REPLICATION_FACTOR": 1,
            "TRANSACTION_STATE_LOG_MIN_ISR": 1,
            "TRANSACTION_STATE_LOG_NUM_PARTITIONS": 2,
            "GROUP_INITIAL_REBALANCE_DELAY_MS": 0,
            "GROUP_MIN_SESSION_TIMEOUT_MS": 1000,
        }
        return {f"KAFKA_{name}": str(value) for name, value in settings.items()}


class ContainerPostgres(_Container):
    """The official PostgreSQL image."""

    image = POSTGRES_IMAGE
    port_inside = 5432

    @property
    def dsn(self) -> str:
        return f"postgresql://postgres:{kept_secret(self._folder / 'password')}@{self._host}:{self._port}/postgres"

    def _answers(self) -> bool:
        from .databases import is_superuser

        return run_sync(is_superuser(self.dsn))

    def _environment(self) -> dict[str, str]:
        return {"POSTGRES_PASSWORD": kept_secret(self._folder / "password")}


def _point_at_podman() -> bool:
    """Tell the docker client where podman listens; False when podman has no socket."""
    if os.environ.get("DOCKER_HOST"):
        return True
    command = ["podman", "info", "--format", "{{.Host.RemoteSocket.Path}}"]
    answer = subprocess.run(command, capture_output=True, text=True, check=False, timeout=_PROBE_TIMEOUT_S)
    path = answer.stdout.strip().removeprefix("unix://")
    if not path or not Path(path).exists():
        return False
    os.environ["DOCKER_HOST"] = f"unix://{path}"
    return True
