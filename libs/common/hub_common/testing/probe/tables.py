"""Tables of the probe service."""

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from hub_common.tables import new_metadata, runtime_tables

METADATA = new_metadata()
runtime_tables(METADATA)
Table(
    "notes",
    METADATA,
    Column("sku", Text, primary_key=True),
    Column("quantity", Integer, nullable=False),
    Column("times", BigInteger, nullable=False),
)
