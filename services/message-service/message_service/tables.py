"""Tables of message-service. Words are in `message_bodies` alone, so that erasing them is one DELETE; subjects
are in `threads.topic`."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("marketplace_reference", Text, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("locale", Text),
    Column("is_test", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("ux_orders_reference", "connection_id", "marketplace_reference", unique=True),
)

Table(
    "threads",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("thread_reference", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("order_reference", Text),
    Column("order_id", Uuid),
    Column("topic", Text, nullable=False, server_default=""),
    Column("locale", Text),
    Column("updated_at", Instant, nullable=False),
    # Since when a buyer waits for a word of ours, until when it must come, and which alarm was raised for it.
    Column("waits_since", Instant),
    Column("answer_by", Instant),
    Column("alarm_at", Instant),
    Column("alarmed_at", Instant),
    Index("ix_threads_order", "order_id"),
    Index("ix_threads_reference", "connection_id", "order_reference"),
    Index("ix_threads_waiting", "answer_by", postgresql_where=text("waits_since is not null")),
)

Table(
    "messages",
    METADATA,
    Column("message_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    # Null while a new thread of ours has not been taken by the marketplace.
    Column("thread_reference", Text),
    Column("order_id", Uuid),
    # The marketplace's name; null for a message of ours that it has not shown yet.
    Column("message_reference", Text),
    Column("sender", Text, nullable=False),
    Column("attachments", Integer, nullable=False, server_default=text("0")),
    # received, planned, sent or rejected.
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=""),
    Column("sent_at", Instant, nullable=False),
    Column("written_by", Text),
    Column("body_hash", Text),
    Column("effect_id", Uuid),
    Index("ix_messages_thread", "connection_id", "thread_reference", "sent_at"),
    Index("ix_messages_order", "order_id"),
    Index("ux_messages_reference", "connection_id", "message_reference", unique=True),
)

Table(
    "message_bodies",
    METADATA,
    Column("message_id", Uuid, primary_key=True),
    Column("body", Text, nullable=False),
    Column("kept_until", Instant, nullable=False),
    Index("ix_message_bodies_kept_until", "kept_until"),
)

Table(
    # Orders whose buyer was erased: what was said until then is never stored again.
    "erasures",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("erased_at", Instant, nullable=False),
)

Table(
    "templates",
    METADATA,
    Column("tenant", Text, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("locale", Text, primary_key=True),
    Column("body", Text, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
)

Table(
    "readings",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("read_until", Instant),
    Column("next_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
    Column("last_read_at", Instant),
)
