"""What a connector gets as `HttpCaller`: guard, breaker, budget, deadline, verdict, measurement, for one connection."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from structlog.typing import FilteringBoundLogger

from connector_kit.http import Ambiguous, Answer, BadAnswer, Call, CallError, NotSent
from hub_common.clock import Clock
from hub_common.http.breaker import Breaker, BreakerRules, RetryBudget
from hub_common.http.budget import BudgetAway, CallBudget
from hub_common.http.encode import Unsendable, check_shape, encode_json, join_url
from hub_common.http.factory import ConnectFailed, Forbidden, HttpSender, Prepared
from hub_common.http.guard import AddressPolicy, AddressRefused, check_url
from hub_common.trace import current
from hub_common.tracing import SpanKind, Step, Tracing

Observe = Callable[[str, str, str, float], None]
"""`(connector, operation, status_class, seconds)`; `Metrics.observe_call` fits."""
UNDECLARED_WAIT = 30.0
"""Seconds until an operation without a budget is worth another try: a new version of the connector may declare it."""
AWAY_WAIT = 5.0
"""Seconds until the count is asked for again while it cannot be reached."""
ADDRESS_LIMITED = 1015
"""Cloudflare's code for too many calls from our address: waiting with one operation only would not end it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """Whose calls these are. `base_url` is the environment's or the connection's own address."""

    connection_id: str
    connector: str
    base_url: str


def _observe_nothing(_connector: str, _operation: str, _status_class: str, _seconds: float) -> None:
    return None


