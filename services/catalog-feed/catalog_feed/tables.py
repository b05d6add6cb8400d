"""Tables of catalog-feed."""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    Column,
    Index,
    Integer,
    LargeBinary,
    Numeric,
    Table,
    Text,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from hub_common.tables import Instant, new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)

Table(
    "offers",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("environment", Text, nullable=False),
    Column("shop_connection_id", Uuid, nullable=False),
    Column("shop_sku", Text, nullable=False),
    Column("available", BigInteger, nullable=False),
    Column("price", Numeric),
    Column("currency", Text),
    Column("version", BigInteger, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Index("ix_offers_shop_sku", "shop_connection_id", "shop_sku"),
)

Table(
    "products",
    METADATA,
    Column("shop_connection_id", Uuid, primary_key=True),
    Column("shop_sku", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("ean", Text),
    Column("sku_manufacturer", Text),
    Column("brand", Text),
    Column("title", Text),
    Column("description", Text),
    Column("category", Text),
    Column("condition", Text),
    Column("weight", Numeric),
    Column("min_quantity", Integer),
    Column("images", ARRAY(Text), nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("updated_by", Text, nullable=False),
)

Table(
    "feed_profiles",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("settings", JSONB, nullable=False),
    Column("token_hash", Text, nullable=False),
    Column("token_sealed", JSONB, nullable=False),
    Column("rotated_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changes", BigInteger, nullable=False, server_default=text("1")),
    Column("built_changes", BigInteger, nullable=False, server_default=text("0")),
    Column("dirty_since", Instant),
    Column("published_version", Integer),
    Column("problems", JSONB, nullable=False, server_default=text("'[]'")),
    Column("problems_sha256", Text),
    Column("last_fetched_at", Instant),
    Column("last_fetched_version", Integer),
    Column("fetches", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_feed_profiles_dirty", "dirty_since", postgresql_where=text("dirty_since is not null")),
)

Table(
    "feeds",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("version", Integer, primary_key=True),
    Column("rows", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("content", LargeBinary),
    Column("state", Text, nullable=False),
    Column("problems", JSONB, nullable=False, server_default=text("'[]'")),
    Column("created_at", Instant, nullable=False),
    Column("published_at", Instant),
    Column("forced_by", Text),
    Column("forced_reason", Text),
)

Table(
    "shipping_templates",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("name", Text, primary_key=True),
    Column("countries", ARRAY(Text), nullable=False),
    Column("cost", Numeric, nullable=False),
    Column("currency", Text, nullable=False),
    Column("lead_days_min", Integer, nullable=False),
    Column("lead_days_max", Integer, nullable=False),
    Column("active", Boolean, nullable=False),
    Column("is_default", Boolean, nullable=False),
)

Table(
    "template_assignments",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("template", Text, primary_key=True),
)
