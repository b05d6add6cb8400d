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
    Column("priced_at", Instant),
    Column("pushed_at", Instant),
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
    Column("feed", Text, primary_key=True, server_default=text("'catalogue'")),
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
    Column("row_problems", JSONB, nullable=False, server_default=text("'[]'")),
    Column("last_fetched_at", Instant),
    Column("last_fetched_version", Integer),
    Column("fetches", BigInteger, nullable=False, server_default=text("0")),
    Index("ix_feed_profiles_dirty", "dirty_since", postgresql_where=text("dirty_since is not null")),
)

Table(
    "feeds",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("feed", Text, primary_key=True, server_default=text("'catalogue'")),
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
    Column("separator", Text, nullable=False, server_default=text("','")),
    Column("sku_header", Text),
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

Table(
    "grid_rules",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("name", Text, nullable=False),
    Column("grids", ARRAY(Text), nullable=False),
    Column("sku_prefix", Text),
    Column("weight_from", Numeric),
    Column("weight_below", Numeric),
    Column("price_from", Numeric),
    Column("price_below", Numeric),
)

Table(
    "go_live_ticks",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("item", Text, primary_key=True),
    Column("done", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("ticked_by", Text, nullable=False),
    Column("ticked_at", Instant, nullable=False),
)

Table(
    "listings",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("tenant", Text, nullable=False),
    Column("request", JSONB, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("effect_id", Uuid, nullable=False),
    Column("problems", JSONB, nullable=False, server_default=text("'[]'")),
    Column("stated_at", Instant, nullable=False),
    Column("stated_by", Text, nullable=False),
    Column("resend_at", Instant),
    Column("listed_at", Instant),
    Column("listed_version", BigInteger),
    Column("import_reference", Text),
    Index("ix_listings_resend", "resend_at", postgresql_where=text("resend_at is not null")),
)

Table(
    "releases",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("offer_sku", Text, primary_key=True),
    Column("fields", ARRAY(Text), nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("state", Text, nullable=False),
    Column("effect_id", Uuid, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("requested_at", Instant, nullable=False),
    Column("requested_by", Text, nullable=False),
    Column("settled_at", Instant),
)

Table(
    "product_imports",
    METADATA,
    Column("import_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("tenant", Text, nullable=False),
    Column("file_name", Text, nullable=False),
    Column("operator_format", Boolean, nullable=False),
    Column("sha256", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("rows", Integer),
    Column("content", LargeBinary),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=False, server_default=text("''")),
    Column("effect_id", Uuid),
    Column("import_reference", Text),
    Column("counters", JSONB, nullable=False, server_default=text("'{}'")),
    Column("uploaded_at", Instant, nullable=False),
    Column("uploaded_by", Text, nullable=False),
    Column("ended_at", Instant),
    Index("ix_product_imports_connection", "connection_id", "uploaded_at"),
    Index("ix_product_imports_kept", "ended_at", postgresql_where=text("content is not null")),
)

Table(
    "product_import_problems",
    METADATA,
    Column("import_id", Uuid, primary_key=True),
    Column("seq", Integer, primary_key=True),
    Column("row", Integer),
    Column("offer_sku", Text),
    Column("severity", Text, nullable=False),
    Column("field", Text, nullable=False),
    Column("code", Text),
    Column("rule", Text, nullable=False),
    Column("next_step", Text, nullable=False),
)
