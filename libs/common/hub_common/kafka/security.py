"""Where the brokers are and how a client proves who it is.

"One user per service" holds only as far as a broker knows who speaks: with a certificate or a password per service, a
service that is broken into can read and write what that service may, and nothing else. Nothing here falls back: a
client that is told to use TLS never speaks without.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

from pydantic import SecretStr

from hub_common.kafka.records import BrokerDown

SecurityProtocol = Literal["PLAINTEXT", "SSL", "SASL_SSL"]
"""SASL without TLS is left out on purpose: it would send passwords, and personal data, in the clear."""
SaslMechanism = Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"]


@dataclass(frozen=True, slots=True)
class Broker:
    """A cluster and the identity to use there. Files are PEM, and are read anew for each client that is built, so that
    renewed certificates are taken up without a restart."""

    bootstrap: str
    protocol: SecurityProtocol = "PLAINTEXT"
    ca_file: Path | None = None
    """Who may have signed the brokers' certificates; None = the authorities that the system trusts."""
    cert_file: Path | None = None
    key_file: Path | None = None
    mechanism: SaslMechanism = "SCRAM-SHA-512"
    username: str = ""
    password: SecretStr | None = None


Address: TypeAlias = str | Broker
"""A bare `host:port` list means no encryption: laptops and tests."""


def connect_options(address: Address) -> dict[str, Any]:
    """Arguments for any Kafka client. Raises `BrokerDown` when a certificate cannot be used: files may be about to be
    replaced, and whoever tries again later reads them again."""
    if isinstance(address, str):
        return {"bootstrap_servers": address}
    options: dict[str, Any] = {"bootstrap_servers": address.bootstrap, "security_protocol": address.protocol}
    if address.protocol == "PLAINTEXT":
        return options
    options["ssl_context"] = ssl_context(address)
    if address.protocol == "SASL_SSL":
        options |= {
            "sasl_mechanism": address.mechanism,
            "sasl_plain_username": address.username,
            "sasl_plain_password": address.password.get_secret_value() if address.password else "",
        }
    return options


def ssl_context(broker: Broker) -> ssl.SSLContext:
    """A context that checks the broker's certificate and host name, TLS 1.2 or later. Raises `BrokerDown`."""
    try:
        context = ssl.create_default_context(cafile=broker.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if broker.cert_file is not None:
            context.load_cert_chain(broker.cert_file, broker.key_file)
    except OSError as error:
        files = ", ".join(str(each) for each in (broker.ca_file, broker.cert_file, broker.key_file) if each)
        raise BrokerDown(f"cannot use the certificates {files}: {type(error).__name__}: {error.strerror}") from None
    return context
