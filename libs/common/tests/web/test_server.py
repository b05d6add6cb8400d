"""The embedded server on a real socket."""

from __future__ import annotations

import asyncio
import signal

import httpx
import pytest
from fastapi import APIRouter

from hub_common.web import WebServer, build_app
from hub_common.web.server import WebServerError


async def test_start_serve_stop_and_port_zero() -> None:
    handler = signal.getsignal(signal.SIGTERM)
    server = WebServer(build_app("x"))
    await server.start()
    try:
        assert server.port > 0
        assert [server.serving] == [True]
        assert signal.getsignal(signal.SIGTERM) is handler
        async with httpx.AsyncClient(trust_env=False) as client:
            assert (await client.get(f"{server.url}/healthz")).status_code == 200
    finally:
        await server.stop()
    assert [server.serving] == [False]
    await server.stop()
    with pytest.raises(OSError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_two_servers_in_one_loop() -> None:
    one, two = WebServer(build_app("one")), WebServer(build_app("two"))
    await asyncio.gather(one.start(), two.start())
    try:
        assert one.port != two.port
    finally:
        await asyncio.gather(one.stop(), two.stop())


async def test_a_taken_port_is_a_clear_error() -> None:
    first = WebServer(build_app("x"))
    await first.start()
    try:
        with pytest.raises(WebServerError, match=f"cannot listen on 127.0.0.1:{first.port}"):
            await WebServer(build_app("y"), port=first.port).start()
    finally:
        await first.stop()


async def test_an_open_route_keeps_the_server_from_starting() -> None:
    open_router = APIRouter()

    @open_router.get("/open")
    async def anybody() -> None:
        return None

    server = WebServer(build_app("x", self_authenticated=[open_router]))
    with pytest.raises(WebServerError, match="start-up failed"):
        await server.start()
    assert not server.serving


async def test_the_body_limit_holds_on_a_real_connection() -> None:
    router = APIRouter()

    @router.post("/in")
    async def take(body: dict[str, str]) -> int:
        return len(body)

    server = WebServer(build_app("x", self_authenticated=[], routers=[router], body_limit=100))
    await server.start()
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /in HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
        head = await asyncio.wait_for(reader.readline(), 5)
        assert b" 413 " in head
        writer.close()
    finally:
        await server.stop()
