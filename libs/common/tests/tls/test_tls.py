"""Clients prove who they are and check whom they speak to, at brokers and databases: seen from the server's side.

The servers here end the conversation right after the handshake. What counts is who the client said it was, that it
spoke TLS at all, and that it refuses a server it has no reason to trust.
"""

from __future__ import annotations

import asyncio
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from pydantic import SecretStr, ValidationError
from sqlalchemy.exc import DBAPIError

from hub_common import create_topics
from hub_common.config import KafkaSettings
from hub_common.database import open_pool
from hub_common.errors import StorageDown
from hub_common.kafka.client import KafkaConsumer, KafkaProducer, bounds
from hub_common.kafka.records import BrokerDown, OutRecord
from hub_common.kafka.security import Broker, connect_options
from hub_common.migrate import upgrade_async

Key = ec.EllipticCurvePrivateKey


def write(folder: Path, name: str, key: Key, certificate: x509.Certificate) -> None:
    (folder / f"{name}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    pem, plain = serialization.Encoding.PEM, serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, plain))


def certify(folder: Path, name: str, by: tuple[Key, x509.Name] | None = None) -> tuple[Key, x509.Name]:
    """A key and certificate `name`, signed by `by` or, as an authority, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    signer, issuer = by or (key, subject)
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder(issuer, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=by is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(signer, hashes.SHA256())
    )
    write(folder, name, key, made)
    return key, subject


@pytest.fixture(scope="module")
def papers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`ca`, a server and a service that it signed, and an authority that nobody trusts."""
    folder = tmp_path_factory.mktemp("papers")
    authority = certify(folder, "ca")
    certify(folder, "server", authority)
    certify(folder, "order-ingest", authority)
    certify(folder, "stranger")
    return folder


def server_side(papers: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(papers / "server.crt", papers / "server.key")
    context.load_verify_locations(papers / "ca.crt")
    context.verify_mode = ssl.CERT_OPTIONAL
    return context


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(talk: Talk, context: ssl.SSLContext | None) -> AsyncIterator[int]:
    server = await asyncio.start_server(talk, "127.0.0.1", 0, ssl=context)
    async with server:
        yield server.sockets[0].getsockname()[1]


def name_of(writer: asyncio.StreamWriter) -> str | None:
    """Common name in the client's certificate; None without one."""
    found = writer.get_extra_info("peercert")
    return dict(part[0] for part in found["subject"])["commonName"] if found else None


@asynccontextmanager
async def broker(papers: Path, names: list[str | None]) -> AsyncIterator[int]:
    """Speaks TLS, notes who comes, reads a first request and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        names.append(name_of(writer))
        await reader.read(4)
        writer.close()

    async with listening(talk, server_side(papers)) as port:
        yield port


def settings(port: int, papers: Path, **changed: object) -> KafkaSettings:
    given: dict[str, object] = {
        "kafka_bootstrap": f"127.0.0.1:{port}",
        "kafka_security_protocol": "SSL",
        "kafka_ca_file": papers / "ca.crt",
        "kafka_cert_file": papers / "order-ingest.crt",
        "kafka_key_file": papers / "order-ingest.key",
    }
    return KafkaSettings.model_validate(given | changed)


async def nothing(_: object) -> None:
    return None


async def test_every_kind_of_client_shows_the_services_certificate(papers: Path) -> None:
    names: list[str | None] = []
    async with broker(papers, names) as port:
        address = settings(port, papers).broker
        with pytest.raises(BrokerDown):
            await KafkaProducer(address, "x").send([OutRecord("t", b"k", b"v")])
        by_producer = len(names)
        consumer = KafkaConsumer(address, "g", ["t"], client_id="x", fetch_max_wait_ms=100, on_revoked=nothing)
        with pytest.raises(BrokerDown):
            await consumer.start()
        by_consumer = len(names)
        with pytest.raises(BrokerDown):
            await bounds(address, ["t"])
    assert 0 < by_producer < by_consumer < len(names)
    assert set(names) == {"order-ingest"}


async def test_a_broker_that_nobody_vouches_for_is_not_spoken_to(papers: Path) -> None:
    names: list[str | None] = []
    async with broker(papers, names) as port:
        address = settings(port, papers, kafka_ca_file=papers / "stranger.crt").broker
        with pytest.raises(BrokerDown):
            await KafkaProducer(address, "x").send([OutRecord("t", b"k", b"v")])
        other_host = Broker(f"localhost:{port}", "SSL", papers / "ca.crt")
        with pytest.raises(BrokerDown):
            await KafkaProducer(other_host, "x").send([OutRecord("t", b"k", b"v")])
    assert names == [], "the handshake must fail before anything is said"


async def test_renewed_files_are_read_by_the_next_client_and_missing_ones_are_told(papers: Path) -> None:
    address = settings(1, papers, kafka_cert_file=papers / "later.crt", kafka_key_file=papers / "later.key").broker
    with pytest.raises(BrokerDown, match=r"later\.crt"):
        connect_options(address)
    for ending in ("crt", "key"):
        (papers / f"later.{ending}").write_bytes((papers / f"order-ingest.{ending}").read_bytes())
    context = connect_options(address)["ssl_context"]
    assert isinstance(context, ssl.SSLContext)
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


def test_user_and_password_go_over_tls_only_and_are_not_shown() -> None:
    made = KafkaSettings(
        kafka_bootstrap="b:9093",
        kafka_security_protocol="SASL_SSL",
        kafka_username="order-ingest",
        kafka_password=SecretStr("s3cret"),
    )
    options = connect_options(made.broker)
    assert options["security_protocol"] == "SASL_SSL"
    assert (options["sasl_mechanism"], options["sasl_plain_username"]) == ("SCRAM-SHA-512", "order-ingest")
    assert options["sasl_plain_password"] == "s3cret"
    assert "s3cret" not in repr(made.broker) + repr(made)
    assert connect_options("b:9092") == {"bootstrap_servers": "b:9092"}


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"kafka_cert_file": "a.crt", "kafka_key_file": "a.key"}, "HUB_KAFKA_SECURITY_PROTOCOL is PLAINTEXT"),
        ({"kafka_security_protocol": "SSL", "kafka_cert_file": "a.crt"}, "HUB_KAFKA_KEY_FILE"),
        ({"kafka_security_protocol": "SASL_SSL", "kafka_username": "x"}, "HUB_KAFKA_PASSWORD"),
        ({"kafka_security_protocol": "SASL_PLAINTEXT"}, "SASL_SSL"),
    ],
)
def test_half_an_identity_is_refused_at_start(given: dict[str, str], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        KafkaSettings.model_validate({"kafka_bootstrap": "b:9093"} | given)


def test_creating_topics_refuses_it_too(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HUB_KAFKA_BOOTSTRAP", "127.0.0.1:1")
    monkeypatch.setenv("HUB_KAFKA_SECURITY_PROTOCOL", "SASL_SSL")
    assert create_topics.main() == 2
    assert "HUB_KAFKA_USERNAME" in capsys.readouterr().err


@asynccontextmanager
async def database(papers: Path, said: list[tuple[bool, str | None, bytes]]) -> AsyncIterator[int]:
    """Agrees to TLS as PostgreSQL does, notes the client and its first message, and hangs up."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        length, code = struct.unpack("!II", await reader.readexactly(8))
        secret = (length, code) == (8, 80877103)  # SSLRequest (source: PostgreSQL, protocol message formats)
        if secret:
            writer.write(b"S")
            await writer.start_tls(server_side(papers))
        said.append((secret, name_of(writer), await reader.read(500)))
        writer.close()

    async with listening(talk, None) as port:
        yield port


async def test_pool_and_migrations_speak_tls_to_the_database_as_the_address_says(papers: Path) -> None:
    """The password comes from PGPASSWORD, so the address itself is no secret."""
    said: list[tuple[bool, str | None, bytes]] = []
    async with database(papers, said) as port:
        dsn = f"postgresql://hub_x@127.0.0.1:{port}/hub_y?sslmode=verify-full&sslrootcert={papers / 'ca.crt'}"
        with pytest.raises(StorageDown):
            await open_pool(dsn, 2, "t")
        by_pool = len(said)
        with pytest.raises((OSError, DBAPIError)):
            await upgrade_async("hub_common.testing.probe", dsn)
    assert 0 < by_pool < len(said)
    assert all(secret for secret, _, _ in said)
    assert all(b"hub_x\0" in message and b"hub_y\0" in message for _, _, message in said)


async def test_a_database_that_nobody_vouches_for_is_not_spoken_to(papers: Path) -> None:
    said: list[tuple[bool, str | None, bytes]] = []
    async with database(papers, said) as port:
        dsn = f"postgresql://hub_x@127.0.0.1:{port}/hub_y?sslmode=verify-full&sslrootcert={papers / 'stranger.crt'}"
        with pytest.raises((StorageDown, ssl.SSLError)):
            await open_pool(dsn, 2, "t")
    assert said == []
