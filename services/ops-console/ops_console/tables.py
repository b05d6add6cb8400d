"""Tables of ops-console. The read model can be rebuilt from the topics; sessions and the audit log are its own."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub_common.tables import NOW, Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

WORDS = "array_to_tsvector(array_remove(string_to_array(search, ' '), ''))"
"""What an order is found by, as an index of words knows it; queries must say it letter by letter."""
UNFINISHED = (
    "live AND ours AND NOT is_test"
    " AND status NOT IN ('SHIPPED', 'DELIVERED', 'REFUNDING', 'REFUNDED', 'REFUSED', 'CANCELLED')"
)
"""Orders that somebody still has to do something about; the same letters as in the queries."""

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
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Index("ix_story_events_seq", "seq", unique=True),
    Index("ix_story_events_order_id", "order_id", "at"),
    Index("ix_story_events_topic", "topic", "at"),
    Index("ix_story_events_key", "topic", "key", "seq"),
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
    Index("ix_orders_connection_id", "connection_id", "created_at"),
    Index("ix_orders_tenant", "tenant", "created_at"),
    Index("ix_orders_words", text(WORDS), postgresql_using="gin"),
    Index("ix_orders_test", "created_at", postgresql_where=text("is_test")),
    Index("ix_orders_unfinished", "created_at", postgresql_where=text(UNFINISHED)),
    Index(
        "ix_orders_accept_by",
        "accept_by",
        postgresql_include=["tenant"],
        postgresql_where=text("status = 'PENDING' AND live AND ours AND NOT is_test"),
    ),
    Index(
        "ix_orders_ship_by",
        "ship_by",
        postgresql_include=["tenant"],
        postgresql_where=text("status = 'PREPARATION' AND live AND ours AND NOT is_test"),
    ),
)

Table(
    "order_tallies",
    METADATA,
    Column("tally_id", BigInteger, Identity(always=True), primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("connector", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("orders", BigInteger, nullable=False),
    comment="Differences whose sum is the number of orders in a status: counting never reads the orders",
)

Table(
    "hourly_tallies",
    METADATA,
    Column("tally_id", BigInteger, Identity(always=True), primary_key=True),
    Column("hour", Instant, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("connection_id", Uuid),
    Column("what", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Index("ix_hourly_tallies_hour", "hour"),
    comment="Differences whose sum is how often something happened in an hour; kept for two weeks",
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
    Column("tenant", Text, nullable=False, server_default=""),
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
    Column("tenant", Text, nullable=False, server_default=""),
    Index("ix_doubts_open", "kind", postgresql_where=text("open")),
    Index("ix_doubts_order_id", "order_id"),
)

Table(
    "customer_terms",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("term", LargeBinary, primary_key=True),
    Index("ix_customer_terms_term", "term"),
    comment="Keyed digests of what a buyer can be looked for by; the words themselves are never kept",
)

Table(
    "sessions",
    METADATA,
    Column("session_key", LargeBinary, primary_key=True),
    Column("login", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("tenants", ARRAY(Text)),
    Column("opened_at", Instant, nullable=False),
    Column("seen_at", Instant, nullable=False),
    Column("ends_at", Instant, nullable=False),
    Column("flash", JSONB),
    Index("ix_sessions_ends_at", "ends_at"),
)

Table(
    "sign_in_failures",
    METADATA,
    Column("failure_id", BigInteger, Identity(always=True), primary_key=True),
    Column("login", Text, nullable=False),
    Column("at", Instant, nullable=False),
    Index("ix_sign_in_failures_login", "login", "at"),
)

Table(
    "audit_log",
    METADATA,
    Column("audit_id", Uuid, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("login", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("order_id", Uuid),
    Column("detail", JSONB, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("why", Text, nullable=False, server_default=""),
    Column("ended_at", Instant),
    Index("ix_audit_log_at", "at"),
    Index("ix_audit_log_order_id", "order_id"),
)
