"""Tables of notification-service."""

from sqlalchemy import Boolean, Column, Index, Integer, SmallInteger, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
)

Table(
    "connection_states",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("state", Text, nullable=False),
)

Table(
    "notices",
    METADATA,
    Column("notice_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("severity", SmallInteger, nullable=False),
    Column("cause", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("order_id", Uuid),
    Column("connection_id", Uuid),
    Column("due_at", Instant),
    Column("raised_at", Instant, nullable=False),
    Column("resolved_at", Instant),
    Column("live", Boolean, nullable=False),
    Column("matched_at", Instant),
    Index("ix_notices_subject", "subject"),
    Index("ix_notices_unmatched", "raised_at", postgresql_where=text("live AND matched_at IS NULL")),
)

Table(
    "subscriptions",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("channel", Text, nullable=False),
    Column("address", Text, nullable=False),
    Column("secret", JSONB),
    Column("kinds", ARRAY(Text), nullable=False),
    Column("min_severity", SmallInteger, nullable=False),
    Column("digest_minutes", Integer, nullable=False),
    Column("quiet_from", Text),
    Column("quiet_until", Text),
    Column("timezone", Text, nullable=False),
    Column("muted_until", Instant),
    Column("rank", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
    Index("ix_subscriptions_tenant", "tenant"),
)

Table(
    "notes",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("notice_id", Uuid, primary_key=True),
    Column("group_key", Text, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("send_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("sending_id", Uuid),
    Index("ix_notes_pending", "send_at", postgresql_where=text("state = 'PENDING'")),
    Index("ix_notes_sending_id", "sending_id"),
    Index("ix_notes_notice_id", "notice_id"),
)

Table(
    "told_groups",
    METADATA,
    Column("subscription_id", Uuid, primary_key=True),
    Column("group_key", Text, primary_key=True),
    Column("last_told_at", Instant, nullable=False),
)

Table(
    "sendings",
    METADATA,
    Column("sending_id", Uuid, primary_key=True),
    Column("subscription_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("urgent", Boolean, nullable=False),
    Column("is_trial", Boolean, nullable=False, server_default=text("false")),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("passed_on", Boolean, nullable=False, server_default=text("false")),
    Column("next_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("settled_at", Instant),
    Column("error", Text, nullable=False, server_default=text("''")),
    Index("ix_sendings_due", "next_at", postgresql_where=text("settled_at IS NULL")),
    Index("ix_sendings_created_at", "created_at"),
)
