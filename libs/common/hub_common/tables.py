"""The runtime's own tables, present in every service's database.

SQLAlchemy describes them for migrations; the hot paths speak SQL through asyncpg.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Double,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
}

Instant = DateTime(timezone=True)
NOW = text("now()")


def new_metadata() -> MetaData:
    """Metadata with the hub's naming rules, so that migrations can name what they change."""
    return MetaData(naming_convention=NAMING)


def runtime_tables(metadata: MetaData) -> None:
    """Add the runtime's tables to a service's metadata."""
    _messaging(metadata)
    _effects(metadata)
    _shared(metadata)


def _messaging(metadata: MetaData) -> None:
    Table(
        "inbox",
        metadata,
        Column("event_id", Uuid, primary_key=True),
        Column("received_at", Instant, nullable=False, server_default=NOW),
        Index("ix_inbox_received_at", "received_at", postgresql_using="brin"),
    )
    Table(
        "aggregates",
        metadata,
        Column("topic", Text, primary_key=True),
        Column("key", Text, primary_key=True),
        Column("version", BigInteger, nullable=False),
        postgresql_with={"fillfactor": "80"},
    )
    Table(
        "outbox",
        metadata,
        Column("id", BigInteger, Identity(always=True), primary_key=True),
        Column("shard", SmallInteger, nullable=False),
        Column("topic", Text, nullable=False),
        Column("key", Text, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("value", LargeBinary),
        Column("created_at", Instant, nullable=False, server_default=NOW),
        Index("ix_outbox_shard_id", "shard", "id"),
        # Rows live for milliseconds: without these, vacuum would never look at a table that is always nearly empty.
        postgresql_with={"autovacuum_vacuum_scale_factor": "0", "autovacuum_vacuum_threshold": "1000"},
    )
    Table(
        "inbox_retry",
        metadata,
        Column("seq", BigInteger, Identity(always=True), primary_key=True),
        Column("key", Text, nullable=False),
        Column("event_id", Uuid, unique=True),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("record_offset", BigInteger, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("value", LargeBinary),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("next_at", Instant, nullable=False, server_default=NOW),
        Column("first_failed_at", Instant, nullable=False, server_default=NOW),
        Column("error", Text, nullable=False, server_default=""),
        Index("ix_inbox_retry_key_seq", "key", "seq"),
        Index("ix_inbox_retry_next_at", "next_at"),
    )
    Table(
        "dead_letters",
        metadata,
        Column("dead_letter_id", Uuid, primary_key=True),
        Column("event_id", Uuid),
        Column("key", Text, nullable=False),
        Column("topic", Text, nullable=False),
        Column("partition", Integer, nullable=False),
        Column("record_offset", BigInteger, nullable=False),
        Column("headers", JSONB, nullable=False),
        Column("value", LargeBinary),
        Column("cause", Text, nullable=False),
        Column("error", Text, nullable=False),
        Column("attempts", Integer, nullable=False),
        Column("first_failed_at", Instant, nullable=False),
        Column("died_at", Instant, nullable=False, server_default=NOW),
        Column("state", Text, nullable=False, server_default="open"),
        Column("settled_at", Instant),
        Column("settled_by", Text),
        Column("settled_reason", Text),
        Index("ix_dead_letters_state_died_at", "state", "died_at"),
        Index(
            "uq_dead_letters_open_record",
            "topic",
            "partition",
            "record_offset",
            unique=True,
            postgresql_where=text("state = 'open'"),
        ),
    )
    Table(
        "leases",
        metadata,
        Column("name", Text, primary_key=True),
        Column("owner", Text, nullable=False),
        Column("until", Instant, nullable=False),
        Column("fence", BigInteger, nullable=False, server_default=text("1")),
        Column("state", JSONB),
        postgresql_with={"fillfactor": "70"},
    )


def _effects(metadata: MetaData) -> None:
    open_states = "state in ('PLANNED','RETRY','IN_FLIGHT','SENT','UNKNOWN')"
    Table(
        "effects",
        metadata,
        Column("effect_id", Uuid, primary_key=True),
        Column("seq", BigInteger, Identity(always=True), nullable=False),
        Column("kind", Text, nullable=False),
        Column("natural_key", Text, nullable=False, unique=True),
        Column("connection_id", Uuid, nullable=False),
        Column("credential_ref", Text, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("order_id", Uuid),
        Column("order_key", Text, nullable=False),
        Column("supersede_key", Text),
        Column("lane", SmallInteger, nullable=False),
        Column("deadline", Instant),
        Column("state", Text, nullable=False, server_default="PLANNED"),
        Column("attempts", Integer, nullable=False, server_default=text("0")),
        Column("probes", Integer, nullable=False, server_default=text("0")),
        Column("not_applied_seen", Integer, nullable=False, server_default=text("0")),
        Column("retry_if_not_applied", Boolean, nullable=False, server_default=text("true")),
        Column("needs_operator", Boolean, nullable=False, server_default=text("false")),
        Column("next_at", Instant, nullable=False, server_default=NOW),
        Column("in_flight_at", Instant),
        Column("fence", BigInteger),
        Column("request", JSONB, nullable=False),
        Column("context", JSONB, nullable=False, server_default=text("'{}'")),
        Column("answer", JSONB, nullable=False, server_default=text("'{}'")),
        Column("reason", Text, nullable=False, server_default=""),
        Column("evidence", Text, nullable=False, server_default=""),
        Column("confirmed_by", Text),
        Column("traceparent", Text),
        Column("causation_id", Text),
        Column("created_at", Instant, nullable=False, server_default=NOW),
        Column("updated_at", Instant, nullable=False, server_default=NOW),
        Column("settled_at", Instant),
        Index(
            "ix_effects_due", "connection_id", "lane", "next_at", postgresql_where=text("state in ('PLANNED','RETRY')")
        ),
        Index("ix_effects_open_order_key", "order_key", "seq", postgresql_where=text(open_states)),
        Index(
            "ix_effects_probe",
            "connection_id",
            "next_at",
            postgresql_where=text("state in ('SENT','UNKNOWN','IN_FLIGHT')"),
        ),
        Index("ix_effects_supersede", "supersede_key", postgresql_where=text("state in ('PLANNED','RETRY')")),
        Index("ix_effects_order_id", "order_id"),
        postgresql_with={"fillfactor": "80"},
    )
    Table(
        "effect_attempts",
        metadata,
        Column("effect_id", Uuid, primary_key=True),
        Column("attempt", Integer, primary_key=True),
        Column("step", Text, primary_key=True),
        Column("at", Instant, nullable=False),
        Column("seconds", Double, nullable=False, server_default=text("0")),
        Column("result", Text, nullable=False),
        Column("detail", Text, nullable=False, server_default=""),
        Column("answer", JSONB, nullable=False, server_default=text("'{}'")),
    )


def _shared(metadata: MetaData) -> None:
    Table(
        "connections",
        metadata,
        Column("connection_id", Uuid, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("version", BigInteger, nullable=False),
        Column("body", JSONB, nullable=False),
        Column("changed_at", Instant, nullable=False, server_default=NOW),
        Index("ix_connections_changed_at", "changed_at"),
    )
    Table(
        "parked",
        metadata,
        Column("parked_id", Uuid, primary_key=True),
        Column("tenant", Text, nullable=False),
        Column("subject_kind", Text, nullable=False),
        Column("subject_id", Text, nullable=False),
        Column("order_id", Uuid),
        Column("connection_id", Uuid),
        Column("is_test", Boolean, nullable=False, server_default=text("false")),
        Column("cause", Text, nullable=False),
        Column("detail", Text, nullable=False),
        Column("next_step", Text, nullable=False),
        Column("data", JSONB, nullable=False, server_default=text("'{}'")),
        Column("event_key", Text, nullable=False),
        Column("parked_at", Instant, nullable=False),
        Column("due_at", Instant),
        Column("resolved_at", Instant),
        Column("resolution", Text),
        Column("actor", Text),
        Index("ix_parked_open", "cause", "parked_at", postgresql_where=text("resolved_at is null")),
        Index("ix_parked_order_id", "order_id"),
    )


def sku_link_table(metadata: MetaData) -> None:
    """Local copy of SKU links, for the services that need them."""
    Table(
        "sku_links",
        metadata,
        Column("connection_id", Uuid, primary_key=True),
        Column("offer_sku", Text, primary_key=True),
        Column("shop_connection_id", Uuid, nullable=False),
        Column("shop_sku", Text, nullable=False),
        Index("ix_sku_links_shop_sku", "shop_connection_id", "shop_sku"),
    )


def deadline_table(metadata: MetaData) -> None:
    """Deadline clocks, for the services that own one."""
    Table(
        "deadlines",
        metadata,
        Column("order_id", Uuid, primary_key=True),
        Column("kind", Text, primary_key=True),
        Column("connection_id", Uuid, nullable=False),
        Column("tenant", Text, nullable=False),
        Column("is_test", Boolean, nullable=False, server_default=text("false")),
        Column("starts_at", Instant, nullable=False),
        Column("due_at", Instant, nullable=False),
        Column("percent_told", Integer, nullable=False, server_default=text("0")),
        Column("last_resort_percent", Integer),
        Column("last_resort_done", Boolean, nullable=False, server_default=text("false")),
        Column("next_at", Instant),
        Column("met_at", Instant),
        Index("ix_deadlines_next_at", "next_at", postgresql_where=text("met_at is null")),
    )
