"""Tables of ops-console. Nothing here is a source of truth: all of it can be rebuilt from the topics."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import NOW, Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "story_events",
    METADATA,
    Column("event_id", Uuid, primary_key=True),
    Column("order_id", Uuid),
    Column("topic", Text, nullable=False),
    Column("key", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("origin", Text, nullable=False),
    Column("causation_id", Text),
    Column("traceparent", Text),
    Column("data", JSONB, nullable=False),
    Column("received_at", Instant, nullable=False, server_default=NOW),
    Index("ix_story_events_order_id", "order_id", "at"),
    Index("ix_story_events_topic", "topic", "at"),
    Index("ix_story_events_received_at", "received_at", postgresql_using="brin"),
)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("connector", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("ours", Boolean, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("marketplace_status", Text, nullable=False),
    Column("total_price", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
    Column("units", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("accept_by", Instant),
    Column("ship_by", Instant),
    Column("search", Text, nullable=False),
    Column("snapshot_version", BigInteger, nullable=False),
    Column("status_version", BigInteger, nullable=False),
    Index("ix_orders_status", "status", "created_at"),
    Index("ix_orders_created_at", "created_at"),
)

Table(
    "tracking_numbers",
    METADATA,
    Column("tracking_number", Text, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
)

Table(
    "parked_items",
    METADATA,
    Column("parked_id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("waiting", Boolean, nullable=False),
    Column("order_id", Uuid),
    Column("connection_id", Uuid),
    Column("subject_kind", Text),
    Column("subject_id", Text),
    Column("cause", Text),
    Column("detail", Text),
    Column("next_step", Text),
    Column("due_at", Instant),
    Column("is_test", Boolean),
    Column("changed_at", Instant, nullable=False),
    Index("ix_parked_items_waiting", "cause", postgresql_where=text("waiting")),
    Index("ix_parked_items_order_id", "order_id"),
)

Table(
    "doubts",
    METADATA,
    Column("effect_id", Uuid, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("open", Boolean, nullable=False),
    Column("kind", Text, nullable=False),
    Column("natural_key", Text, nullable=False),
    Column("order_id", Uuid),
    Column("connection_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("needs_operator", Boolean, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_doubts_open", "kind", postgresql_where=text("open")),
    Index("ix_doubts_order_id", "order_id"),
)
