"""Several feeds per connection, grid rules, go-live ticks, published offers, released values, product imports."""

from hub_common.migrate import run_sql_file

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Feeds that exist become their connection's feed `catalogue`; everything else is added."""
    run_sql_file("catalog_feed", "0002.sql")


def downgrade() -> None:
    """A connection's second feed, and what was told to marketplaces, would have no place any more."""
    raise RuntimeError("what was published would be forgotten; restore a backup instead")
