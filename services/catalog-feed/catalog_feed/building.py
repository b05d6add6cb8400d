"""Builds feeds when something in them changed, publishes what is good, withholds what would do harm."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from catalog_feed import store, store_feeds
from catalog_feed.domain import CATALOGUE, Built, build
from catalog_feed.judging import Verdict, judge
from catalog_feed.problems import MAX_SHOWN
from catalog_feed.store_feeds import Profile
from hub_common.connections import load_connections
from hub_common.parked import Park, park, resume
from hub_common.transactions import Transactions
from hub_common.tx import Cause, Tx
from hub_contracts.catalog import FeedBlocked, FeedPublished
from hub_contracts.ids import parked_id_for

BLOCKED, SHRUNK = "feed_blocked", "feed_shrunk"
NEXT_STEPS = {
    BLOCKED: "Complete what is missing (product data, price, shipping templates); the feed is then built by itself.",
    SHRUNK: "Find out why articles are gone; if that is right, publish the withheld version by force.",
}


@dataclass(frozen=True, slots=True)
class Draft:
    """A feed as it would be now, and what would become of it."""

    built: Built
    verdict: Verdict


async def draft(tx_conn: store.Conn, profile: Profile) -> Draft | None:
    """Build without publishing; None while the connection is not known."""
    known = await load_connections(tx_conn, [profile.connection_id])
    connection = known.get(profile.connection_id)
    if connection is None:
        return None
    articles = await store.articles(tx_conn, profile.connection_id, connection.data.environment.value)
    templates = await store.templates(tx_conn, profile.connection_id)
    rules = await store.grid_rules(tx_conn, profile.connection_id)
    # Writing tens of thousands of rows takes long enough to hold up everything else in this process.
    built = await asyncio.to_thread(build, articles, templates, profile.settings, rules)
    published = None
    if profile.published_version is not None:
        row = await store_feeds.version_row(tx_conn, profile.connection_id, profile.feed, profile.published_version)
        published = (row["rows"], row["sha256"]) if row else None
    return Draft(built, judge(built, published, profile.settings))


class FeedBuilder:
    """The duty that keeps feeds up to date. Changes are gathered for a moment: thousands come together."""

    def __init__(self, transactions: Transactions, *, debounce_seconds: float, keep_versions: int) -> None:
        self._transactions = transactions
        self._debounce = timedelta(seconds=debounce_seconds)
        self._keep = keep_versions

    async def step(self) -> bool:
        """Build one feed that is due; False when none is."""
        async with self._transactions.begin() as tx:
            profile = await store_feeds.claim_due(tx.conn, tx.now - self._debounce)
            if profile is None:
                return False
            await conclude(tx, profile, await draft(tx.conn, profile), keep=self._keep)
        return True


async def conclude(tx: Tx, profile: Profile, found: Draft | None, *, keep: int) -> None:
    """Publish, withhold or leave, and tell it once."""
    if found is None:
        await store_feeds.built(tx.conn, profile, problems=(), rows=(), digest=None, now=tx.now)
        return
    built, verdict = found.built, found.verdict
    bad = verdict.outcome in ("blocked", "shrunk")
    digest = hashlib.sha256("\n".join((verdict.outcome, *verdict.problems)).encode()).hexdigest() if bad else None
    await store_feeds.built(tx.conn, profile, problems=verdict.problems, rows=built.problems, digest=digest, now=tx.now)
    if verdict.outcome == "publish":
        version = await store_feeds.add_version(tx.conn, profile, built, verdict.problems, tx.now, published=True)
        await tell_published(tx, profile, version, built.rows, built.sha256, keep=keep)
    elif verdict.outcome == "unchanged":
        await store_feeds.discard_withheld(tx.conn, profile)
        await _resume(tx, profile, (BLOCKED, SHRUNK), "the feed is what is published")
    elif bad:
        await _withhold(tx, profile, built, verdict, told=digest == profile.problems_sha256)


def subject_of(profile: Profile) -> str:
    """What is parked when a feed is withheld. The first feed that a connection could have goes by its id alone."""
    own = str(profile.connection_id)
    return own if profile.feed == CATALOGUE else f"{own}:{profile.feed}"


async def tell_published(tx: Tx, profile: Profile, version: int, rows: int, sha256: str, *, keep: int) -> None:
    """A version can be fetched from now on."""
    await store_feeds.set_published(tx.conn, profile, version, keep)
    tx.emit(
        FeedPublished(
            connection_id=profile.connection_id,
            feed=profile.feed,
            version=version,
            rows=rows,
            sha256=sha256,
            published_at=tx.now,
        ),
        key=profile.connection_id,
        cause=Cause(tenant=profile.tenant),
    )
    await _resume(tx, profile, (BLOCKED, SHRUNK), f"version {version} was published")


async def _withhold(tx: Tx, profile: Profile, built: Built, verdict: Verdict, *, told: bool) -> None:
    cause = BLOCKED if verdict.outcome == "blocked" else SHRUNK
    if cause == SHRUNK:
        waiting = await store_feeds.withheld(tx.conn, profile)
        if waiting is None or waiting["sha256"] != built.sha256:
            await store_feeds.add_version(tx.conn, profile, built, verdict.problems, tx.now, published=False)
    if told:
        return
    why = Cause(tenant=profile.tenant)
    tx.emit(
        FeedBlocked(connection_id=profile.connection_id, feed=profile.feed, rows=built.rows, problems=verdict.problems),
        key=profile.connection_id,
        cause=why,
    )
    other = SHRUNK if cause == BLOCKED else BLOCKED
    await _resume(tx, profile, (other,), "the feed is withheld for another reason")
    await park(
        tx,
        [
            Park(
                subject_kind="feed",
                subject_id=subject_of(profile),
                cause=cause,
                detail=f"A new version of the feed is withheld, the last one stays: {_first(verdict.problems)}",
                next_step=NEXT_STEPS[cause],
                event_key=str(profile.connection_id),
                why=why,
                connection_id=profile.connection_id,
                data={"feed": profile.feed, "problems": [each.view() for each in built.problems[:MAX_SHOWN]]},
            )
        ],
    )


def _first(problems: Sequence[str]) -> str:
    more = f" (and {len(problems) - 1} more)" if len(problems) > 1 else ""
    return problems[0][:300] + more


async def _resume(tx: Tx, profile: Profile, causes: Sequence[str], resolution: str, actor: str | None = None) -> None:
    ids = [parked_id_for(tx.service, "feed", subject_of(profile), cause) for cause in causes]
    await resume(tx, ids, resolution=resolution, actor=actor)
