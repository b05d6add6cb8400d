"""Settings of a service, from the environment (prefix `HUB_`), so compose, Kubernetes and code can be compared."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, Self

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from hub_common.kafka.security import Broker, SaslMechanism, SecurityProtocol


class KafkaSettings(BaseSettings):
    """Where the brokers are and how to prove to them who asks."""

    model_config = SettingsConfigDict(env_prefix="HUB_", extra="ignore")

    kafka_bootstrap: str
    """Comma-separated host:port list of the brokers."""
    topic_prefix: str = ""
    """Put in front of every topic name; lets several hubs, or tests, share a broker."""
    kafka_security_protocol: SecurityProtocol = "PLAINTEXT"
    """`SSL` (mutual TLS with the two files below) or `SASL_SSL` (user and password over TLS) outside a laptop."""
    kafka_ca_file: Path | None = None
    """PEM of whoever signed the brokers' certificates; unset = the authorities that the system trusts."""
    kafka_cert_file: Path | None = None
    """PEM of this service's certificate; read again whenever a client is built, so renewals need no restart."""
    kafka_key_file: Path | None = None
    kafka_sasl_mechanism: SaslMechanism = "SCRAM-SHA-512"
    kafka_username: str = ""
    kafka_password: SecretStr = SecretStr("")

    @model_validator(mode="after")
    def _identity_is_whole(self) -> Self:
        given = [self.kafka_ca_file, self.kafka_cert_file, self.kafka_key_file, self.kafka_username]
        if self.kafka_security_protocol == "PLAINTEXT" and any(given):
            raise ValueError("HUB_KAFKA_SECURITY_PROTOCOL is PLAINTEXT, so certificates and users would not be used")
        if (self.kafka_cert_file is None) != (self.kafka_key_file is None):
            raise ValueError("HUB_KAFKA_CERT_FILE and HUB_KAFKA_KEY_FILE are only of use together")
        if self.kafka_security_protocol == "SASL_SSL" and not (
            self.kafka_username and self.kafka_password.get_secret_value()
        ):
            raise ValueError("HUB_KAFKA_SECURITY_PROTOCOL is SASL_SSL: set HUB_KAFKA_USERNAME and HUB_KAFKA_PASSWORD")
        return self

    @property
    def broker(self) -> Broker:
        """Address and identity for every Kafka client."""
        return Broker(
            self.kafka_bootstrap,
            self.kafka_security_protocol,
            self.kafka_ca_file,
            self.kafka_cert_file,
            self.kafka_key_file,
            self.kafka_sasl_mechanism,
            self.kafka_username,
            self.kafka_password,
        )


class ServiceSettings(KafkaSettings):
    """What every service needs. Services add their own fields in `config.py`."""

    database_dsn: SecretStr
    """PostgreSQL address of this service's own database, with its own role. TLS: `?sslmode=verify-full&sslrootcert=…`.
    Without a password in it, that of the variable `PGPASSWORD` is used."""
    http_host: str = "127.0.0.1"
    http_port: int = 0
    """0 = any idle port (logged at start)."""
    operator_tokens: SecretStr = SecretStr("")
    """`login:role:sha256hex` entries, comma-separated."""
    credentials_keys: SecretStr = SecretStr("")
    """`key_id:base64key` entries, comma-separated; the first one seals."""
    allow_private_networks: str = ""
    """Networks (CIDR, comma-separated) that user-given addresses may point into although private; sandboxes need it."""
    auto_migrate: bool = False
    """Bring the schema to head at start. Off in production, where a job does it before the roll-out."""
    log_format: Literal["json", "console"] = "json"
    log_level: str = "INFO"
    instance: str = ""
    """Name of this replica in leases; empty = host name and process id."""

    pool_size: int = Field(default=8, ge=2)
    batch_max_records: int = Field(default=500, ge=1)
    """Records per transaction. Beyond some 500 the gain is gone and a rollback hurts more."""
    poll_timeout_ms: int = Field(default=250, ge=1)
    fetch_max_wait_ms: int = Field(default=100, ge=1)
    outbox_shards: int = Field(default=4, ge=1, le=64)
    relay_batch: int = Field(default=1000, ge=1)
    lease_seconds: float = Field(default=15, gt=0)
    drain_seconds: float = Field(default=20, gt=0)
    """How long SIGTERM waits for work in the air; must be below the pod's grace period."""
    retry_max_age_hours: float = Field(default=24, gt=0)
    retry_max_attempts: int = Field(default=12, ge=1)
    call_timeout_seconds: float = Field(default=20, gt=0)
    """Total time one outside call may take, from first byte to last."""
    effect_flight_seconds: float = Field(default=60, gt=0)
    """How long an effect may be in the air before it counts as UNKNOWN; above all calls of one attempt together."""
    inbox_keep_days: int = Field(default=45, ge=1)
    """Longer than the longest redrive, so that a replayed dead letter still meets its inbox row."""
    otlp_endpoint: str = ""
    """Where traces go (OTLP over HTTP, e.g. `http://otel-collector:4318`); empty = no spans are made."""
    trace_sample_ratio: float = Field(default=1.0, ge=0, le=1)
    """Share of traces that are kept; must be the same for all services of a deployment."""
    data_dir: Path = Path(".hub")
