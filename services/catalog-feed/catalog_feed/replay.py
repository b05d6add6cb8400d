"""Rebuilding: what people stated is given, what marketplaces and the hub made of it must follow from events.

An offer, a product file or a feed's settings are a person's words; no event has them. Whether the offer is listed,
how the file ended and which version of the feed is out there was told, and comes out the same when it is heard again.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from catalog_feed.effects_import import COUNTERS
from catalog_feed.listings import LISTED, REJECTED, WITHDRAWN
from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_given import Given
from hub_common.replay_parked import CONNECTIONS, PARKED, PARKED_ROUTES
from hub_common.routing import Routes
from hub_common.tx import Tx
from hub_contracts.catalog import FeedPublished, OfferListed, OfferListingRejected, ProductImportEnded
from hub_contracts.envelope import Event

PUBLISHED = """
UPDATE feeds f SET state = 'published', rows = t.rows, sha256 = t.sha256, published_at = t.at
FROM unnest($1::uuid[], $2::text[], $3::int[], $4::int[], $5::text[], $6::timestamptz[])
     AS t(connection_id, feed, version, rows, sha256, at)
WHERE f.connection_id = t.connection_id AND f.feed = t.feed AND f.version = t.version
"""

POINTED = """
UPDATE feed_profiles p SET published_version = t.version
FROM unnest($1::uuid[], $2::text[], $3::int[]) AS t(connection_id, feed, version)
WHERE p.connection_id = t.connection_id AND p.feed = t.feed
"""

# A statement keeps its instant when its call is made again, with a higher version; a newer one has a newer instant.
# What ended after a newer statement was written down was of no interest any more.
SETTLED = """
UPDATE listings l SET
    state = CASE WHEN t.now AND (t.taken OR t.version = l.version) THEN t.state ELSE l.state END,
    import_reference = CASE WHEN t.taken OR NOT t.now OR t.version = l.version THEN t.reference
                            ELSE l.import_reference END,
    listed_at = CASE WHEN t.taken THEN t.at ELSE l.listed_at END,
    listed_version = CASE WHEN t.taken THEN t.version ELSE l.listed_version END
FROM (SELECT u.*, u.version >= floor(extract(epoch FROM k.stated_at) * 1000) AS now, k.stated_at
      FROM (SELECT $1::uuid AS connection_id, $2::text AS offer_sku, $3::bigint AS version, $4::text AS state,
                   $5::bool AS taken, $6::text AS reference, $7::timestamptz AS at) u
      JOIN listings k ON k.connection_id = u.connection_id AND k.offer_sku = u.offer_sku) t
WHERE l.connection_id = t.connection_id AND l.offer_sku = t.offer_sku AND t.version <= l.version
  AND (t.now OR t.at <= t.stated_at)
