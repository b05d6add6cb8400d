"""Tables of order-acceptance."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Numeric, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import Instant, deadline_table, new_metadata, runtime_tables, sku_link_table

METADATA = new_metadata()
runtime_tables(METADATA)
sku_link_table(METADATA)
deadline_table(METADATA)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("snapshot", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("accept_by", Instant),
    Column("traceparent", Text),
    Column("decision", Text),
    Column("decided_by", Text),
    Column("decided_at", Instant),
    Column("answer", Text),
    Column("rules", JSONB),
    Index("ix_orders_connection_id", "connection_id", "created_at"),
    Index(
        "ix_orders_undecided",
        "connection_id",
        "created_at",
        postgresql_where=text("status = 'PENDING' and (decision is null or decision = 'hold')"),
    ),
)

Table(
    "order_lines",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("offer_sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Index("ix_order_lines_sku", "connection_id", "offer_sku"),
)

Table(
    "offers",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("shop_sku", Text, nullable=False),
    Column("on_hand", Integer, nullable=False),
    Column("buffer", Integer, nullable=False),
    Column("price", Numeric),
    Column("currency", Text),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_offers_shop_sku", "shop_connection_id", "shop_sku"),
)
