"""Puts a service together and runs it: pool, leases, consumer, relay, retries, effects, duties, web, orderly stop."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import asyncpg
from fastapi import FastAPI
from pydantic import SecretStr

from connector_kit.http import HttpCaller
from connector_kit.manifest import Manifest
from hub_common import connections, housekeeping
from hub_common.budget_board import BudgetBoard
from hub_common.callers import CallerBook
from hub_common.clock import Clock, SystemClock
from hub_common.config import ServiceSettings
from hub_common.connections import Connection, Connections
from hub_common.connectors import ConnectorBook
from hub_common.consumer import Consumer
from hub_common.crypto import Keyring
from hub_common.database import open_pool
from hub_common.effects.worker import LEASE, EffectWorker
from hub_common.http.budget import BudgetAway
from hub_common.http.budget_rows import LeaseRows
from hub_common.ids import Ids, SystemIds
from hub_common.inbox import BatchResult, Inbox
from hub_common.kafka.client import KafkaConsumer, KafkaProducer, OnRevoked
from hub_common.kafka.records import BrokerDown, InRecord
from hub_common.leases import LeaseKeeper
from hub_common.logs import get_logger
from hub_common.metrics import DutyTrouble, Metrics
from hub_common.migrate import check_head, upgrade_async
from hub_common.relay import Relay
from hub_common.retries import Retrier
from hub_common.routing import merge_routes
from hub_common.service import Duty, ServiceSpec
from hub_common.tracing import build_tracing
from hub_common.transactions import Transactions
from hub_common.web import Health, OperatorTokens, WebServer, build_app
from hub_common.web.operations import operations_router

OUTBOX_LEASE = "outbox:"
HUNG_SECONDS = 180.0
"""A duty whose step takes longer hangs; the process is then not alive."""
ERROR_DELAY_SECONDS = 1.0
RETRY_IDLE_SECONDS = 0.5
EFFECTS_IDLE_SECONDS = 0.5
"""New effects wake the worker; this is only how late one whose waiting time is over can be."""
RELAY_IDLE_SECONDS = 0.25
"""Rows written by another replica for a shard of ours have no in-process wake-up; this is how late they can be."""


class Runtime:
    """One running service. Everything a service's code needs hangs off here."""

    def __init__(
        self, spec: ServiceSpec, settings: ServiceSettings, *, clock: Clock | None = None, ids: Ids | None = None
    ) -> None:
        self.spec = spec
        self.settings = settings
        self.clock: Clock = clock or SystemClock()
        self.ids: Ids = ids or SystemIds()
        self.metrics = Metrics()
        self.log = get_logger(spec.name)
        self.keyring = Keyring.parse(settings.credentials_keys.get_secret_value())
        self.instance = settings.instance or f"{socket.gethostname()}-{os.getpid()}-{self.ids.new().hex[-6:]}"
        self.tracing = build_tracing(settings, spec.name, self.instance)
        self.stopping = False
        self._beats: dict[str, tuple[float, bool]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._web: WebServer | None = None

    async def prepare(self) -> None:
        """Connect, check the schema and put the parts together, without letting anything run yet.

        Raises `StorageDown` when the database is away, `SchemaTooOld` when it lacks migrations.
        """
        dsn = self.settings.database_dsn.get_secret_value()
        if self.settings.auto_migrate:
            await upgrade_async(self.spec.package, dsn)
        self.pool = await open_pool(dsn, self.settings.pool_size, f"{self.spec.name}/{self.instance}")
        async with self.pool.acquire() as conn:
            await check_head(self.spec.package, conn)  # type: ignore[arg-type]
        self._assemble()

    async def start(self) -> None:
        """Prepare, then start every duty and the web server."""
        await self.prepare()
        await self.connections.refresh()
        await self._lease_step()
        for duty in self._duties():
            self._tasks[duty.name] = asyncio.create_task(self._run_duty(duty), name=f"{self.spec.name}:{duty.name}")
        await self._start_web()
        self.log.info("service_started", instance=self.instance, host=self.settings.http_host, port=self.port)

    def _assemble(self) -> None:
        settings, spec = self.settings, self.spec
        self.transactions = Transactions(
            self.pool,
            service=spec.name,
            own_topic=spec.own_topic,
            topic_prefix=settings.topic_prefix,
            shards=settings.outbox_shards,
            ids=self.ids,
            clock=self.clock,
            tracing=self.tracing,
        )
        self.leases = LeaseKeeper(self.pool, owner=self.instance, seconds=settings.lease_seconds, clock=self.clock)
        self.connections = Connections(self.pool)
        self.callers = CallerBook(
            settings,
            self.clock,
            self.ids,
            self.metrics,
            rows=LeaseRows(self.pool, self.instance),
            operation_prefix=spec.operation_prefix,
            tracing=self.tracing,
        )
        self.book = ConnectorBook(
            self.connections, callers=self.callers.caller, credentials=self.open_credentials, clock=self.clock
        )
        self.producer = KafkaProducer(settings.broker, f"{spec.name}-relay")
        observe = housekeeping.relay_observer(self.metrics)
        self.relay = Relay(self.pool, self.producer, settings.relay_batch, spec.name, observe, self.tracing)
        routes = merge_routes(connections.ROUTES, spec.routes)
        self.inbox = Inbox(self.transactions, routes)
        self.retrier = Retrier(
            self.transactions,
            routes,
            max_attempts=settings.retry_max_attempts,
            max_age_hours=settings.retry_max_age_hours,
        )
        self.consumer = Consumer(
            self._build_consumer,
            self.inbox,
            clock=self.clock,
            max_records=settings.batch_max_records,
            poll_timeout_ms=settings.poll_timeout_ms,
            on_batch=self._on_batch,
            service=spec.name,
        )
        self._measure()
        plan = spec.planned_calls
        self.board = BudgetBoard(
            self.pool,
            self.callers,
            self.book,
            self.clock,
            service=spec.name,
            plan=partial(plan, self) if plan is not None else None,
        )
        kinds = list(spec.effects(self))
        self.effects = (
            EffectWorker(
                self.transactions,
                self.book,
                self.leases,
                kinds,
                flight_seconds=settings.effect_flight_seconds,
                short_of_calls=self.board.short_of_calls,
            )
            if kinds
            else None
        )
        self.effect_kinds = {kind.kind: kind for kind in kinds}

    def _measure(self) -> None:
        """Metrics that are there from the first scrape on."""
        housekeeping.first_metrics(self.metrics, self.spec.name, self.pool, self.clock.now())
        self._watch: housekeeping.ConsumerWatch | None = None
        if self.spec.listens:
            self._watch = housekeeping.ConsumerWatch(self.metrics, self.consumer, self.group)

    @property
    def group(self) -> str:
        """The consumer group of this service."""
        return f"{self.settings.topic_prefix}{self.spec.name}"

    def open_credentials(self, connection: Connection) -> dict[str, SecretStr]:
        """Credentials of a connection, opened with the deployment's key; empty when it has none."""
        sealed = connection.data.credentials
        return self.keyring.open(connection.connection_id, sealed) if sealed else {}

    def caller(self, connection: Connection, manifest: Manifest, base_url: str | None) -> HttpCaller:
        """The guarded HTTP caller of a connection."""
        return self.callers.caller(connection, manifest, base_url)

    def _build_consumer(self, on_revoked: OnRevoked) -> KafkaConsumer:
        return KafkaConsumer(
            self.settings.broker,
            self.group,
            [self.settings.topic_prefix + topic for topic in self.spec.listens],
            client_id=self.instance,
            fetch_max_wait_ms=self.settings.fetch_max_wait_ms,
            on_revoked=on_revoked,
        )

    def _duties(self) -> Sequence[Duty]:
        duties = [
            Duty("leases", self._lease_step, min(5.0, self.settings.lease_seconds / 3)),
            Duty("connections", self._refresh_connections, 1.0),
            Duty("relay", self._relay_step, RELAY_IDLE_SECONDS, self.transactions.relay_wake),
            Duty("retries", self.retrier.step, RETRY_IDLE_SECONDS),
            Duty("gauges", self._gauges_step, 5.0),
            Duty("housekeeping", self._housekeeping_step, 600.0),
        ]
        if self.spec.listens:
            duties.append(Duty("consumer", self._consumer_step, 0.0))
        if self.effects is not None:
            duties.append(Duty("effects", self._effects_step, EFFECTS_IDLE_SECONDS, self.transactions.effects_wake))
        return [*duties, *self.spec.duties(self)]

    async def _run_duty(self, duty: Duty) -> None:
        while not self.stopping:
            self._beats[duty.name] = (self.clock.monotonic(), True)
            worked: object = False
            try:
                worked = await duty.step()
                delay = duty.idle_seconds
            except Exception as error:
                trouble = housekeeping.trouble_of(error)
                self.metrics.duty_failures.labels(duty.name, trouble.value).inc()
                if trouble is DutyTrouble.BROKER:
                    self.log.warning("broker_unreachable", duty=duty.name, error=str(error))
                elif trouble is DutyTrouble.DATABASE:
                    self.log.warning("database_unreachable", duty=duty.name, error=type(error).__name__)
                else:
                    self.log.exception("duty_failed", duty=duty.name)
                delay = max(duty.idle_seconds, ERROR_DELAY_SECONDS)
            self._beats[duty.name] = (self.clock.monotonic(), False)
            if worked or delay == 0:
                await asyncio.sleep(0)
            elif duty.wake is not None:
                await duty.wake.wait(delay)
            else:
                await self.clock.sleep(delay)

    async def _lease_step(self) -> None:
        wanted = {f"{OUTBOX_LEASE}{shard}" for shard in range(self.settings.outbox_shards)}
        if self.effects is not None:
            wanted |= {LEASE + ref for ref in self.book.credential_refs()}
        if self.spec.needs_leases is not None:
            wanted |= self.spec.needs_leases(self)
        self.leases.want(wanted)
        self.leases.unwant([held.name for held in self.leases.held() if held.name not in wanted])
        taken = await self.leases.step()
        names = (lease.name.partition(":") for lease in taken if not lease.name.startswith(OUTBOX_LEASE))
        try:
            await self.callers.sync(ref for _, _, ref in names)
        except BudgetAway as error:
            self.log.warning("budgets_not_read", error=str(error))

    async def _refresh_connections(self) -> None:
        if await self.connections.refresh():
            await self._lease_step()
            self.transactions.effects_wake.set()

    async def _relay_step(self) -> int:
        shards = [int(held.name.removeprefix(OUTBOX_LEASE)) for held in self.leases.held(OUTBOX_LEASE)]
        return await self.relay.step(shards)

    async def _effects_step(self) -> None:
        assert self.effects is not None
        await self.effects.step()

    async def _consumer_step(self) -> bool:
        return await self.consumer.step()

    async def _gauges_step(self) -> None:
        if self._watch is not None:
            self._watch.measure(self.clock.now())
        await housekeeping.gauges(self.pool, self.metrics, self.clock.now())
        housekeeping.lease_metrics(self.metrics, self.leases, self.callers.budgets)
        await self.board.refresh()
        housekeeping.budget_metrics(self.metrics, self.board.lines(housekeeping.BUDGETS_SHOWN), self.clock.now())

    async def _housekeeping_step(self) -> None:
        await housekeeping.database_size(self.pool, self.metrics)
        await housekeeping.clean(self.pool, self.clock.now() - timedelta(days=self.settings.inbox_keep_days))

    def _on_batch(self, records: Sequence[InRecord], result: BatchResult, seconds: float) -> None:
        housekeeping.batch_metrics(self.metrics, records, result, seconds)
        if self._watch is not None:
            self._watch.handled(records)

    def build_web_app(self) -> FastAPI:
        """The service's web application, every route authenticated."""
        return build_app(
            self.spec.name,
            operators=OperatorTokens.parse(self.settings.operator_tokens.get_secret_value()),
            routers=[operations_router(self), *self.spec.routers(self)],
            self_authenticated=list(self.spec.self_authenticated(self)),
            health=self.health,
            ready=self.ready,
            metrics=self.metrics.render,
            openapi=self.spec.openapi,
            tracing=self.tracing,
        )

    async def _start_web(self) -> None:
        self._web = WebServer(self.build_web_app(), self.settings.http_host, self.settings.http_port)
        await self._web.start()

    @property
    def port(self) -> int:
        """Port of this service's HTTP API; 0 before it runs."""
        return self._web.port if self._web else 0

    @property
    def url(self) -> str:
        """Base address of this service's HTTP API."""
        return self._web.url if self._web else ""

    def health(self) -> Health:
        """Alive: the loops turn. A broker or database that is away is no reason to be restarted."""
        now = self.clock.monotonic()
        hung = [name for name, (at, busy) in self._beats.items() if busy and now - at > HUNG_SECONDS]
        dead = [name for name, task in self._tasks.items() if task.done() and not self.stopping]
        return Health(not hung and not dead, {"hung": hung, "ended": dead})

    async def ready(self) -> Health:
        """Able to work: not stopping, database answers. Details tell about the broker."""
        details: dict[str, Any] = {"stopping": self.stopping, "broker": self.consumer.connected}
        try:
            async with asyncio.timeout(1.5):
                await self.pool.fetchval("SELECT 1")
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            return Health(False, details | {"database": type(error).__name__})
        return Health(not self.stopping, details | {"database": "ok"})

    async def stop(self) -> None:
        """Stop taking work, drain with a deadline, flush the relay, leave the group, release leases, close."""
        self.stopping = True
        drain = self.settings.drain_seconds
        try:
            await self.consumer.stop()
            if self.effects is not None:
                await self.effects.finish(drain)
            await self._finish_duties(drain)
            await self._flush_relay(drain)
            async with asyncio.timeout(5):
                await self.leases.release()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
            self.log.warning("stop_incomplete", error=type(error).__name__)
        await self.producer.stop()
        await self.callers.close()
        if self._web is not None:
            await self._web.stop()
        try:
            async with asyncio.timeout(5):
                await self.pool.close()
        except TimeoutError:
            self.pool.terminate()
        if self.tracing is not None:
            await self.tracing.stop()
        self.log.info("service_stopped")

    async def _finish_duties(self, seconds: float) -> None:
        self.transactions.relay_wake.set()
        self.transactions.effects_wake.set()
        tasks = [task for task in self._tasks.values() if not task.done()]
        if tasks:
            # Sleeping duties need not be waited for: cancelling a sleep loses nothing.
            for name, task in self._tasks.items():
                if not self._beats.get(name, (0.0, False))[1]:
                    task.cancel()
            await asyncio.wait(tasks, timeout=seconds)
            for task in tasks:
                task.cancel()

    async def _flush_relay(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                while await self._relay_step():
                    continue
        except (BrokerDown, TimeoutError):
            self.log.warning("outbox_left_for_others")
