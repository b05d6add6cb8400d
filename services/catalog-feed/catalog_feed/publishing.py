"""Plans what marketplaces are told about whole offers: newest statement wins, equal ones never go twice, and an offer
with a dated discount is stated again at the instant at which the discount begins or ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID

from catalog_feed import store_listings
from catalog_feed.desk import why_not
from catalog_feed.listings import (
    LISTED,
    REJECTED,
    counted_warning,
    newer_price_warning,
    next_boundary,
    next_version,
    state_while,
    to_send,
)
from catalog_feed.store_listings import Count, Listing, Pair
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import Lane
from connector_kit.manifest import Capability
from connector_kit.offers import Problem, PublishOffer, ReleaseOffer
from hub_common.connections import Connection, load_connections
from hub_common.effects.model import PlannedEffect
from hub_common.transactions import Transactions
from hub_common.tx import Cause, Tx

PUBLISH, RELEASE = "publish_offer", "release_offer"
BATCH = 500
LOOK_AGAIN = timedelta(minutes=10)
"""A connection that may not send now may soon: an instant that passed meanwhile is made up for then."""


def order_key(connection_id: UUID, offer_sku: str) -> str:
    """What is told about one offer is told strictly one after the other, whatever it is."""
    return f"listing:{connection_id}:{offer_sku}"


@dataclass(frozen=True, slots=True)
class Statement:
    """What became of one stated offer. `sent` False: the marketplace was told the same before."""

    offer_sku: str
    version: int
    effect_id: UUID
    sent: bool
    warnings: tuple[Problem, ...] = ()


async def state_offers(
    tx: Tx,
    connection: Connection,
    requests: Sequence[PublishOffer],
    warnings: Mapping[str, Sequence[Problem]],
    login: str,
    *,
    again: bool = False,
) -> list[Statement]:
    """Write statements down and plan them, one per SKU. `again`: also those that were told already."""
    own = connection.connection_id
    await store_listings.take_turns(tx.conn, own)
    before = await store_listings.listings(tx.conn, own, [request.offer_sku for request in requests])
    counts = await _counts(tx, connection, [request.offer_sku for request in requests])
    told: list[Statement] = []
    fresh: list[Listing] = []
    for request in requests:
        sku, last = request.offer_sku, before.get(request.offer_sku)
        if last is not None and last.request == request and last.state != REJECTED and not again:
            told.append(Statement(sku, last.version, last.effect_id, sent=False))
            continue
        found = list(warnings.get(sku, ()))
        counted = (own, sku) in counts
        if counted and request.quantity is not None:
            found.append(counted_warning(sku))
        version = next_version(last.version if last else 0, tx.now)
        effect = _effect(tx, connection, request, version, counted=counted, again=False)
        tx.plan(effect)
        fresh.append(
            Listing(
                connection_id=own,
                offer_sku=sku,
                tenant=connection.tenant,
                request=request,
                version=version,
                state=state_while(request),
                effect_id=effect.effect_id,
                problems=tuple(problem.model_dump(mode="json") for problem in found),
                stated_at=tx.now,
                stated_by=login,
                resend_at=next_boundary(request, tx.now),
            )
        )
        told.append(Statement(sku, version, effect.effect_id, sent=True, warnings=tuple(found)))
    await store_listings.save(tx.conn, fresh)
    return told


async def _counts(tx: Tx, connection: Connection, skus: Sequence[str]) -> dict[Pair, Count]:
    """The offers whose stock the hub counts and sends by itself."""
    if not connection.data.settings.stock.push_stock:
        return {}
    environment = connection.data.environment.value
    return await store_listings.counts(tx.conn, [(connection.connection_id, sku, environment) for sku in skus])


def _effect(
    tx: Tx, connection: Connection, request: PublishOffer, version: int, *, counted: bool, again: bool
) -> PlannedEffect:
    line = f"{PUBLISH}:{connection.connection_id}:{request.offer_sku}"
    return PlannedEffect(
        kind=PUBLISH,
        natural_key=f"{line}:{version}",
        connection_id=connection.connection_id,
        credential_ref=connection.data.credential_ref,
        request=to_send(request, counted=counted, again=again),
        cause=Cause(tenant=connection.tenant),
        order_key=order_key(connection.connection_id, request.offer_sku),
        supersede_key=line,
        lane=Lane.STOCK,
        context={
            "version": version,
            "counted": counted and not request.withdraw,
            "environment": connection.data.environment.value,
        },
    )


class Boundaries:
    """The duty that states offers again when a discount of theirs begins or ends: not every marketplace keeps dates,
    and one that does shows the same afterwards as before."""

    def __init__(self, transactions: Transactions) -> None:
        self._transactions = transactions

    async def step(self) -> bool:
        """Plan what is due; False when nothing was."""
        async with self._transactions.begin() as tx:
            due = await store_listings.due(tx.conn, tx.now, BATCH)
            if not due:
                return False
            connections = await load_connections(tx.conn, {listing.connection_id for listing in due})
            counts = await store_listings.counts(
                tx.conn,
                [
                    (listing.connection_id, listing.offer_sku, known.data.environment.value)
                    for listing in due
                    if (known := connections.get(listing.connection_id)) is not None
                ],
            )
            changed = [
                _again(tx, listing, connections.get(listing.connection_id), counts.get(_pair(listing)))
                for listing in due
            ]
            await store_listings.save(tx.conn, changed)
        return True


def _pair(listing: Listing) -> Pair:
    return listing.connection_id, listing.offer_sku


def _again(tx: Tx, listing: Listing, connection: Connection | None, count: Count | None) -> Listing:
    """Plan the offer anew unless the connection may not send, or the shop has stated another price since."""
    if connection is None or _obstacle(connection):
        return replace(listing, resend_at=tx.now + LOOK_AGAIN)
    stock = connection.data.settings.stock
    priced_at = count.priced_at if count is not None and stock.push_price else None
    if priced_at is not None and priced_at > listing.stated_at:
        note = newer_price_warning(listing.offer_sku).model_dump(mode="json")
        return replace(listing, resend_at=None, problems=(*listing.problems, note))
    version = next_version(listing.version, tx.now)
    counted = count is not None and stock.push_stock
    effect = _effect(tx, connection, listing.request, version, counted=counted, again=True)
    tx.plan(effect)
    return replace(
        listing,
        version=version,
        effect_id=effect.effect_id,
        state=listing.state if listing.state == LISTED else state_while(listing.request),
        resend_at=next_boundary(listing.request, tx.now),
    )


def _obstacle(connection: Connection) -> str:
    try:
        return why_not(connection, connector(connection.data.connector).manifest, Capability.PUBLISH_OFFERS)
    except UnknownConnector:
        return "the connector is not installed"


async def release_offers(
    tx: Tx, connection: Connection, skus: Sequence[str], fields: Sequence[str], login: str
) -> list[tuple[str, UUID, int]]:
    """Let the marketplace's feed overwrite these values of these offers again."""
    own = connection.connection_id
    await store_listings.take_turns(tx.conn, own)
    before = await store_listings.release_versions(tx.conn, own, skus)
    planned: list[tuple[str, UUID, int]] = []
    for sku in dict.fromkeys(skus):
        version = next_version(before.get(sku, 0), tx.now)
        line = f"{RELEASE}:{own}:{sku}"
        effect = PlannedEffect(
            kind=RELEASE,
            natural_key=f"{line}:{version}",
            connection_id=own,
            credential_ref=connection.data.credential_ref,
            request=ReleaseOffer.model_validate({"offer_sku": sku, "fields": tuple(fields)}),
            cause=Cause(tenant=connection.tenant),
            order_key=order_key(own, sku),
            supersede_key=line,
            lane=Lane.STOCK,
            context={"version": version},
        )
        tx.plan(effect)
        planned.append((sku, effect.effect_id, version))
    await store_listings.save_releases(tx.conn, own, fields, planned, tx.now, login)
    return planned
