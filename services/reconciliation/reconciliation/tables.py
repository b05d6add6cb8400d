"""Tables of reconciliation: what the hub believes, how far each comparison is, what does not agree, the statements."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Date, Index, Integer, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

_ZERO = text("0")
_NO = text("false")

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("status", Text, nullable=False),
    Column("marketplace_status", Text, nullable=False),
    Column("snapshot", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("first_refunds", ARRAY(Text), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("fact_at", Instant, nullable=False),
    Column("traceparent", Text),
    Column("seen_round", BigInteger, nullable=False, server_default=_ZERO),
    Column("compared_at", Instant),
    Index("ix_orders_rest", "connection_id", "compared_at"),
    postgresql_with={"fillfactor": "85"},
)

Table(
    "answers",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("answer", Text, nullable=False),
    Column("answered_at", Instant, nullable=False),
)

Table(
    "parcels",
    METADATA,
    Column("parcel_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("completes", Boolean, nullable=False),
    Column("told_at", Instant, nullable=False),
    Index("ix_parcels_order_id", "order_id"),
)

Table(
    "refunds",
    METADATA,
    Column("refund_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("state", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("refund_references", ARRAY(Text), nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_refunds_order_id", "order_id"),
)

Table(
    "doubts",
    METADATA,
    Column("effect_id", Uuid, primary_key=True),
    Column("order_id", Uuid),
    Column("connection_id", Uuid, nullable=False),
    Column("offer_sku", Text),
    Column("since", Instant, nullable=False),
    Column("over_at", Instant),
    Index("ix_doubts_open", "connection_id", postgresql_where=text("over_at is null")),
)

Table(
    "taken",
    METADATA,
    Column("effect_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("kind", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Index("ix_taken_day", "connection_id", "day"),
)

Table(
    "order_days",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("day", Date, primary_key=True),
    Column("order_id", Uuid, primary_key=True),
    Column("last_at", Instant, nullable=False),
    Index("ix_order_days_order_id", "order_id"),
)

Table(
    "offers",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("environment", Text),
    Column("available", Integer),
    Column("price", Numeric),
    Column("currency", Text),
    Column("version", BigInteger, nullable=False, server_default=_ZERO),
    Column("pushed_quantity", Integer),
    Column("quantity_pushed_at", Instant),
    Column("pushed_price", Numeric),
    Column("pushed_currency", Text),
    Column("price_pushed_at", Instant),
    Column("rejected", Text),
    Column("rejected_at", Instant),
    Column("fact_at", Instant, nullable=False),
    Column("seen_round", BigInteger, nullable=False, server_default=_ZERO),
    Column("compared_at", Instant),
    Index("ix_offers_rest", "connection_id", "compared_at"),
    postgresql_with={"fillfactor": "80"},
)

Table(
    "comparisons",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("round", BigInteger, nullable=False, server_default=_ZERO),
    Column("phase", Text, nullable=False, server_default="idle"),
    Column("next_at", Instant, nullable=False),
    Column("started_at", Instant),
    Column("window_from", Instant),
    Column("next_from", Instant),
    Column("until", Instant),
    Column("chunk_seconds", BigInteger),
    Column("orders_unreadable", Integer, nullable=False, server_default=_ZERO),
    Column("failures", Integer, nullable=False, server_default=_ZERO),
    Column("last_error", Text, nullable=False, server_default=""),
    Column("gaps", Text, nullable=False, server_default=""),
    Column("finished_at", Instant),
    Column("finished_started_at", Instant),
    Column("last_report", JSONB),
    Column("requested_at", Instant),
    Column("requested_by", Text),
    Column("first_day", Date, nullable=False),
    Index("ix_comparisons_next_at", "next_at"),
    postgresql_with={"fillfactor": "50"},
)

Table(
    "differences",
    METADATA,
    Column("difference_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("order_id", Uuid),
    Column("marketplace_reference", Text),
    Column("line_id", Text),
    Column("offer_sku", Text),
    Column("is_test", Boolean, nullable=False, server_default=_NO),
    Column("hub_value", Text, nullable=False),
    Column("marketplace_value", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("repair", Text, nullable=False),
    Column("next_step", Text, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=_ZERO),
    Column("comparisons", Integer, nullable=False, server_default=_ZERO),
    Column("last_round", BigInteger, nullable=False),
    Column("found_at", Instant, nullable=False),
    Column("last_seen_at", Instant, nullable=False),
    Column("opened_at", Instant),
    Column("ended_at", Instant),
    Column("resolution", Text),
    Column("actor", Text),
    Column("traceparent", Text),
    Index(
        "ix_differences_live",
        "connection_id",
        "order_id",
        "offer_sku",
        postgresql_where=text("state in ('suspected','open','closed')"),
    ),
    Index("ix_differences_state_found_at", "state", "found_at", "difference_id"),
)

Table(
    "statements",
    METADATA,
    Column("statement_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("day", Date, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("final", Boolean, nullable=False),
    Column("issued_at", Instant, nullable=False),
    Column("issued_by", Text),
    Column("body", JSONB, nullable=False),
    Index("ix_statements_day", "connection_id", "day"),
)
