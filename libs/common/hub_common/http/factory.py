"""HTTP clients with every limit set, and the verdict whether a failed request can have reached the other side.

"Nothing was sent" may be said only when it is certain: it makes the hub send again, and a second refund is money lost.
So two independent signs must agree: the kind of the failure, and that the pool never began to write this request.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from http.cookiejar import DefaultCookiePolicy
from typing import Any

import httpx

from connector_kit.http import Ambiguous, Answer, BadAnswer, FilePart, NotSent
from hub_common.http.backend import GuardedTransport, RefusedByGuard, Resolver, resolve
from hub_common.http.breaker import RetryBudget
from hub_common.http.guard import AddressPolicy

ANSWER_LIMIT = 24 * 1024 * 1024
"""Bytes of one answer after decompression. A page of 100 orders with addresses stays below 2 MiB; a file of an order
export (Mirakl OR13) is asked for at its smallest size, 10 MB, and may end with one order more."""
IDLE_SECONDS = 2.0
"""Idle connections are dropped before common servers drop them (5 s): a request written into a closing connection
would be an ambiguous one."""


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds. `total` bounds the whole call, from waiting for a connection to the last byte of the answer."""

    connect: float = 5.0
    read: float = 20.0
    write: float = 20.0
    pool: float = 5.0
    total: float = 30.0

    @classmethod
    def within(cls, total: float) -> Timeouts:
        """Time-outs that fit into `total` seconds (`HUB_CALL_TIMEOUT_SECONDS`)."""
        return cls(connect=min(5.0, total), read=total, write=total, pool=min(5.0, total), total=total)


class ConnectFailed(NotSent):
    """No connection: the only failure that may be tried again within a call, and a sign of a sick outside."""


