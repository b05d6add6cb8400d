"""Tables of connection-registry.

The connection itself, as everybody knows it, lies in the runtime's `connections`; here is what nobody else may know
(who to call, how credentials are fingerprinted) and what only this service does.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, DateTime, Index, Integer, Table, Text, Uuid, text
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from hub_common.tables import new_metadata, runtime_tables, sku_link_table

Instant = DateTime(timezone=True)
METADATA = new_metadata()
runtime_tables(METADATA)
sku_link_table(METADATA)

Table(
    "connection_details",
    METADATA,
    Column("connection_id", Uuid, primary_key=True),
    Column("note", Text, nullable=False, server_default=""),
    Column("contacts", JSONB, nullable=False, server_default=text("'[]'")),
    Column("credential_fields", JSONB, nullable=False, server_default=text("'{}'")),
    Column("credential_ref", Text, nullable=False),
    Column("fingerprint", Text),
    Column("budget_overrides", JSONB, nullable=False, server_default=text("'{}'")),
    Column("verification", JSONB),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Index("ix_connection_details_credential_ref", "credential_ref"),
    Index("ix_connection_details_fingerprint", "fingerprint"),
)
Table(
    "connection_changes",
    METADATA,
    Column("change_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("version", BigInteger, nullable=False),
    Column("at", Instant, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("fields", ARRAY(Text), nullable=False),
    Index("ix_connection_changes_connection_id", "connection_id", "change_id"),
)
Table(
    "api_keys",
    METADATA,
    Column("api_key_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("label", Text, nullable=False),
    Column("hash", Text, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("created_by", Text, nullable=False),
    Column("revoked_at", Instant),
    Column("revoked_by", Text),
    Index("ix_api_keys_connection_id", "connection_id"),
)
Table(
    "test_orders",
    METADATA,
    Column("test_order_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("offer_sku", Text, nullable=False),
    Column("quantity", Integer, nullable=False),
    Column("country", Text, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("requested_by", Text, nullable=False),
    Index("ix_test_orders_connection_id", "connection_id", "test_order_id"),
)
Table(
    "backfills",
    METADATA,
    Column("backfill_id", Uuid, primary_key=True),
    Column("connection_id", Uuid, nullable=False),
    Column("created_from", Instant, nullable=False),
    Column("created_until", Instant, nullable=False),
    Column("requested_at", Instant, nullable=False),
    Column("requested_by", Text, nullable=False),
    Index("ix_backfills_connection_id", "connection_id", "backfill_id"),
)
Table(
    "registry_secrets",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("sealed", JSONB, nullable=False),
)
