"""Tables of order-ingest. `raw_orders` and `notices` hold what came exactly as it came, personal data included; the
others hold none."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import NOW, Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

_ZERO = text("0")

Table(
    "raw_orders",
    METADATA,
    Column("snapshot_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    Column("last_fetched_at", Instant, nullable=False),
    UniqueConstraint("order_id", "sha256"),
)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("marketplace_status", Text, nullable=False),
    Column("snapshot", JSONB, nullable=False),
    Column("snapshot_id", Uuid, nullable=False),
    Column("raw_sha256", LargeBinary, nullable=False),
    Column("customer_sha256", LargeBinary),
    Column("has_address", Boolean, nullable=False, server_default=text("false")),
    Column("origin", Text, nullable=False),
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    Column("received", Boolean, nullable=False),
    Column("skip_reason", Text),
    Column("created_at", Instant, nullable=False),
    Column("marketplace_updated_at", Instant, nullable=False),
    Column("fetched_at", Instant, nullable=False),
    Column("traceparent", Text),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("first_seen_at", Instant, nullable=False, server_default=NOW),
    # Also in `erasures`; here so that retention finds what is left without passing all that is done.
    Column("erased_at", Instant),
    UniqueConstraint("connection_id", "reference"),
    Index("ix_orders_order_number", "order_number"),
    Index("ix_orders_not_erased", "connection_id", "created_at", postgresql_where=text("erased_at is null")),
    postgresql_with={"fillfactor": "85"},
)

Table(
    # Orders whose buyer was erased: nothing of him is stored or told again.
    "erasures",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("requested_by", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("erased_at", Instant, nullable=False),
)

Table(
    # A tenant's buyers that a person wants erased; a duty works on it in batches.
    "erasure_wishes",
    METADATA,
    Column("wish_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("placed_before", Instant, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("erased", Integer, nullable=False, server_default=_ZERO),
    Column("done_at", Instant),
    Index("ix_erasure_wishes_open", "requested_at", postgresql_where=text("done_at is null")),
)

Table(
    "order_numbers",
    METADATA,
    Column("order_number", Text, primary_key=True),
    Column("order_id", Uuid, nullable=False, unique=True),
)

Table(
    "poll_state",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("cursor_at", Instant),
    Column("first_run_at", Instant),
    Column("last_attempt_at", Instant),
    Column("last_success_at", Instant),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("consecutive_failures", Integer, nullable=False, server_default=_ZERO),
    Column("polls", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_seen", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_received", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_changed", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_skipped", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_parked", BigInteger, nullable=False, server_default=_ZERO),
    Column("run_requested_at", Instant),
    Column("run_requested_by", Text),
    Column("last_manual_at", Instant),
    Column("last_manual_by", Text),
    Column("reread_next_from", Instant),
    Column("reread_until", Instant),
    Column("reread_done_at", Instant),
    Index("ix_poll_state_run_requested", "connection_id", postgresql_where=text("run_requested_at is not null")),
    # One row per connection, written at every poll: room on the page keeps these updates out of the index.
    postgresql_with={"fillfactor": "50"},
)

Table(
    # Orders about which a comparison found that hub and marketplace do not agree, or of which a notice told.
    "rereads",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("reference", Text, primary_key=True),
    Column("difference_id", Uuid),
    Column("wishes", Integer, nullable=False, server_default=text("1")),
    Column("tenant", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("attempts", Integer, nullable=False, server_default=_ZERO),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("requested_at", Instant, nullable=False),
    Column("next_at", Instant, nullable=False),
    Column("read_at", Instant),
    Index("ix_rereads_open", "connection_id", "next_at", postgresql_where=text("state = 'open'")),
)

Table(
    # What marketplaces pushed, byte for byte; `times` counts arrivals of the same bytes.
    "notices",
    METADATA,
    Column("notice_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("sha256", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("state", Text, nullable=False, server_default="received"),
    Column("order_references", Integer, nullable=False, server_default=_ZERO),
    Column("times", Integer, nullable=False, server_default=text("1")),
    Column("received_at", Instant, nullable=False),
    Column("last_received_at", Instant, nullable=False),
    UniqueConstraint("connection_id", "sha256"),
    Index("ix_notices_last_received_at", "last_received_at"),
)

Table(
    "backfills",
    METADATA,
    Column("backfill_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("created_from", Instant, nullable=False),
    Column("created_until", Instant, nullable=False),
    Column("next_from", Instant, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("chunks_done", Integer, nullable=False, server_default=_ZERO),
    Column("orders_seen", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_received", BigInteger, nullable=False, server_default=_ZERO),
    Column("orders_parked", BigInteger, nullable=False, server_default=_ZERO),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("requested_at", Instant, nullable=False),
    Column("updated_at", Instant, nullable=False, server_default=NOW),
    Column("traceparent", Text),
    # Parts that are read by export: the ticket in hand, failures in a row, and what became of exports so far.
    Column("export_ticket", Text),
    Column("export_asked_at", Instant),
    Column("export_until", Instant),
    Column("export_attempts", Integer, nullable=False, server_default=_ZERO),
    Column("export_given_up", Boolean, nullable=False, server_default=text("false")),
    Column("exports_asked", Integer, nullable=False, server_default=_ZERO),
    Column("exports_read", Integer, nullable=False, server_default=_ZERO),
    Column("exports_failed", Integer, nullable=False, server_default=_ZERO),
    Index("ix_backfills_open", "connection_id", "requested_at", postgresql_where=text("state = 'open'")),
)
