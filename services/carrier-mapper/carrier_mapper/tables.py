"""Tables of carrier-mapper."""

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "orders",
    METADATA,
    Column("order_id", Uuid, primary_key=True),
    # 0 until the order itself was heard of: a parcel of it may come first.
    Column("version", BigInteger, nullable=False, server_default=text("0")),
    Column("order_references", ARRAY(Text), nullable=False, server_default=text("'{}'")),
    Column("destination_country", Text),
    Column("ship_by", Instant),
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
    # mapped, parked, or null: to be decided.
    Column("outcome", Text),
    Column("cause", Text),
    Column("mapped_by", Text),
    Column("decision", JSONB),
    Column("decided_at", Instant),
    Column("decided_by", Text),
    # Whether the shop changed it since the last decision: only then is it parked anew for the same cause.
    Column("corrected", Boolean, nullable=False, server_default=text("true")),
    # What the world was told last, so that deciding the same again tells nothing.
    Column("told", JSONB),
    Index("ix_parcels_connection_handed_over", "connection_id", "handed_over_at"),
    Index("ix_parcels_order_id", "order_id"),
    Index("ix_parcels_parked", "connection_id", postgresql_where=text("outcome = 'parked'")),
    Index("ix_parcels_undecided", "parcel_id", postgresql_where=text("outcome is null and live")),
)

Table(
    "carrier_rules",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("rule_id", Text, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("priority", Integer, nullable=False),
    Column("carrier_code", Text),
    Column("carrier_name", Text),
    Column("shop_carrier", Text),
    Column("pattern", Text),
    Column("destination_country", Text),
    Column("strip_marker", Text),
    Column("tracking_url_template", Text),
    Column("enabled", Boolean, nullable=False),
    Column("version", Integer, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", Text, nullable=False),
)

Table(
    "marketplace_carriers",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    # Null until it was fetched once.
    Column("carriers", JSONB),
    Column("fetched_at", Instant),
    Column("next_at", Instant, nullable=False),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("error", Text, nullable=False, server_default=""),
)
