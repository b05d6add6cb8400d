"""One page of what a marketplace shows, compared and written down in one transaction.

Read outside, compared inside: what the hub believes is taken as it is at that moment, and what changed since the page
was asked for is not judged.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from connector_kit.offers import MarketplaceOffer
from hub_common.connections import Connection
from hub_common.parked import Park, park
from hub_common.tx import Cause, Tx
from hub_contracts.orders import OrderSnapshot
from hub_contracts.reconciliations import DifferenceKind
from reconciliation import domain, offers, store, store_differences, store_rounds
from reconciliation.domain import Import, Rules
from reconciliation.life import Difference, Sighting, Step, agreed, shown
from reconciliation.offers import Pushing
from reconciliation.steps import ORDER_KINDS, Finding
from reconciliation.store import HeldOrder

MISMATCH = "environment_mismatch"


@dataclass(frozen=True, slots=True)
class Desk:
    """Everything that one page is compared with: the connection, the round it belongs to, the rules."""

    connection: Connection
    sight: Sighting
    rules: Rules

    @property
    def imports(self) -> Import:
        """Which orders the hub takes in."""
        data = self.connection.data
        wanted = data.settings.orders
        return Import(wanted.import_from or data.activated_at, data.activated_at, frozenset(wanted.statuses))


@dataclass(slots=True)
class Tally:
    """What a page brought."""

    seen: int = 0
    compared: int = 0
    unsettled: int = 0


@dataclass(slots=True)
class _Judged:
    """Findings per subject of a page: what was looked at, and what does not agree."""

    looked_at: dict[UUID | str, frozenset[DifferenceKind]] = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    traces: dict[UUID, str | None] = field(default_factory=dict)


async def compare_orders(
    tx: Tx, desk: Desk, seen: Sequence[OrderSnapshot], gone: Sequence[tuple[UUID, str]] = ()
) -> Tally:
    """Compare orders that were read. `gone`: asked for by their reference and not known there (order, reference)."""
    tally, judged = Tally(seen=len(seen) + len(gone)), _Judged()
    latest = {order.order_id: order for order in seen}
    held = await store.beliefs(tx.conn, [*latest, *(order_id for order_id, _ in gone)])
    await _park_strangers(tx, desk, held)
    for order_id, order in latest.items():
        _judge(desk, order_id, order, held.get(order_id), judged, tally)
    for order_id, _ in gone:
        _judge_gone(desk, order_id, held.get(order_id), judged, tally)
    tally.compared = sum(isinstance(key, UUID) and key in held for key in judged.looked_at)
    await store_rounds.mark_orders(
        tx.conn,
        list(held),
        [key for key in judged.looked_at if isinstance(key, UUID)],
        desk.sight.round,
        desk.rules.at,
    )
    known = await store_differences.live(
        tx.conn, desk.connection.connection_id, orders=[*latest, *(order_id for order_id, _ in gone)]
    )
    await _write(tx, desk, known, judged)
    return tally


def _judge(
    desk: Desk, order_id: UUID, order: OrderSnapshot, held: HeldOrder | None, judged: _Judged, tally: Tally
) -> None:
    if held is None:
        if domain.young(order, desk.rules):
            return
        judged.looked_at[order_id] = ORDER_KINDS
        if domain.expected_here(order, desk.imports):
            judged.findings.append(domain.missing(order))
        return
    if not _ours(desk, held):
        return
    if not domain.settled(held.belief, order.marketplace_updated_at, desk.rules):
        tally.unsettled += 1
        return
    judged.looked_at[order_id], judged.traces[order_id] = ORDER_KINDS, held.traceparent
    judged.findings += domain.compare_order(held.belief, order)


def _judge_gone(desk: Desk, order_id: UUID, held: HeldOrder | None, judged: _Judged, tally: Tally) -> None:
    if held is None:  # seen there once, never here, and no longer there: nothing is left to disagree about
        judged.looked_at[order_id] = ORDER_KINDS
    elif _ours(desk, held) and domain.settled(held.belief, None, desk.rules):
        judged.looked_at[order_id] = ORDER_KINDS
        judged.findings.append(domain.vanished(held.belief.snapshot))
    else:
        tally.unsettled += 1


def _ours(desk: Desk, held: HeldOrder) -> bool:
    """Test orders exist at no marketplace; orders of the other environment are none of this account's."""
    return not held.is_test and held.environment == desk.connection.data.environment


