"""What must be true before a connection goes live: pure.

A feed that nobody has accepted, templates with the wrong names and an account manager who was never asked are found out
by the first orders, or by there being none. What the hub can see it says itself; the rest a person says, by name.

Which items there are comes from the connector's manifest; a connector that declares none is asked by its capabilities.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from connector_kit.manifest import Capability, ChecklistItem, Manifest

FRESH = timedelta(hours=48)
"""Marketplaces fetch feeds several times a day; two days without is a feed that was taken out."""

FEED_ITEMS = (
    ChecklistItem(name="feed_complete", title="The feed is published without problems", check="feed_complete"),
    ChecklistItem(name="feed_fetched", title="The marketplace fetches the feed", check="feed_fetched"),
)
BY_CAPABILITY: Mapping[Capability, tuple[ChecklistItem, ...]] = {
    Capability.FEED: FEED_ITEMS,
    Capability.PRODUCTS: (
        ChecklistItem(name="products_taken", title="The last product file was taken whole", check="products_taken"),
    ),
    Capability.PUBLISH_OFFERS: (
        ChecklistItem(name="offers_listed", title="Offers are listed and none is refused", check="offers_listed"),
    ),
}


@dataclass(frozen=True, slots=True)
class Facts:
    """What the hub sees of a connection. `last_import_failed`: rows of the last product file, None without one."""

    feeds: int = 0
    published: int = 0
    feed_problems: int = 0
    last_fetched_at: datetime | None = None
    listed: int = 0
    refused: int = 0
    last_import_failed: int | None = None


@dataclass(frozen=True, slots=True)
class Standing:
    """Whether an item is done, and what that is said from."""

    done: bool
    detail: str


def items_of(manifest: Manifest, *, has_feed: bool) -> tuple[ChecklistItem, ...]:
    """The items of a connection, in order."""
    if manifest.go_live:
        return manifest.go_live
    found = {item.name: item for cap, items in BY_CAPABILITY.items() if cap in manifest.capabilities for item in items}
    if has_feed:
        found = {item.name: item for item in FEED_ITEMS} | found
    return tuple(found.values())


def stand(item: ChecklistItem, facts: Facts, ticks: Mapping[str, tuple[bool, str]], now: datetime) -> Standing:
    """How an item stands; `ticks` are what people said: item → (done, words)."""
    if item.check is None:
        done, words = ticks.get(item.name, (False, "nobody has said so yet"))
        return Standing(done, words)
    return CHECKS[item.check](facts, now)


def _feed_complete(facts: Facts, now: datetime) -> Standing:
    if not facts.feeds:
        return Standing(False, "no feed is set up; make one with PUT …/feeds/catalogue")
    if facts.feed_problems:
        return Standing(False, f"{facts.feed_problems} problem(s) stand against it")
    waiting = facts.feeds - facts.published
    return Standing(
        not waiting, f"{waiting} of {facts.feeds} feed(s) are not published yet" if waiting else "published"
    )


def _feed_fetched(facts: Facts, now: datetime) -> Standing:
    if facts.last_fetched_at is None:
        return Standing(False, "not every feed was ever fetched; give their addresses to the marketplace")
    ago = now - facts.last_fetched_at
    hours = int(ago.total_seconds() // 3600)
    return Standing(ago <= FRESH, f"fetched {hours} hour(s) ago")


def _offers_listed(facts: Facts, now: datetime) -> Standing:
    words = f"{facts.listed} listed, {facts.refused} refused"
    return Standing(facts.listed > 0 and facts.refused == 0, words)


def _products_taken(facts: Facts, now: datetime) -> Standing:
    if facts.last_import_failed is None:
        return Standing(False, "no product file has ended yet")
    return Standing(facts.last_import_failed == 0, f"{facts.last_import_failed} row(s) of the last file were not taken")


CHECKS = {
    "feed_complete": _feed_complete,
    "feed_fetched": _feed_fetched,
    "offers_listed": _offers_listed,
    "products_taken": _products_taken,
}


def ready(standings: Sequence[Standing]) -> bool:
    """Whether everything is done."""
    return all(each.done for each in standings)