class GuardedCaller:
    """Implements `connector_kit.http.HttpCaller` for one connection.

    Breakers (one per operation) live in this object: keep it as long as the connection is unchanged. `budget` is
    shared by all connections of a credential, `retries` by the process (`ClientFactory.retries`).
    """

    def __init__(
        self,
        connection: Connection,
        *,
        sender: HttpSender,
        policy: AddressPolicy,
        budget: CallBudget,
        clock: Clock,
        log: FilteringBoundLogger,
        jitter: Callable[[float], float],
        retries: RetryBudget | None = None,
        rules: BreakerRules | None = None,
        observe: Observe = _observe_nothing,
        operation_prefix: str = "",
        tracing: Tracing | None = None,
    ) -> None:
        self._connection = connection
        self._tracing = tracing
        self._sender, self._policy, self._budget, self._clock = sender, policy, budget, clock
        self._log = log.bind(connection_id=connection.connection_id, connector=connection.connector)
        self._jitter, self._rules = jitter, rules
        self._retries = retries or RetryBudget()
        self._observe = observe
        self._prefix = operation_prefix
        self._breakers: dict[str, Breaker] = {}

    def breaker(self, operation: str) -> Breaker:
        """The breaker of an operation."""
        if operation not in self._breakers:
            self._breakers[operation] = Breaker(self._clock, self._jitter, self._rules)
        return self._breakers[operation]

    async def call(self, call: Call) -> Answer:
        """See `HttpCaller.call`. Raises `NotSent`, `Ambiguous` or `BadAnswer`, nothing else of its own."""
        step = self._step(call)
        if step is None:
            return await self._call(call)
        try:
            answer = await self._call(call)
        except BaseException as error:
            step.end(_class_of(error) if isinstance(error, CallError) else type(error).__name__)
            raise
        status = answer.status
        step.end(str(status) if status >= 400 else "", {"http.response.status_code": status})
        return answer

    def _step(self, call: Call) -> Step | None:
        """A span without path and query: they hold references, keys and names."""
        if self._tracing is None:
            return None
        address = urlsplit(self._connection.base_url)
        return self._tracing.begin(
            f"{call.method} {call.operation}",
            SpanKind.CLIENT,
            current(),
            {
                "http.request.method": call.method,
                "server.address": address.hostname or "",
                "server.port": address.port or (443 if address.scheme == "https" else 80),
                "hub.connector": self._connection.connector,
                "hub.operation": call.operation,
                "hub.connection_id": self._connection.connection_id,
                "hub.lane": call.lane.name.lower(),
            },
        )

    async def _call(self, call: Call) -> Answer:
        prepared = self._prepare(call)
        breaker = self.breaker(call.operation)
        await self._admit(call, breaker)
        started = self._clock.monotonic()
        told = False
        try:
            answer = await self._attempt(call, prepared)
            penalised = self._learn(call, breaker, answer)
            told = True
        except CallError as error:
            if isinstance(error, ConnectFailed | Ambiguous | BadAnswer):
                breaker.failure()
                told = True
            self._record(call, prepared, _class_of(error), started, cause=str(error))
            raise
        finally:
            if not told:
                breaker.release()
        self._record(call, prepared, f"{answer.status // 100}xx", started, status=answer.status)
        if penalised:
            await self._budget.settle()
        return answer

    def _prepare(self, call: Call) -> Prepared:
        try:
            headers = check_shape(call)
            url = check_url(join_url(self._connection.base_url, call), self._policy)
            content = call.content
            if call.json is not None:
                content = encode_json(call.json)
                headers.setdefault("content-type", "application/json")
        except (Unsendable, AddressRefused) as error:
            reason = str(error)
        else:
            return Prepared(call.method, url, headers, content, call.parts)
        self._log.error("http_call_refused", operation=call.operation, cause=reason)
        self._observe(self._connection.connector, call.operation, "not_sent", 0.0)
        raise NotSent(reason)

    async def _admit(self, call: Call, breaker: Breaker) -> None:
        """Breaker before budget: calls that will not be made must not use up what is allowed."""
        wait, reason = breaker.admit(), "circuit breaker is open"
        if wait <= 0:
            try:
                wait, reason = await self._ask_budget(call)
            except BaseException:
                breaker.release()
                raise
            if wait <= 0:
                return
            breaker.release()
        self._observe(self._connection.connector, call.operation, "not_sent", 0.0)
        self._log.info("http_call_held", operation=call.operation, lane=call.lane.name, cause=reason, retry_after=wait)
        raise NotSent(f"{call.operation}: {reason}", retry_after=wait)

    async def _ask_budget(self, call: Call) -> tuple[float, str]:
        try:
            return await self._budget.take(self._prefix + call.operation, call.lane), "call budget is used up"
        except KeyError:
            return UNDECLARED_WAIT, "operation has no call budget in the manifest"
        except BudgetAway:
            return AWAY_WAIT, "call budget cannot be counted"

    async def _attempt(self, call: Call, prepared: Prepared) -> Answer:
        self._retries.called()
        started = self._clock.monotonic()
        try:
            return await self._sender.send(prepared)
        except ConnectFailed as error:
            left = self._sender.total_seconds - (self._clock.monotonic() - started)
            if not call.idempotent or left <= 0 or not self._retries.take():
                raise
            self._log.info("http_call_repeated", operation=call.operation, cause=str(error))
        return await self._sender.send(prepared, total=left)

    def _learn(self, call: Call, breaker: Breaker, answer: Answer) -> bool:
        """Take in what the status says; True when other processes must be told."""
        operation = self._prefix + call.operation
        wait = retry_after(answer, self._clock) if answer.status in (429, 503) else None
        if answer.status == 429:
            breaker.release()
            self._budget.refused(operation, wait, everything=_address_limited(answer))
            return True
        if answer.status >= 500:
            breaker.failure()
        else:
            breaker.success()
            self._budget.answered(operation)
        if wait is not None:
            self._budget.penalise(operation, wait)
        return wait is not None

    def _record(
        self, call: Call, prepared: Prepared, status_class: str, started: float, *, status: int = 0, cause: str = ""
    ) -> None:
        seconds = self._clock.monotonic() - started
        self._observe(self._connection.connector, call.operation, status_class, seconds)
        facts: Mapping[str, object] = {"status": status} if status else {"cause": cause}
        write = self._log.info if status and status < 500 and status != 429 else self._log.warning
        write(
            "http_call",
            operation=call.operation,
            method=call.method,
            host=prepared.url.host,
            status_class=status_class,
            seconds=round(seconds, 4),
            lane=call.lane.name,
            **facts,
        )


def retry_after(answer: Answer, clock: Clock) -> float | None:
    """Seconds that an answer asks to wait: digits, a `retry_after` member, or an HTTP date. None = it does not say."""
    try:
        seconds = answer.retry_after
    except (ValueError, OverflowError, RecursionError):
        return None
    if seconds is None and (text := answer.headers.get("retry-after")):
        try:
            date = parsedate_to_datetime(text)
        except ValueError:
            return None
        aware = date if date.tzinfo is not None else date.replace(tzinfo=UTC)
        seconds = (aware - clock.now()).total_seconds()
    return None if seconds is None else max(seconds, 0.0)


def _address_limited(answer: Answer) -> bool:
    try:
        return bool(answer.json().get("error_code") == ADDRESS_LIMITED)
    except (BadAnswer, AttributeError, ValueError, OverflowError, RecursionError):
        return False


def _class_of(error: CallError) -> str:
    if isinstance(error, Forbidden):
        return "forbidden"
    if isinstance(error, NotSent):
        return "not_sent"
    return "ambiguous" if isinstance(error, Ambiguous) else "bad_answer"