"""

ENDED = """
UPDATE product_imports i SET ended_at = t.at, import_reference = t.reference, counters = t.counters
FROM unnest($1::uuid[], $2::timestamptz[], $3::text[], $4::jsonb[]) AS t(import_id, at, reference, counters)
WHERE i.import_id = t.import_id
"""


async def on_published(tx: Tx, events: Sequence[Event[FeedPublished]]) -> None:
    """Versions as they went out, and which one the address points at."""
    data = [event.data for event in events]
    await tx.conn.execute(
        PUBLISHED,
        [d.connection_id for d in data],
        [d.feed for d in data],
        [d.version for d in data],
        [d.rows for d in data],
        [d.sha256 for d in data],
        [d.published_at for d in data],
    )
    last = {(d.connection_id, d.feed): d.version for d in data}
    await tx.conn.execute(POINTED, [own for own, _ in last], [feed for _, feed in last], list(last.values()))


async def on_listed(tx: Tx, events: Sequence[Event[OfferListed]]) -> None:
    """The marketplace has the offer, or has taken it off."""
    rows = [_settled(event, WITHDRAWN if event.data.withdrawn else LISTED, taken=True) for event in events]
    await tx.conn.executemany(SETTLED, rows)


async def on_listing_rejected(tx: Tx, events: Sequence[Event[OfferListingRejected]]) -> None:
    """The marketplace would not take it."""
    await tx.conn.executemany(SETTLED, [_settled(event, REJECTED, taken=False) for event in events])


def _settled(event: Event[OfferListed] | Event[OfferListingRejected], state: str, *, taken: bool) -> tuple[Any, ...]:
    data, at = event.data, event.meta.time
    version = data.version if data.version is not None else _version_by(at)
    return data.connection_id, data.offer_sku, version, state, taken, data.import_reference, at


def _version_by(at: datetime) -> int:
    """Versions begin as instants: the best guess for a statement that was told without its version."""
    return int(at.timestamp() * 1000)


async def on_import_ended(tx: Tx, events: Sequence[Event[ProductImportEnded]]) -> None:
    """How the marketplace got through a product file."""
    data = [event.data for event in events]
    await tx.conn.execute(
        ENDED,
        [d.import_id for d in data],
        [event.meta.time for event in events],
        [d.import_reference for d in data],
        [orjson.dumps({name: getattr(d, name) for name in COUNTERS}).decode() for d in data],
    )


OWN_ROUTES: Routes = {
    FeedPublished: on_published,
    OfferListed: on_listed,
    OfferListingRejected: on_listing_rejected,
    ProductImportEnded: on_import_ended,
    **PARKED_ROUTES,
}

_BUILT_ANEW = "what is heard again makes every feed be built again"
_BYTES = "megabytes that are given and not told; their digest is compared"
_TOLD_COUNTERS = ", ".join(f"'{name}', counters -> '{name}'" for name in COUNTERS)

REPLAY = ReplayPlan(
    tables=(
        Compared("offers"),
        Compared("listings"),
        Compared("feeds", ignore={"content": _BYTES}),
        Compared("feed_profiles", ignore={"changes": _BUILT_ANEW, "dirty_since": _BUILT_ANEW}),
        Compared(
            "product_imports",
            ignore={"content": _BYTES},
            instead={"counters": f"jsonb_build_object({_TOLD_COUNTERS})"},
        ),
        CONNECTIONS,
        PARKED,
    ),
    own=OWN_ROUTES,
    given=(
        Given("products", "operators describe them, by file or one by one"),
        Given("shipping_templates", "operators name them as they are named at the marketplace"),
        Given("template_assignments", "operators say which offer ships by which template"),
        Given("grid_rules", "operators write the rules by which templates are chosen"),
        Given("go_live_ticks", "people's word that something outside is done"),
        Given("releases", "operators released values; how that ended is told only when it needs a person"),
        Given("product_import_problems", "the marketplace's reports, row by row; events carry the first of them"),
        Given(
            "listings",
            "operators state offers whole; events name them",
            begins={
                "state": "CASE request ->> 'withdraw' WHEN 'true' THEN 'withdrawing' ELSE 'publishing' END",
                "import_reference": "NULL",
                "listed_at": "NULL",
                "listed_version": "NULL",
            },
        ),
        Given(
            "feeds",
            "files that were built from operators' words of that time, with what operators decided about them",
            begins={
                "state": "CASE WHEN published_at IS NULL THEN state ELSE 'withheld' END",
                "rows": "CASE WHEN published_at IS NULL THEN rows ELSE 0 END",
                "sha256": "CASE WHEN published_at IS NULL THEN sha256 ELSE '' END",
                "published_at": "NULL",
            },
        ),
        Given(
            "feed_profiles",
            "operators' settings, the secret address, and fetches by marketplaces",
            begins={"published_version": "NULL", "changes": "changes", "dirty_since": "dirty_since"},
        ),
        Given(
            "product_imports",
            "operators' files, kept as they came",
            begins={
                "ended_at": "CASE WHEN effect_id IS NULL THEN ended_at END",
                "import_reference": "NULL",
                "counters": "CASE WHEN effect_id IS NULL THEN counters ELSE '{}' END",
            },
        ),
    ),
)
