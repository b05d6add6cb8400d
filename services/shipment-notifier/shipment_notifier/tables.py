"""Tables of shipment-notifier."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import Instant, deadline_table, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)
deadline_table(METADATA)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    # 0, and everything below null, until the order itself was heard of: a parcel of it may come first.
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("connection_id", Uuid),
    Column("tenant", Text),
    Column("live", Boolean, nullable=False, server_default=text("false")),
    Column("is_test", Boolean, nullable=False, server_default=text("false")),
    Column("environment", Text),
    Column("fulfilled_by", Text),
    Column("marketplace_reference", Text),
    Column("order_number", Text),
    Column("status", Text),
    Column("created_at", Instant),
    Column("ship_by", Instant),
    # When the marketplace showed that the order may be prepared; null when it was first seen like that.
    Column("prepared_at", Instant),
    # When the marketplace showed it shipped although we had told nothing.
    Column("shipped_elsewhere_at", Instant),
    Index("ix_orders_connection_id", "connection_id"),
)

Table(
    "order_lines",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("line_id", Text, primary_key=True),
    Column("offer_sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("status", Text, nullable=False),
    Column("version", BigInteger, nullable=False),
)

Table(
    "parcels",
    METADATA,
    Column("parcel_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("body", JSONB, nullable=False),
    Column("handed_over_at", Instant, nullable=False),
    Column("traceparent", Text),
    Column("causation_id", Text),
    # waiting, parked, set_aside, planned, rejected or notified.
    Column("state", Text, nullable=False, server_default="waiting"),
    Column("reason", Text, nullable=False, server_default=""),
    # Cause of the open parked item, and for which content it was parked: an item that a person closed stays closed.
    Column("parked_cause", Text),
    Column("parked_for", Text),
    # The effect that tells about this parcel, how often one was planned, and what it says.
    Column("effect_id", Uuid),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("told", JSONB),
    Index("ix_parcels_order_id", "order_id"),
    Index("ix_parcels_unsettled", "connection_id", postgresql_where=text("state in ('waiting','parked','set_aside')")),
)

Table(
    # One invoice per route: each shop writes its own.
    "invoices",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    Column("route_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    # wanted, planned, uploaded, rejected or by_hand.
    Column("state", Text, nullable=False, server_default="wanted"),
    Column("wanted_at", Instant, nullable=False),
    Column("next_fetch_at", Instant, nullable=False),
    Column("fetches", Integer, nullable=False, server_default=text("0")),
    Column("reason", Text, nullable=False, server_default=""),
    Column("alarm_at", Instant, nullable=False),
    Column("alarmed_at", Instant),
    Column("file_name", Text),
    Column("revision", Integer, nullable=False, server_default=text("0")),
    Column("effect_id", Uuid),
    Column("settled_at", Instant),
    Column("traceparent", Text),
    Column("causation_id", Text),
    Index("ix_invoices_wanted", "next_fetch_at", postgresql_where=text("state = 'wanted'")),
    Index("ix_invoices_alarm", "alarm_at", postgresql_where=text("state = 'wanted' and alarmed_at is null")),
)

Table(
    # The shop's own name of the order it made for a route: some shops find an invoice by nothing else.
    "shop_references",
    METADATA,
    Column("route_id", Uuid, primary_key=True),
    Column("order_id", Uuid, nullable=False),
    Column("shop_order_reference", Text, nullable=False),
)
