"""Tables of stock-sync."""

from sqlalchemy import ARRAY, BigInteger, Boolean, Column, Index, Integer, Numeric, Table, Text, Uuid, text

from hub_common.tables import Instant, new_metadata, runtime_tables, sku_link_table

METADATA = new_metadata()
runtime_tables(METADATA)
sku_link_table(METADATA)

NO = text("false")

Table(
    # What serving an offer depends on, taken out of the connections so that it can be searched by tenant.
    "accounts",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("environment", Text, nullable=False),
    Column("pass_through", Boolean, nullable=False),
    Column("by_product_sku", Boolean, nullable=False),
    Column("shops", ARRAY(Uuid), nullable=False),
    Column("rules", Text, nullable=False),
    Index("ix_accounts_tenant", "tenant"),
)

Table(
    "shop_stock",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("shop_sku", Text, primary_key=True),
    Column("warehouse", Text, primary_key=True),
    Column("quantity", BigInteger, nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("reported_by", Text, nullable=False),
)

Table(
    "shop_prices",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("shop_sku", Text, primary_key=True),
    Column("channel", Text, primary_key=True),
    Column("price", Numeric, nullable=False),
    Column("discount_price", Numeric),
    Column("currency", Text, nullable=False),
    Column("reported_at", Instant, nullable=False),
    Column("discount_from", Instant),
    Column("discount_until", Instant),
)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("order_number", Text, nullable=False),
    Column("reserves", Boolean, nullable=False),
    Column("claim", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
)

Table(
    "shop_orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("taken_at", Instant),
    Column("cancelled_at", Instant),
)

Table(
    "reservations",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("offer_sku", Text, nullable=False),
    Column("product_sku", Text),
    Column("quantity", Integer, nullable=False),
    Column("claim", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("since", Instant, nullable=False),
    Index("ix_reservations_held", "connection_id", "offer_sku", postgresql_where=text("state = 'held'")),
    postgresql_with={"fillfactor": "80"},
)

Table(
    # Offers that catalog-feed took off the marketplace, and since when; null once listed again.
    "withdrawals",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("withdrawn_at", Instant),
)

Table(
    "offers",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("shop_sku", Text, nullable=False),
    Column("serving", Text, nullable=False),
    Column("on_hand", BigInteger, nullable=False, server_default=text("0")),
    Column("reserved", BigInteger, nullable=False, server_default=text("0")),
    Column("buffer", Integer, nullable=False, server_default=text("0")),
    Column("available", BigInteger, nullable=False, server_default=text("0")),
    Column("stock_known", Boolean, nullable=False, server_default=NO),
    Column("price", Numeric),
    Column("discount_price", Numeric),
    Column("currency", Text),
    Column("price_invalid", Boolean, nullable=False, server_default=NO),
    Column("changed_at", Instant),
    Column("told", Boolean, nullable=False, server_default=NO),
    Column("push_version", BigInteger, nullable=False, server_default=text("0")),
    Column("planned_quantity", BigInteger),
    Column("planned_price", Numeric),
    Column("planned_discount", Numeric),
    Column("planned_currency", Text),
    Column("pushed_quantity", BigInteger),
    Column("quantity_pushed_at", Instant),
    Column("quantity_rejected", Text),
    Column("pushed_price", Numeric),
    Column("pushed_discount", Numeric),
    Column("pushed_currency", Text),
    Column("price_pushed_at", Instant),
    Column("price_rejected", Text),
    # Dates and channels of the three prices; empty = none.
    Column("price_terms", Text, nullable=False, server_default=text("''")),
    Column("planned_terms", Text, nullable=False, server_default=text("''")),
    Column("pushed_terms", Text, nullable=False, server_default=text("''")),
    Column("price_due_at", Instant),
    Column("price_left_out", Text),
    Column("check_at", Instant),
    Column("drift_seen", Integer, nullable=False, server_default=text("0")),
    Column("drift_pushes", Integer, nullable=False, server_default=text("0")),
    Column("shown", Text),
    Column("shown_at", Instant),
    # Taken off the marketplace by catalog-feed: nothing is sent until it is listed again.
    Column("withdrawn_at", Instant),
    Index("ix_offers_shop_sku", "shop_connection_id", "shop_sku"),
    Index("ix_offers_sku", "offer_sku"),
    Index("ix_offers_price_due", "price_due_at", postgresql_where=text("price_due_at IS NOT NULL")),
    Index("ix_offers_check", "connection_id", "check_at", postgresql_where=text("check_at IS NOT NULL")),
    postgresql_with={"fillfactor": "80"},
)
