"""Tables of refund-service."""

from sqlalchemy import BigInteger, Boolean, Column, Identity, Index, Integer, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("fulfilled_by", Text, nullable=False),
    Column("reference", Text, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("tax_mode", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("observed", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("traceparent", Text),
    Index("ix_orders_reference", "connection_id", "reference"),
)

Table(
    "lines",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("position", Integer, nullable=False),
    Column("offer_sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("unit_price", Numeric, nullable=False),
    Column("line_price", Numeric, nullable=False),
    Column("shipping_price", Numeric, nullable=False),
    Column("taxes", JSONB, nullable=False),
    Column("shipping_taxes", JSONB, nullable=False),
    Column("status", Text, nullable=False),
    Column("refundable", Boolean),
)

# Only grows (a trigger refuses anything else): what was believed and when is the evidence in a dispute.
Table(
    "ledger_entries",
    METADATA,
    Column("entry_id", BigInteger, Identity(always=True), primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("line_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("amount", Numeric, nullable=False),
    Column("shipping_amount", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
    Column("refund_id", Uuid),
    Column("reference", Text),
    Column("at", Instant, nullable=False),
    Column("recorded_at", Instant, nullable=False),
    Index("ix_ledger_entries_order_id", "order_id", "entry_id"),
    Index(
        "uq_ledger_entries_refund_step",
        "refund_id",
        "line_id",
        "kind",
        unique=True,
        postgresql_where=text("refund_id is not null"),
    ),
)

Table(
    "returns",
    METADATA,
    Column("return_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("shop_return_reference", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("stage", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("refund_shipping", Boolean, nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("check_at", Instant),
    Column("traceparent", Text),
    Column("causation_id", Text),
    Index("ix_returns_order_id", "order_id"),
    Index("ix_returns_check_at", "check_at", postgresql_where=text("state = 'open'")),
    Index("ix_returns_connection_id", "connection_id", postgresql_where=text("state = 'open'")),
    Index("ix_returns_reported_at", "reported_at"),
)

Table(
    "refunds",
    METADATA,
    Column("refund_id", Uuid, primary_key=True),
    Column("seq", BigInteger, Identity(always=True), nullable=False),
    Column("order_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("return_id", Uuid),
    Column("tenant", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("state", Text, nullable=False),
    Column("currency", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("refund_shipping", Boolean, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("effect_id", Uuid),
    Column("refund_references", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("confirmed_by", Text),
    Column("reason", Text, nullable=False, server_default=""),
    Column("settled_at", Instant),
    Column("traceparent", Text),
    Column("causation_id", Text),
    Index("ix_refunds_order_id", "order_id", "seq"),
    Index("ix_refunds_return_id", "return_id"),
)

Table(
    "cancellations",
    METADATA,
    Column("cancellation_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("reason", Text),
    Column("requested_by", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("note", Text, nullable=False),
    Column("check_at", Instant),
    Column("effect_id", Uuid),
    Column("traceparent", Text),
    Column("causation_id", Text),
    Index("ix_cancellations_order_id", "order_id"),
    Index("ix_cancellations_check_at", "check_at", postgresql_where=text("state = 'open'")),
    Index("ix_cancellations_connection_id", "connection_id", postgresql_where=text("state = 'open'")),
)

Table(
    "reason_lists",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("reasons", JSONB),
    Column("fetched_at", Instant),
    Column("next_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False),
    Column("error", Text, nullable=False),
)

Table(
    # Returns that buyers opened at the marketplace. They give no money back: the shop's own report does, once.
    "marketplace_returns",
    METADATA,
    Column("return_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("return_reference", Text, nullable=False),
    Column("order_reference", Text, nullable=False),
    # Null until the order was heard of.
    Column("order_id", Uuid),
    Column("stage", Text, nullable=False),
    Column("marketplace_state", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("tracking_number", Text),
    Column("updated_at", Instant, nullable=False),
    Column("told", Text),
    # The seller's last word and how far it is: planned, answered or rejected; null while there is none.
    Column("answer", Text),
    Column("answer_state", Text),
    Column("answered_by", Text),
    Column("reason_code", Text),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("effect_id", Uuid),
    Index("ix_marketplace_returns_order_id", "order_id"),
    Index("ix_marketplace_returns_reference", "connection_id", "order_reference"),
    Index("ix_marketplace_returns_stage", "stage", "updated_at"),
)

Table(
    "return_readings",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("read_until", Instant),
    Column("next_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("last_error", Text),
)
