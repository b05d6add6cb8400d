"""Tables of order-router."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables, sku_link_table

METADATA = new_metadata()
runtime_tables(METADATA)
sku_link_table(METADATA)

ZERO = text("0")
FALSE = text("false")

# One row per order takes the facts of both topics, whichever comes first: it is also the lock of the order.
Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("traceparent", Text),
    Column("live", Boolean),
    Column("snapshot", JSONB),
    Column("snapshot_version", BigInteger, nullable=False, server_default=ZERO),
    Column("status", Text),
    Column("marketplace_status", Text),
    Column("line_status", JSONB),
    Column("ship_by", Instant),
    Column("status_version", BigInteger, nullable=False, server_default=ZERO),
    Column("released", Boolean, nullable=False, server_default=FALSE),
    Column("refused", Boolean, nullable=False, server_default=FALSE),
    Column("refused_lines", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("answer_version", BigInteger, nullable=False, server_default=ZERO),
    Column("routed_at", Instant),
    Column("routed_by", Text),
    Column("rules", JSONB),
    Column("losing_options", JSONB),
    Column("closed_at", Instant),
    Column("closed_reason", Text),
    Index("ix_orders_routed", "connection_id", "routed_at", postgresql_where=text("routed_at is not null")),
    postgresql_with={"fillfactor": "80"},
)

Table(
    "routes",
    METADATA,
    Column("route_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("warehouse", Text),
    Column("lines", JSONB, nullable=False),
    Column("line_ids", ARRAY(Text), nullable=False),
    Column("cancelled_lines", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("cancelled_at", Instant),
    Index("ix_routes_order_id", "order_id"),
)

# What an unrouted order waits for, so that the fact that ends the wait finds it by one look into a small table.
Table(
    "waits",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("cause", Text, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("sku", Text, nullable=False),
    Column("detail", Text, nullable=False),
    Index("ix_waits_connection_id_sku", "connection_id", "sku"),
    Index("ix_waits_tenant_sku", "tenant", "sku"),
)

# What an operator chose for a line; it stays until the order is routed.
Table(
    "choices",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("warehouse", Text),
    Column("shop_sku", Text),
    Column("actor", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("chosen_at", Instant, nullable=False),
)

# Shops by tenant: which shops exist is asked for every order, and connections are only found by id.
Table(
    "shops",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("label", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
    Index("ix_shops_tenant", "tenant"),
)

# Units per shop SKU as last heard; the same SKU is told once per marketplace connection, so instants decide.
Table(
    "shelf",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("shop_sku", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("folded", Text, nullable=False),
    Column("on_hand", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_shelf_tenant_environment_folded", "tenant", "environment", "folded"),
)