class Forbidden(NotSent):
    """The address guard refused; the other side is not to blame."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """A request ready to be sent. Not for logs: headers and content hold secrets."""

    method: str
    url: httpx.URL
    headers: Mapping[str, str]
    content: bytes | None = None
    parts: Sequence[FilePart] = ()

    def __repr__(self) -> str:
        return f"Prepared({self.method} {self.url.host})"


class HttpSender:
    """One shared client under one address policy."""

    def __init__(self, client: httpx.AsyncClient, timeouts: Timeouts, answer_limit: int) -> None:
        self._client = client
        self._timeouts = timeouts
        self._limit = answer_limit

    @property
    def total_seconds(self) -> float:
        """Longest time that one call may take."""
        return self._timeouts.total

    async def send(self, prepared: Prepared, total: float | None = None) -> Answer:
        """Send once and read the whole answer, whatever its status, within `total` seconds.

        Raises `ConnectFailed`, `Forbidden` or `NotSent` when no byte of the request can have reached the other side,
        `BadAnswer` for an answer too large or wrongly compressed, `Ambiguous` for everything else.
        """
        if self._client.is_closed:
            raise NotSent("the HTTP client is closed: the service is shutting down")
        progress = _Progress()
        try:
            async with asyncio.timeout(total if total is not None else self._timeouts.total):
                return await self._exchange(prepared, progress)
        except BadAnswer:
            raise
        except Exception as error:  # noqa: BLE001  every failure gets a verdict, none passes unclassified
            verdict = _verdict(error, progress)
        raise verdict

    async def _exchange(self, prepared: Prepared, progress: _Progress) -> Answer:
        files = [(part.name, (part.filename, part.content, part.content_type)) for part in prepared.parts]
        request = self._client.build_request(
            prepared.method,
            prepared.url,
            headers=dict(prepared.headers),
            content=prepared.content,
            files=files or None,  # a part without file name is a plain form field
            extensions={"trace": progress.note},
        )
        response = await self._client.send(request, stream=True)
        try:
            progress.status = response.status_code
            body = await self._read(response)
        finally:
            await response.aclose()
        headers = {name.lower(): value for name, value in response.headers.items()}
        return Answer(response.status_code, headers, body)

    async def _read(self, response: httpx.Response) -> bytes:
        inflate = _inflater(response.headers.get("content-encoding", ""), response.status_code)
        body = bytearray()
        async for part in response.aiter_raw():
            body += part if inflate is None else inflate.feed(part, self._limit - len(body) + 1)
            if len(body) > self._limit:
                raise BadAnswer(f"HTTP {response.status_code} answer is larger than {self._limit} bytes")
        if inflate is not None:
            inflate.finish()
        return bytes(body)


class ClientFactory:
    """Makes and owns the clients of a process: one per address policy, shared by all connections.

    `resolver` and `tls` exist for tests and for deployments with an own certificate authority.
    """

    def __init__(
        self,
        *,
        timeouts: Timeouts | None = None,
        max_connections: int = 100,
        answer_limit: int = ANSWER_LIMIT,
        user_agent: str = "OrderRoutingHub/0.1",
        resolver: Resolver = resolve,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._limits = httpx.Limits(
            max_connections=max_connections,
            max_keepalive_connections=max_connections // 2,
            keepalive_expiry=IDLE_SECONDS,
        )
        self._answer_limit = answer_limit
        self._user_agent = user_agent
        self._resolver = resolver
        self._tls = tls or _public_authorities()
        self._senders: dict[AddressPolicy, HttpSender] = {}
        self._clients: list[httpx.AsyncClient] = []
        self.retries = RetryBudget()
        _silence_client_logs()

    def sender(self, policy: AddressPolicy) -> HttpSender:
        """The client for calls under `policy`; always the same one."""
        if policy not in self._senders:
            client = self._client(policy)
            self._clients.append(client)
            self._senders[policy] = HttpSender(client, self._timeouts, self._answer_limit)
        return self._senders[policy]

    def _client(self, policy: AddressPolicy) -> httpx.AsyncClient:
        times = self._timeouts
        client = httpx.AsyncClient(
            transport=GuardedTransport(policy, self._limits, self._tls, self._resolver),
            timeout=httpx.Timeout(connect=times.connect, read=times.read, write=times.write, pool=times.pool),
            headers={"user-agent": self._user_agent, "accept-encoding": "gzip"},
            follow_redirects=False,
            trust_env=False,
        )
        # the client is shared: one seller's session cookie must never go out with another's call
        client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        return client

    async def aclose(self) -> None:
        """Close all clients; later calls raise `NotSent`."""
        for client in self._clients:
            await client.aclose()


@cache
def _public_authorities() -> ssl.SSLContext:
    """Reading a hundred certificates takes some 20 ms; nobody changes the context, so one serves all clients."""
    return ssl.create_default_context()


class _Progress:
    """What became of one request. `begun` turns true before the first byte of it is written."""

    def __init__(self) -> None:
        self.begun = False
        self.status: int | None = None

    async def note(self, event: str, _info: Mapping[str, Any]) -> None:
        """Trace events of the pool: everything that is not about the connection is about sending."""
        if not event.startswith("connection."):
            self.begun = True


_NEVER_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


def _verdict(error: Exception, progress: _Progress) -> NotSent | Ambiguous:
    kind = type(error).__name__
    if progress.begun or progress.status is not None:
        when = f"after HTTP {progress.status}" if progress.status else "after sending began"
        what = "time-out" if isinstance(error, TimeoutError | httpx.TimeoutException) else "connection broke"
        return Ambiguous(f"{what} {when} ({kind})")
    if isinstance(error, RefusedByGuard):
        return Forbidden(str(error))
    if isinstance(error, httpx.PoolTimeout):
        return NotSent("no free connection: too many calls at once", retry_after=1.0)
    if isinstance(error, _NEVER_SENT):
        return ConnectFailed(f"no connection ({kind})")
    if isinstance(error, TimeoutError):
        return ConnectFailed("time-out before anything was sent")
    return Ambiguous(f"unexpected failure ({kind})")


class _Inflater:
    """Decompression that never produces more than asked: a small answer may unpack to gigabytes."""

    def __init__(self, status: int) -> None:
        self._status = status
        self._engine = zlib.decompressobj(wbits=47)
        self._used = False

    def feed(self, data: bytes, limit: int) -> bytes:
        out = bytearray()
        try:
            while data and len(out) < limit:
                if self._engine.eof:
                    self._engine = zlib.decompressobj(wbits=47)
                self._used = True
                out += self._engine.decompress(data, limit - len(out))
                data = self._engine.unused_data if self._engine.eof else self._engine.unconsumed_tail
        except zlib.error:
            raise self._broken() from None
        return bytes(out)

    def finish(self) -> None:
        if self._used and not self._engine.eof:
            raise self._broken()

    def _broken(self) -> BadAnswer:
        return BadAnswer(f"HTTP {self._status} answer is not compressed as it says")


def _inflater(encoding: str, status: int) -> _Inflater | None:
    name = encoding.strip().lower()
    if name in ("", "identity"):
        return None
    if name in ("gzip", "x-gzip", "deflate"):
        return _Inflater(status)
    raise BadAnswer(f"HTTP {status} answer has a content-encoding that was not asked for")


def _no_record(_record: logging.LogRecord) -> bool:
    return False


def _silence_client_logs() -> None:
    """The client library logs whole URLs at INFO, with the secrets in their queries; we log calls ourselves."""
    for name in ("httpx", "httpcore.connection", "httpcore.http11", "httpcore.proxy"):
        logger = logging.getLogger(name)
        if _no_record not in logger.filters:
            logger.addFilter(_no_record)
