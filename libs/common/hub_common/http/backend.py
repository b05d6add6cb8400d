"""Connecting: resolve, check every address, connect to a checked one. TLS and `Host` keep the name that was asked for.

Lives below the connection pool, so nothing above it (redirects, proxies, a connector's mistake) can get around it.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator, Sequence
from ipaddress import ip_address

import httpcore
import httpx

from hub_common.http.guard import AddressPolicy

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
SocketOption = tuple[int, int, int] | tuple[int, int, bytes | bytearray] | tuple[int, int, None, int]
MAX_ADDRESSES = 4
"""Addresses of one name that are tried within the connect time-out."""


class RefusedByGuard(httpx.ConnectError):
    """The name resolves to an address that must not be called."""


async def resolve(host: str, port: int) -> Sequence[str]:
    """All addresses of a name, from the system's resolver. Raises `OSError`."""
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class GuardedBackend(httpcore.AsyncNetworkBackend):
    """Network backend that only connects to addresses which the policy allows. `tls` says what the pool will speak."""

    def __init__(self, policy: AddressPolicy, *, tls: bool, resolver: Resolver = resolve) -> None:
        self._policy = policy
        self._tls = tls
        self._resolver = resolver
        self._network = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Raises `httpcore.ConnectError`, `httpcore.ConnectTimeout` or `RefusedByGuard`; nothing was sent then."""
        try:
            async with asyncio.timeout(timeout):
                addresses = await self._checked(host, port)
                return await self._connect_first(addresses, port, timeout, socket_options)
        except TimeoutError:
            raise httpcore.ConnectTimeout("time-out while connecting") from None

    async def _checked(self, host: str, port: int) -> Sequence[str]:
        try:
            addresses = await self._resolver(host, port)
        except (OSError, UnicodeError):
            raise httpcore.ConnectError(f"host {host} cannot be resolved") from None
        for address in addresses:
            reason = self._policy.refuse_reason(ip_address(address), port, tls=self._tls)
            if reason:
                raise RefusedByGuard(f"host {host} {reason}")
        if not addresses:
            raise httpcore.ConnectError(f"host {host} has no address")
        return addresses[:MAX_ADDRESSES]

    async def _connect_first(
        self, addresses: Sequence[str], port: int, timeout: float | None, options: Iterable[SocketOption] | None
    ) -> httpcore.AsyncNetworkStream:
        share = None if timeout is None else timeout / len(addresses)
        failure: Exception = httpcore.ConnectError("no address answered")
        for address in addresses:
            try:
                return await self._network.connect_tcp(address, port, timeout=share, socket_options=options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[SocketOption] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Never allowed."""
        raise RefusedByGuard("local sockets may not be called")

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._network.sleep(seconds)


class GuardedTransport(httpx.AsyncBaseTransport):
    """HTTP/1.1 over guarded connections; one pool for plain and one for TLS, since the policy differs."""

    def __init__(
        self, policy: AddressPolicy, limits: httpx.Limits, tls: ssl.SSLContext, resolver: Resolver = resolve
    ) -> None:
        self._pools = {
            scheme: httpcore.AsyncConnectionPool(
                ssl_context=tls,
                max_connections=limits.max_connections,
                max_keepalive_connections=limits.max_keepalive_connections,
                keepalive_expiry=limits.keepalive_expiry,
                http1=True,
                http2=False,
                retries=0,
                network_backend=GuardedBackend(policy, tls=scheme == "https", resolver=resolver),
            )
            for scheme in ("http", "https")
        }

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request. Raises httpx exceptions."""
        pool = self._pools.get(request.url.scheme)
        if pool is None:
            raise httpx.UnsupportedProtocol("only http and https")
        assert isinstance(request.stream, httpx.AsyncByteStream)
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        wire = httpcore.Request(
            request.method, url, headers=request.headers.raw, content=request.stream, extensions=request.extensions
        )
        with _as_httpx():
            answer = await pool.handle_async_request(wire)
        assert isinstance(answer.stream, AsyncIterable)
        return httpx.Response(
            answer.status, headers=answer.headers, stream=_Body(answer.stream), extensions=answer.extensions
        )

    async def aclose(self) -> None:
        """Close all connections."""
        for pool in self._pools.values():
            await pool.aclose()


class _Body(httpx.AsyncByteStream):
    def __init__(self, stream: AsyncIterable[bytes]) -> None:
        self._stream = stream

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _as_httpx():
            async for part in self._stream:
                yield part

    async def aclose(self) -> None:
        close = getattr(self._stream, "aclose", None)
        if close is not None:
            await close()


@contextlib.contextmanager
def _as_httpx() -> Iterator[None]:
    """The pool's exceptions have namesakes in httpx; their texts are dropped, because some quote header values."""
    try:
        yield
    except Exception as error:
        for kind in type(error).__mro__:
            known = getattr(httpx, kind.__name__, None)
            if kind.__module__.startswith("httpcore") and known is not None:
                failure = known(type(error).__name__)
                break
        else:
            raise
    else:
        return
    raise failure
