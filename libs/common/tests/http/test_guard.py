"""What may be called: spellings, addresses, and the address that is really connected to."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from ipaddress import ip_address, ip_network

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub_common.http import AddressPolicy, AddressRefused, ClientFactory, check_url
from hub_common.http.backend import GuardedBackend, RefusedByGuard
from hub_common.http.factory import ConnectFailed, Forbidden, Prepared
from hub_common.http.guard import BLOCKED

PUBLIC = AddressPolicy()
LOCAL = AddressPolicy.parse("127.0.0.0/8, ::1/128")
INSIDE = [
    "0.0.0.0",  # noqa: S104  an address to refuse, not to listen on
    "10.1.2.3",
    "100.100.100.200",
    "127.0.0.53",
    "168.63.129.16",
    "169.254.169.254",
    "172.31.0.1",
    "192.0.0.8",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.1.1",
    "198.19.0.1",
    "198.51.100.9",
    "203.0.113.9",
    "224.0.0.1",
    "239.1.1.1",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::7f00:1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001:0:a00:1::",
    "2001:db8::1",
    "2002:a00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd00:ec2::254",
    "fe80::1",
    "fec0::1",
    "ff02::1",
]


@pytest.mark.parametrize(
    "url",
    [
        "https://shop.example.com",
        "https://shop.example.com:8443/api/v1?x=%2B1",
        "https://xn--mnchen-3ya.example/",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/x",
        "HTTPS://Shop.Example.com/a",
        "https://shop.example.com/a..b/.well-known/x",
    ],
)
def test_ordinary_addresses_pass(url: str) -> None:
    assert check_url(url, PUBLIC).scheme == "https"


@pytest.mark.parametrize(
    "url",
    [
        "http://shop.example.com/",
        "ftp://shop.example.com/",
        "file:///etc/passwd",
        "//shop.example.com/",
        "https:/shop.example.com",
        "https://",
        "https://user:pass@shop.example.com/",
        "https://shop.example.com@evil.example/",
        "https://shop.example.com:22/",
        "https://shop.example.com:0/",
        "https://shop.example.com:99999/",
        "https://shop.example.com./",
        "https://127.0.0.1/",
        "https://127.1/",
        "https://0x7f.1/",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://0177.0.0.1/",
        "https://127.0.0.1./",
        "https://1.2.3.4.5/",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[::ffff:7f00:1]/",
        "https://[::127.0.0.1]/",
        "https://[fe80::1%25eth0]/",
        "https://[64:ff9b::7f00:1]/",
        "https://[2002:7f00:1::]/",
        "https://169.254.169.254/latest/meta-data",
        "https://shöp.example/",
        "https://①②⑦.0.0.1/",
        "https://shop%2eexample.com/",
        "https://shop.example.com\\@evil.example/",
        "https://shop.example.com/a b",
        "https://shop.example.com/a\r\nX: y",
        "https://shop.example.com/a#b",
        "https://shop.example.com/../admin",
        "https://shop.example.com/a/%2e%2E/admin",
        "https://shop.example.com/a/.",
        "https://a..b/",
    ],
)
def test_odd_spellings_are_refused(url: str) -> None:
    with pytest.raises(AddressRefused):
        check_url(url, PUBLIC)


def test_messages_do_not_hold_query_or_user() -> None:
    for url in ("https://u:canary@h/", "https://127.0.0.1/canary?key=canary", "http://h.example/?k=canary"):
        with pytest.raises(AddressRefused) as error:
            check_url(url, PUBLIC)
        assert "canary" not in str(error.value)


@given(st.sampled_from(BLOCKED), st.data())
def test_every_address_of_every_blocked_network_is_refused(network: object, data: st.DataObject) -> None:
    address = data.draw(st.ip_addresses(network=network))  # type: ignore[arg-type]
    assert PUBLIC.refuse_reason(address, 443, tls=True)
    if address.version == 4:
        assert PUBLIC.refuse_reason(ip_address(f"::ffff:{address}"), 443, tls=True)


@pytest.mark.parametrize(
    "address",
    INSIDE,
)
def test_known_inside_addresses_are_refused(address: str) -> None:
    assert PUBLIC.refuse_reason(ip_address(address), 443, tls=True)


@given(st.ip_addresses(v=4))
def test_what_is_allowed_is_global(address: object) -> None:
    if not PUBLIC.refuse_reason(address, 443, tls=True):  # type: ignore[arg-type]
        assert address.is_global  # type: ignore[attr-defined]


def test_public_addresses_need_https_and_a_port_also_where_sandboxes_are_allowed() -> None:
    public, sandbox = ip_address("8.8.8.8"), ip_address("::ffff:127.0.0.1")
    assert LOCAL.refuse_reason(sandbox, 9999, tls=False) == ""
    assert LOCAL.refuse_reason(public, 443, tls=True) == ""
    assert "https" in LOCAL.refuse_reason(public, 443, tls=False)
    assert "port" in LOCAL.refuse_reason(public, 9999, tls=True)
    assert AddressPolicy(https_only=False, ports=None).refuse_reason(public, 80, tls=False) == ""


def test_network_setting_names_what_is_wrong() -> None:
    assert AddressPolicy.parse("").allow_networks == ()
    assert LOCAL.allow_networks == (ip_network("127.0.0.0/8"), ip_network("::1/128"))
    with pytest.raises(ValueError, match=r"HUB_ALLOW_PRIVATE_NETWORKS: '10.0.0.1/8'"):
        AddressPolicy.parse("127.0.0.0/8,10.0.0.1/8")


class Names:
    """A resolver whose answers change from call to call."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self.answers = list(answers)

    async def __call__(self, _host: str, _port: int) -> Sequence[str]:
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.mark.parametrize(
    "answer",
    [["8.8.8.8", "10.0.0.1"], ["10.0.0.1", "8.8.8.8"], ["2606:4700::1111", "::1"], ["::ffff:169.254.169.254"]],
)
async def test_an_answer_that_mixes_public_and_private_is_refused_whole(answer: list[str]) -> None:
    backend = GuardedBackend(PUBLIC, tls=True, resolver=Names(answer))
    with pytest.raises(RefusedByGuard, match="not a public address"):
        await backend.connect_tcp("shop.example.com", 443, timeout=1)


