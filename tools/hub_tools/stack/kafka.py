"""Apache Kafka itself, on the local JVM: one node that is broker and controller (KRaft), data in a folder.

The same broker as in production, so that what tests see (rebalances, idempotence, restarts) is what will happen there.
"""

from __future__ import annotations

import base64
import os
import shutil
import signal
import subprocess
import uuid
from collections.abc import Callable
from pathlib import Path

from hub_tools.setup.jars import jars_ready, java_tools, resolve_jars
from hub_tools.setup.paths import LOG, jars_dir
from hub_tools.setup.progress import Progress

from .errors import StackError
from .files import make_folder
from .model import JsonState, number
from .ports import becomes_idle, idle_port, is_idle
from .process import ProcessRef, log_tail, spawn
from .waiting import wait_until
from .wire import broker_ready

_START_TIMEOUT_S = 60.0
_STOP_TIMEOUT_S = 30.0
_BIND_TRIES = 3
_HEAP = "-Xmx512m"
# One collector thread and the quick compiler only: starts in seconds on two cores shared with everything else.
_JVM = ["-Xms128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto", "-Djava.awt.headless=true"]
_PROPERTIES = """\
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:{controller}
listeners=BROKER://127.0.0.1:{broker},CONTROLLER://127.0.0.1:{controller}
advertised.listeners=BROKER://127.0.0.1:{broker}
listener.security.protocol.map=BROKER:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=BROKER
controller.listener.names=CONTROLLER
log.dirs={data}

# A topic that is not declared is a mistake and must fail.
auto.create.topics.enable=false
default.replication.factor=1
min.insync.replicas=1
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=2
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
share.coordinator.state.topic.num.partitions=1

# Groups form at once, and tests may use short sessions.
group.initial.rebalance.delay.ms=0
group.min.session.timeout.ms=1000

# After a kill the new broker may register only once the old one's session has ended: with the default (9 s) every
# start after a kill takes 12 s instead of 7 [measured].
broker.session.timeout.ms=4000
broker.heartbeat.interval.ms=1000

# Small: the defaults reserve 128 MiB for compaction and 10 MiB of index per partition.
log.cleaner.dedupe.buffer.size=8388608
log.index.size.max.bytes=1048576
log.segment.bytes=67108864
num.network.threads=2
num.io.threads=4
background.threads=4
num.replica.fetchers=1
"""
_LOG4J = """\
status=error
appender.file.type=RollingFile
appender.file.name=file
appender.file.fileName={log}
appender.file.filePattern={log}.%i
appender.file.layout.type=PatternLayout
appender.file.layout.pattern=%d{{ISO8601}} %-5p %m (%c)%n
appender.file.policies.type=Policies
appender.file.policies.size.type=SizeBasedTriggeringPolicy
appender.file.policies.size.size=20MB
appender.file.strategy.type=DefaultRolloverStrategy
appender.file.strategy.max=2
rootLogger.level=info
rootLogger.appenderRef.file.ref=file
"""


