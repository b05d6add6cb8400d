"""Tables of shop-gateway.

Personal data is in `customers` and `customer_corrections` only. What was shipped and returned is not counted in
columns: it is the sum of `parcels` and `returns`, so a corrected parcel cannot leave a wrong count behind.
"""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "shop_orders",
    METADATA,
    Column("route_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("environment", Text, nullable=False),
    Column("is_test", Boolean, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("sole_route", Boolean, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("state", Text, nullable=False),
    Column("shop_order_reference", Text),
    Column("acknowledged_at", Instant),
    Column("waited", Boolean, nullable=False, server_default=text("false")),
    Column("resends", Integer, nullable=False, server_default=text("0")),
    Column("feed_seq", BigInteger),
    Column("closed_at", Instant),
    Column("version", BigInteger, nullable=False, server_default=text("1")),
    Column("traceparent", Text),
    Column("stored_at", Instant, nullable=False),
    Index("ix_shop_orders_order_id", "order_id"),
    Index("ix_shop_orders_order_number", "shop_connection_id", "order_number"),
    Index("ix_shop_orders_reference", "shop_connection_id", "shop_order_reference"),
    Index("ix_shop_orders_feed", "shop_connection_id", "feed_seq", postgresql_where=text("closed_at is null")),
    Index(
        "ix_shop_orders_waiting", "shop_connection_id", postgresql_where=text("state in ('waiting','blocked') and live")
    ),
)

Table(
    "route_cancellations",
    METADATA,
    Column("route_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False),
    Column("cancelled_at", Instant, nullable=False),
)

Table(
    "feeds",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)

Table(
    "customers",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("body", JSONB),
    Column("recorded_at", Instant, nullable=False),
    Column("erased_at", Instant),
    Index("ix_customers_recorded_at", "recorded_at", postgresql_where=text("body is not null")),
)

Table(
    "customer_corrections",
    METADATA,
    Column("correction_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("shipping", JSONB),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("corrected_at", Instant, nullable=False),
    Column("superseded", Boolean, nullable=False, server_default=text("false")),
    Index("uq_customer_corrections_order_id", "order_id", unique=True, postgresql_where=text("not superseded")),
    Index("ix_customer_corrections_order_id", "order_id", "corrected_at"),
    comment="What people put right in a delivery address; what the marketplace gave stays in customers",
)

Table(
    "shop_posts",
    METADATA,
    Column("post_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("dedupe_key", Text, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("source", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("headers", JSONB, nullable=False),
    Column("received_at", Instant, nullable=False),
    Column("state", Text, nullable=False),
    Column("cause", Text),
    Column("detail", Text, nullable=False, server_default=""),
    Column("errors", JSONB, nullable=False, server_default=text("'[]'")),
    Column("route_id", Uuid),
    Column("order_version", BigInteger),
    Column("named_route_id", Uuid),
    Column("named_order_number", Text),
    Column("named_reference", Text),
    Column("interpreted_at", Instant),
    Index("uq_shop_posts_dedupe_key", "connection_id", "dedupe_key", unique=True),
    Index("ix_shop_posts_received_at", "received_at"),
    Index("ix_shop_posts_open", "state", "received_at", postgresql_where=text("state <> 'done'")),
)

Table(
    "parcels",
    METADATA,
    Column("parcel_id", Uuid, primary_key=True),
    Column("route_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("carrier_code", Text),
    Column("carrier_name", Text),
    Column("tracking_number", Text),
    Column("tracking_url", Text),
    Column("handed_over_at", Instant, nullable=False),
    Column("told_at", Instant, nullable=False),
    Index("ix_parcels_route_id", "route_id"),
)

Table(
    "returns",
    METADATA,
    Column("return_id", Uuid, primary_key=True),
    Column("route_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("stage", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("told_at", Instant, nullable=False),
    Index("ix_returns_route_id", "route_id"),
)

Table(
    "shop_cancellations",
    METADATA,
    Column("cancellation_id", Uuid, primary_key=True),
    Column("route_id", Uuid, nullable=False),
    Column("reference", Text, nullable=False),
    Column("lines", JSONB, nullable=False),
    Column("told_at", Instant, nullable=False),
    Index("ix_shop_cancellations_route_id", "route_id"),
)

Table(
    "stock_levels",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("shop_sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("reported_at", Instant, nullable=False),
    postgresql_with={"fillfactor": "80"},
)

Table(
    "price_levels",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("shop_sku", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("amount", Numeric, nullable=False),
    Column("discount_amount", Numeric),
    Column("currency", Text, nullable=False),
    Column("reported_at", Instant, nullable=False),
    postgresql_with={"fillfactor": "80"},
)