async def test_local_sockets_are_never_called() -> None:
    with pytest.raises(RefusedByGuard):
        await GuardedBackend(LOCAL, tls=False).connect_unix_socket("/var/run/docker.sock")


async def test_a_name_that_changes_its_answer_between_two_calls_is_refused_the_second_time() -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok")
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    factory = ClientFactory(resolver=Names(["127.0.0.1"], ["127.0.0.1", "10.0.0.1"]))
    sender, policy = factory.sender(LOCAL), LOCAL
    try:
        prepared = Prepared("GET", check_url(f"http://shop.example.com:{port}/", policy), {})
        assert (await sender.send(prepared)).body == b"ok"
        with pytest.raises(Forbidden) as error:
            await sender.send(prepared)
        assert "10.0.0.1" not in str(error.value)
    finally:
        await factory.aclose()
        server.close()
        await server.wait_closed()


async def test_plain_http_to_a_public_address_is_refused_when_connecting() -> None:
    factory = ClientFactory(resolver=Names(["8.8.8.8"]))
    try:
        with pytest.raises(Forbidden, match="https"):
            await factory.sender(LOCAL).send(Prepared("GET", check_url("http://shop.example.com/", LOCAL), {}))
    finally:
        await factory.aclose()


async def test_a_name_without_answer_is_a_failed_connection() -> None:
    async def nothing(_host: str, _port: int) -> Sequence[str]:
        raise OSError("no such name")

    factory = ClientFactory(resolver=nothing)
    try:
        with pytest.raises(ConnectFailed):
            await factory.sender(LOCAL).send(Prepared("GET", check_url("http://shop.example.com/", LOCAL), {}))
    finally:
        await factory.aclose()