class JvmKafka:
    """A Kafka broker below `folder`, listening on 127.0.0.1 only. Ports stay the same over restarts.

    `death_signal` ties it to the calling thread (see `process.spawn`). `state` is what `state()` gave elsewhere.
    """

    kind = "jvm"

    def __init__(
        self, folder: Path, *, death_signal: signal.Signals | None = None, state: JsonState | None = None
    ) -> None:
        self._folder = folder
        self._death_signal = death_signal
        self._data = folder / "data"
        self._log = folder / "kafka.log"
        self._out = folder / "kafka.out"
        self._ref = ProcessRef.from_state(state or {})
        self._port = number(state or {}, "port") or 0
        self._controller_port = number(state or {}, "controller_port") or 0

    @property
    def pid(self) -> int | None:
        return self._ref.pid if self._ref else None

    @property
    def bootstrap_servers(self) -> str:
        return f"127.0.0.1:{self._port}"

    def state(self) -> JsonState:
        ref = self._ref.to_state() if self._ref else {}
        return {"kind": self.kind, "port": self._port, "controller_port": self._controller_port, **ref}

    def alive(self) -> bool:
        return self._ref is not None and self._ref.alive() and broker_ready(self.bootstrap_servers)

    def start(self) -> None:
        if self._ref is not None and self._ref.alive():
            return
        java, classpath = _java(), _classpath()
        make_folder(self._folder)
        fixed = self._port != 0
        for _ in range(_BIND_TRIES):
            if not fixed:
                self._port, self._controller_port = idle_port(), idle_port()
            self._write_settings()
            if not (self._data / "meta.properties").exists():
                self._format(java, classpath)
            if becomes_idle(self._port, self._controller_port) and self._run(java, classpath):
                return
            if fixed:
                break
        raise StackError(f"Kafka cannot listen on {self.bootstrap_servers}; another program has the port")

    def stop(self) -> None:
        if self._ref is not None:
            self._ref.stop(signal.SIGTERM, timeout=_STOP_TIMEOUT_S)
            self._ref = None

    def restart(self) -> None:
        self.stop()
        self.start()

    def kill(self) -> None:
        if self._ref is not None:
            self._ref.kill_tree()
            self._ref = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _write_settings(self) -> None:
        properties = _PROPERTIES.format(broker=self._port, controller=self._controller_port, data=self._data)
        (self._folder / "server.properties").write_text(properties, encoding="utf-8")
        (self._folder / "log4j2.properties").write_text(_LOG4J.format(log=self._log), encoding="utf-8")

    def _format(self, java: Path, classpath: str) -> None:
        """Write the cluster's id and initial metadata, once. A half-formatted folder is formatted anew."""
        shutil.rmtree(self._data, ignore_errors=True)
        command: list[str | Path] = [java, *self._jvm_options(), "-cp", classpath, "kafka.tools.StorageTool", "format"]
        child = spawn([*command, "-t", new_cluster_id(), "-c", self._folder / "server.properties"], log=self._out)
        try:
            code = child.popen.wait(_START_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            child.ref.kill_tree()
            raise StackError(f"Kafka's storage tool does not end; see {self._out}") from None
        if code != 0:
            raise StackError(f"Kafka's storage tool failed (exit {code}); see {self._out}\n{log_tail(self._out)}")

    def _run(self, java: Path, classpath: str) -> bool:
        """Start the broker; False when a port was taken at the last moment."""
        child = spawn(
            [java, *self._jvm_options(), "-cp", classpath, "kafka.Kafka", self._folder / "server.properties"],
            log=self._out,
            death_signal=self._death_signal,
            env={**os.environ, "LC_ALL": "C.UTF-8"},
        )
        self._ref = child.ref
        try:
            wait_until(
                lambda: child.exit_code() is not None or broker_ready(self.bootstrap_servers),
                timeout=_START_TIMEOUT_S,
                what=f"Kafka does not answer; see {self._log}",
            )
        except BaseException:
            self.kill()
            raise
        if child.exit_code() is None:
            return True
        self._ref = None
        if not is_idle(self._port) or not is_idle(self._controller_port):
            return False
        raise StackError(f"Kafka ended at once (exit {child.exit_code()}); see {self._log}\n{log_tail(self._log)}")

    def _jvm_options(self) -> list[str]:
        return [_HEAP, *_JVM, f"-Dlog4j2.configurationFile={self._folder / 'log4j2.properties'}"]


def new_cluster_id(draw: Callable[[], uuid.UUID] = uuid.uuid4) -> str:
    """A random cluster id. One that begins with a dash would be read as an option of the storage tool: 1 in 64."""
    while True:
        text = base64.urlsafe_b64encode(draw().bytes).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def jvm_possible() -> str | None:
    """None when Kafka can run here, if need be after fetching its jars; else why not."""
    tools = java_tools()
    if tools.java is None or not (jars_ready() or tools.maven):
        return tools.why_not
    return None


def _java() -> Path:
    tools = java_tools()
    if tools.java is None:
        raise StackError(f"{tools.why_not}; install Java 17 or newer, or set HUB_BROKER=wheel (development only)")
    return tools.java


def _classpath() -> str:
    """The verified jars; fetched here when the set-up ran before Java or Maven were there."""
    if not jars_ready():
        tools = java_tools()
        if tools.maven is None:
            raise StackError(
                f"Kafka's jars are not in {jars_dir()} and {tools.why_not}; install Maven, run: make setup"
            )
        resolve_jars(tools.maven, Progress(), LOG)
    return f"{jars_dir()}/*"