async def _park_strangers(tx: Tx, desk: Desk, held: dict[UUID, HeldOrder]) -> None:
    environment = desk.connection.data.environment
    await park(
        tx,
        [
            Park(
                subject_kind="order",
                subject_id=str(order_id),
                cause=MISMATCH,
                detail=f"Order {each.belief.snapshot.marketplace_reference} is of the {each.environment} environment, "
                f"its connection is {environment}; it is not compared.",
                next_step="The connection's environment was changed after orders came in. Make a connection of its own "
                "for each environment.",
                event_key=str(order_id),
                why=Cause(desk.connection.tenant, traceparent=each.traceparent),
                order_id=order_id,
                connection_id=desk.connection.connection_id,
                is_test=each.is_test,
            )
            for order_id, each in held.items()
            if each.environment != environment
        ],
    )


async def compare_offers(
    tx: Tx, desk: Desk, seen: Sequence[MarketplaceOffer], pushing: Pushing, gone: Sequence[str] = ()
) -> Tally:
    """Compare offers that were read. `gone`: asked for by SKU and not shown."""
    tally, judged = Tally(seen=len(seen) + len(gone)), _Judged()
    latest: dict[str, MarketplaceOffer | None] = dict.fromkeys(gone)
    latest |= {offer.offer_sku: offer for offer in seen}
    connection_id = desk.connection.connection_id
    held = await store.offer_beliefs(tx.conn, connection_id, latest)
    for sku, belief in held.items():
        if not belief.sold_there:
            continue
        if not offers.settled(belief, desk.rules):
            tally.unsettled += 1
            continue
        compared = offers.compare_offer(belief, latest[sku], pushing, desk.rules.at)
        judged.looked_at[sku] = compared.kinds
        judged.findings += compared.findings
    tally.compared = len(judged.looked_at)
    done = [key for key in judged.looked_at if isinstance(key, str)]
    await store_rounds.mark_offers(tx.conn, connection_id, list(held), done, desk.sight.round, desk.rules.at)
    await _write(tx, desk, await store_differences.live(tx.conn, connection_id, skus=list(latest)), judged)
    return tally


async def _write(tx: Tx, desk: Desk, known: dict[UUID, Difference], judged: _Judged) -> None:
    """Bring the differences of what was looked at to what was found, and tell what changed."""
    steps: list[tuple[UUID, Step]] = []
    found = {finding.difference_id: finding for finding in judged.findings}
    for difference_id, finding in found.items():
        trace = judged.traces.get(finding.order_id) if finding.order_id else None
        steps.append((difference_id, shown(known.get(difference_id), finding, desk.sight, trace)))
    for difference_id, row in known.items():
        subject: UUID | str | None = row.order_id or row.offer_sku
        looked_at = judged.looked_at.get(subject, frozenset()) if subject is not None else frozenset()
        if difference_id not in found and row.kind in looked_at:
            steps.append((difference_id, agreed(row, desk.sight)))
    await write_steps(tx, steps)


async def write_steps(tx: Tx, steps: Sequence[tuple[UUID, Step]]) -> None:
    """Write down what became of differences and tell it."""
    rows = [step.row for _, step in steps if step.row is not None]
    await store_differences.save(tx.conn, rows, [key for key, step in steps if step.row is None])
    for row, event in [(step.row, step.event) for _, step in steps]:
        if row is not None and event is not None:
            tx.emit(event, key=row.key, cause=Cause(row.tenant, traceparent=row.traceparent))
