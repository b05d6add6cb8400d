"""TLS keeps the name that was asked for although the connection goes to a checked address."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from connector_kit.http import NotSent
from hub_common.http import AddressPolicy, ClientFactory, check_url
from hub_common.http.factory import Prepared

NAME = "shop.example"


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, NAME)])
    now = datetime.now(UTC)
    cert = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(cert.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file


async def loopback(_host: str, _port: int) -> Sequence[str]:
    return ["127.0.0.1"]


async def test_sni_and_host_carry_the_name_and_the_certificate_is_checked(tmp_path: Path) -> None:
    cert_file, key_file = certificate(tmp_path)
    seen: list[str | bytes | None] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        await writer.drain()
        writer.close()

    theirs = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    theirs.load_cert_chain(cert_file, key_file)
    theirs.sni_callback = lambda _socket, name, _context: seen.append(name)
    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=theirs)
    port = server.sockets[0].getsockname()[1]
    policy = AddressPolicy.parse("127.0.0.0/8")
    trusting = ClientFactory(resolver=loopback, tls=ssl.create_default_context(cafile=str(cert_file)))
    strict = ClientFactory(resolver=loopback)
    try:
        asked = Prepared("GET", check_url(f"https://{NAME}:{port}/", policy), {})
        assert (await trusting.sender(policy).send(asked)).body == b"ok"
        assert seen[0] == NAME
        assert f"host: {NAME}:{port}".encode() in bytes(seen[1] or b"").lower()  # type: ignore[arg-type]
        for factory, host in ((strict, NAME), (trusting, "other.example")):
            with pytest.raises(NotSent):
                await factory.sender(policy).send(Prepared("GET", check_url(f"https://{host}:{port}/", policy), {}))
        assert len([text for text in seen if isinstance(text, bytes)]) == 1, "no request left over a bad certificate"
    finally:
        await trusting.aclose()
        await strict.aclose()
        server.close()
