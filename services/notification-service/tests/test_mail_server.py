"""Mail goes out encrypted and logged in, or waits and says why: at a real mail server with a real certificate."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from ssl import PROTOCOL_TLS_SERVER, SSLContext
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import ValidationError

from hub_common.logs import setup_logging
from hub_common.testing import Harness
from hub_common.testing.harness import OPERATOR_TOKEN
from hub_tools.run.api import Api
from hub_tools.stack.ports import idle_port
from notification_service import mailing
from notification_service.config import NotificationServiceSettings
from notification_service.main import SPEC

from .conftest import Hooks, Post, World
from .test_service import missed

USER, PASSWORD = "hub@example.com", "kein-wort-davon"


@dataclass
class Server(Post):
    """A mail server that remembers how far anybody got with it."""

    password: str = PASSWORD
    logins: list[str] = field(default_factory=list)
    senders: list[bool] = field(default_factory=list)
    """Of each attempt to hand in a letter: was the connection encrypted?"""

    async def handle_MAIL(self, server: Any, _session: Any, envelope: Any, address: str, _options: Any) -> str:
        self.senders.append(server.transport.get_extra_info("ssl_object") is not None)
        envelope.mail_from = address
        return "250 OK"

    def login(self, _server: Any, _session: Any, _envelope: Any, _mechanism: str, given: LoginPassword) -> AuthResult:
        self.logins.append(given.login.decode())
        return AuthResult(success=given.password.decode() == self.password, handled=False)


def certificate(folder: Path, name: str, address: str = "127.0.0.1") -> Path:
    """A certificate that signs itself, with its key in the same file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(address))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    file = folder / f"{name}.pem"
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain) + made.public_bytes(pem))
    return file


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`server.pem`, the certificate of somebody else, and one for another address."""
    folder = tmp_path_factory.mktemp("papers")
    certificate(folder, "server")
    certificate(folder, "stranger")
    certificate(folder, "elsewhere", "192.0.2.1")
    return folder


def context(file: Path) -> SSLContext:
    made = SSLContext(PROTOCOL_TLS_SERVER)
    made.load_cert_chain(file)
    return made


Serve = Callable[..., tuple[Server, int]]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Starts mail servers; they end with the test."""
    running: list[Controller] = []

    def start(**how: Any) -> tuple[Server, int]:
        handler = Server()
        controller = Controller(
            handler, hostname="127.0.0.1", port=idle_port(), **({"authenticator": handler.login} | how)
        )
        controller.start()
        running.append(controller)
        return handler, controller.port

    yield start
    for controller in running:
        controller.stop()


@asynccontextmanager
async def told(database: str, server: Server, port: int, papers: Path, **more: Any) -> AsyncIterator[World]:
    """The service, its one subscription, and a deadline that was missed."""
    ours = {"smtp_host": "127.0.0.1", "smtp_port": port, "smtp_username": USER, "smtp_password": PASSWORD}
    async with Harness(SPEC, database, **(ours | {"smtp_ca_file": papers / "server.pem"} | more)) as harness:
        world = World(harness, server, Hooks(), Api(await harness.serve(), OPERATOR_TOKEN))
        await world.subscribe()
        await world.tell(missed(world))
        await world.work()
        yield world


async def test_it_goes_out_over_starttls_and_logged_in(database: str, serve: Serve, papers: Path) -> None:
    server, port = serve(tls_context=context(papers / "server.pem"), require_starttls=True, auth_required=True)
    async with told(database, server, port, papers):
        assert len(server.letters) == 1
        assert (server.logins, server.senders) == ([USER], [True])


async def test_port_465_speaks_tls_from_the_first_byte(
    database: str, serve: Serve, papers: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server, port = serve(ssl_context=context(papers / "server.pem"), auth_require_tls=False)
    monkeypatch.setattr(mailing, "IMPLICIT_TLS_PORT", port)
    async with told(database, server, port, papers):
        assert (len(server.letters), server.logins, server.senders) == (1, [USER], [True])


BARE: dict[str, Any] = {"auth_require_tls": False}
"""Offers log-in in the clear, and takes letters from anybody."""
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("", BARE, "the mail server offers no STARTTLS; nothing was sent in the clear"),
    ("stranger", BARE, "the mail server's certificate is not trusted (self-signed certificate)"),
    ("elsewhere", BARE, "the mail server's certificate is not trusted (IP address mismatch"),
    (
        "server",
        {"authenticator": None, "auth_exclude_mechanism": ["PLAIN", "LOGIN"]},
        "the mail server offers no log-in by",
    ),
]


@pytest.mark.parametrize(("paper", "how", "says"), REFUSED, ids=[says for _, _, says in REFUSED])
async def test_a_server_that_is_not_to_be_trusted_gets_neither_letter_nor_password(
    database: str, serve: Serve, papers: Path, paper: str, how: dict[str, Any], says: str
) -> None:
    server, port = serve(**how | ({"tls_context": context(papers / f"{paper}.pem")} if paper else {}))
    more = {"smtp_ca_file": papers / "elsewhere.pem"} if paper == "elsewhere" else {}
    async with told(database, server, port, papers, **more) as world:
        assert (server.logins, server.senders, server.letters) == ([], [], [])
        row = await world.runtime.pool.fetchrow("SELECT * FROM sendings")
        assert row["state"] == "RETRY"
        assert row["error"].startswith(says)
        (item,) = await world.harness.parked()
        assert says in item["detail"]


async def test_a_wrong_password_is_told_without_it_and_the_letter_waits_for_the_right_one(
    database: str, serve: Serve, papers: Path
) -> None:
    said = io.StringIO()
    setup_logging("json", "DEBUG", stream=said)
    server, port = serve(tls_context=context(papers / "server.pem"), require_starttls=True, auth_required=True)
    server.password = "another"
    try:
        async with told(database, server, port, papers) as world:
            assert set(server.logins) == {USER}
            assert (server.senders, server.letters) == ([], [])
            row = await world.runtime.pool.fetchrow("SELECT * FROM sendings")
            assert row["error"] == "the mail server refuses the log-in of HUB_SMTP_USERNAME (535)"
            shown = await world.ask("GET", "/v1/sendings")
            (item,) = await world.harness.parked()
            await world.gauges.step()
            everything = f"{dict(row)} {shown} {item} {said.getvalue()} {world.runtime.metrics.render()!r}"
            assert "notification_failed" in everything
            assert 'hub_notifications_sent_total{channel="email",result="failed"} 1.0' in everything
            assert PASSWORD not in everything
            server.password = PASSWORD
            await world.later(minutes=2)
            assert len(server.letters) == 1
            assert await world.harness.parked() == []
    finally:
        setup_logging("json", "WARNING")


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1"])
def test_in_the_clear_a_password_goes_to_this_machine_only(host: str) -> None:
    given = {"database_dsn": "postgresql://x", "kafka_bootstrap": "x:1", "smtp_starttls": False}
    given |= {"smtp_username": USER, "smtp_password": PASSWORD}
    assert not NotificationServiceSettings.model_validate(given | {"smtp_host": host}).smtp_encrypted
    assert NotificationServiceSettings.model_validate(given | {"smtp_host": "mail", "smtp_port": 465}).smtp_encrypted
    with pytest.raises(ValidationError) as refused:
        NotificationServiceSettings.model_validate(given | {"smtp_host": "mail.example.com"})
    assert "would go in the clear" in str(refused.value)
    assert PASSWORD not in str(refused.value)
