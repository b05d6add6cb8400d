"""Everything about some orders on one desk, inside one transaction: what is decided is written once, at the end.

Refunds of one order go to the marketplace one after the other: when an answer is lost, the refunds that the
marketplace shows are compared with those known before, and that list must hold every earlier refund of ours.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID, uuid5

from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import Lane
from connector_kit.manifest import Capability, Manifest
from connector_kit.requests import RefundLineRequest, RefundOrder, RefundTax
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.effects.model import PlannedEffect
from hub_common.tx import Cause, Tx
from hub_contracts.ids import effect_id_for, refund_id_for
from hub_contracts.refunds import RefundConfirmed, RefundLine, RefundRequested
from refund_service import store, store_reasons, store_work
from refund_service.domain import Ask, Order
from refund_service.domain_observed import OwnRefund, corrections
from refund_service.domain_returns import Rules
from refund_service.money import Sums
from refund_service.store import Books, Entry
from refund_service.store_reasons import Codes
from refund_service.store_work import StoredRefund, sums_of

TEST = "test"


def order_key(order_id: UUID) -> str:
    """Whatever concerns an order's money is done strictly one after the other."""
    return f"refund:{order_id}"


def natural_key(order: Order, refund_id: UUID) -> str:
    """The effect that asks the marketplace for a refund."""
    return f"refund:{order.connection_id}:{order.reference}:{refund_id}"


def request_lines(asks: Iterable[Ask]) -> tuple[RefundLineRequest, ...]:
    """Asks in the words of the connector."""
    return tuple(
        RefundLineRequest(
            line_id=ask.line_id,
            offer_sku=ask.offer_sku,
            quantity=ask.sums.quantity,
            amount=ask.sums.amount,
            shipping_amount=ask.sums.shipping,
            reason_code=ask.reason_code,
            taxes=tuple(RefundTax(code=tax.code, amount=tax.amount) for tax in ask.taxes),
            shipping_taxes=tuple(RefundTax(code=tax.code, amount=tax.amount) for tax in ask.shipping_taxes),
        )
        for ask in asks
    )


def event_lines(lines: Sequence[RefundLineRequest]) -> tuple[RefundLine, ...]:
    """The same in the words of the events."""
    return tuple(
        RefundLine(
            line_id=line.line_id,
            quantity=line.quantity,
            amount=line.amount,
            shipping_amount=line.shipping_amount,
            reason_code=line.reason_code,
        )
        for line in lines
    )


@dataclass(slots=True)
class Desk:
    """Orders with their ledgers, refunds, connections and reason codes, and what is to be written."""

    tx: Tx
    orders: dict[UUID, Order]
    books: Books
    refunds: dict[UUID, list[StoredRefund]]
    connections: dict[UUID, Connection]
    codes: dict[UUID, Codes]
    cancelling: set[UUID]
    """Orders with a cancellation on its way: a second one must see what the first one did."""
    new: list[StoredRefund] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    states: dict[UUID, tuple[str, str]] = field(default_factory=dict)
    """Where returns and cancellations stand: state and note."""
    sent: dict[UUID, UUID] = field(default_factory=dict)
    """Effects of cancellations that go out."""

    def manifest(self, order: Order) -> Manifest | None:
        """The manifest of the order's connector, None while the connection is unknown or its connector missing."""
        connection = self.connections.get(order.connection_id)
        if connection is None:
            return None
        try:
            return connector(connection.data.connector).manifest
        except UnknownConnector:
            return None

    def can(self, order: Order, capability: Capability) -> bool:
        """Whether the connector has the capability and the connection uses it."""
        manifest = self.manifest(order)
        off = self.connections[order.connection_id].data.settings.capabilities_off if manifest else ()
        return manifest is not None and supports(manifest, off, capability)

    def rules(self, order: Order) -> Rules:
        """The rules for refunds of this order, whose connection must be known."""
        manifest = self.manifest(order)
        able = manifest is not None and self.can(order, Capability.REFUND)
        codes = self.codes.get(order.connection_id) if self.can(order, Capability.REASONS) else None
        return Rules(
            settings=self.connections[order.connection_id].data.settings.refunds,
            level=manifest.orders.refund_level if manifest is not None and able else "none",
            refund_codes=codes.refund if codes else None,
        )

    def cancel_codes(self, order: Order) -> frozenset[str] | None:
        """Codes for cancelling, None where none are listed or known."""
        codes = self.codes.get(order.connection_id) if self.can(order, Capability.REASONS) else None
        return codes.cancellation if codes else None

    def asked_for(self, order_id: UUID, return_id: UUID) -> dict[str, Sums]:
        """What was asked for a return by line, rejected or not: a return is refunded once."""
        asked: dict[str, Sums] = defaultdict(Sums)
        for refund in self.refunds[order_id]:
            if refund.return_id == return_id:
                for line in refund.lines:
                    asked[line.line_id] += sums_of(line)
        return dict(asked)

    def next_refund_id(self, order_id: UUID, return_id: UUID) -> UUID:
        """Derived, so that a rebuilt service names its refunds the same; a return may need several."""
        count = sum(refund.return_id == return_id for refund in self.refunds[order_id])
        return refund_id_for(order_id, uuid5(return_id, str(count)) if count else return_id)

    def request(
        self,
        order: Order,
        asks: Sequence[Ask],
        *,
        refund_id: UUID,
        return_id: UUID | None,
        refund_shipping: bool,
        requested_by: str,
        at: datetime,
        cause: Cause,
        is_test: bool,
    ) -> StoredRefund:
        """Enter a refund in the ledger and tell it. It goes out when no other refund of the order is on its way."""
        lines = request_lines(asks)
        refund = StoredRefund(
            refund_id=refund_id,
            order_id=order.order_id,
            connection_id=order.connection_id,
            return_id=return_id,
            tenant=order.tenant,
            is_test=is_test,
            state=store_work.QUEUED,
            currency=order.currency,
            lines=lines,
            refund_shipping=refund_shipping and any(line.shipping_amount for line in lines),
            requested_by=requested_by,
            requested_at=at,
            traceparent=cause.traceparent,
            causation_id=cause.causation_id,
        )
        self.refunds[order.order_id].append(refund)
        self.new.append(refund)
        book = self.books.of(order.order_id)
        for line in lines:
            book[line.line_id] = book[line.line_id].with_request(sums_of(line))
        self.entries += entries_of(refund, store.REQUESTED, at)
        self.tx.emit(
            RefundRequested(
                refund_id=refund_id,
                order_id=order.order_id,
                connection_id=order.connection_id,
                is_test=is_test,
                return_id=return_id,
                currency=order.currency,
                lines=event_lines(lines),
                refund_shipping=refund.refund_shipping,
                requested_by=requested_by,
                requested_at=at,
            ),
            key=order.order_id,
            cause=cause,
        )
        return refund

    async def flush(self) -> None:
        """Write everything down and send what can go now."""
        conn = self.tx.conn
        await store_work.insert_refunds(conn, self.new)
        tests = [refund for refund in self.new if refund.is_test]
        await self._confirm_tests(tests)
        await store.append(conn, self.entries, self.tx.now)
        await self.dispatch()
        self.new, self.entries = [], []

    async def _confirm_tests(self, refunds: Sequence[StoredRefund]) -> None:
        """A test order has no marketplace: its refunds are confirmed here."""
        rows = [(refund.refund_id, store_work.CONFIRMED, (), TEST, "") for refund in refunds]
        ended = await store_work.settle_refunds(self.tx.conn, rows, self.tx.now) if rows else []
        for refund in ended:
            self.entries += entries_of(refund, store.CONFIRMED, self.tx.now)
            effect_id = effect_id_for(natural_key(self.orders[refund.order_id], refund.refund_id))
            self.tx.emit(confirmed(refund, effect_id, (), TEST), key=refund.order_id, cause=refund.cause)
            self._replace(refund)

    def _replace(self, ended: StoredRefund) -> None:
        known = self.refunds[ended.order_id]
        self.refunds[ended.order_id] = [ended if each.refund_id == ended.refund_id else each for each in known]

    async def dispatch(self) -> None:
        """Send the oldest queued refund of each order on whose behalf none is on its way."""
        heads = [head for refunds in self.refunds.values() if (head := _head(refunds)) is not None]
        heads = [head for head in heads if head.connection_id in self.connections]
        if not heads:
            return
        shown = await store.load_observed(self.tx.conn, [head.order_id for head in heads])
        marked: list[tuple[UUID, UUID | None]] = []
        for head in heads:
            references = {each.refund_reference for each in shown[head.order_id][1]}
            effect = self._effect(head, references)
            if self.tx.plan(effect):
                marked.append((head.refund_id, effect.effect_id))
        await store_work.mark_asked(self.tx.conn, marked)

    def _effect(self, refund: StoredRefund, shown: set[str]) -> PlannedEffect:
        order = self.orders[refund.order_id]
        ours = {reference for each in self.refunds[refund.order_id] for reference in each.references}
        return PlannedEffect(
            kind="refund",
            natural_key=natural_key(order, refund.refund_id),
            connection_id=order.connection_id,
            credential_ref=self.connections[order.connection_id].data.credential_ref,
            request=RefundOrder(
                order_reference=order.reference,
                refund_id=refund.refund_id,
                currency=order.currency,
                tax_mode=order.tax_mode,
                lines=refund.lines,
                refund_shipping=refund.refund_shipping,
                known_refunds=tuple(sorted(shown | ours)),
            ),
            cause=refund.cause,
            order_key=order_key(order.order_id),
            lane=Lane.LIVE,
            order_id=order.order_id,
        )


def _head(refunds: Sequence[StoredRefund]) -> StoredRefund | None:
    if any(refund.state == store_work.ASKED for refund in refunds):
        return None
    return next((refund for refund in refunds if refund.state == store_work.QUEUED), None)


def entries_of(refund: StoredRefund, kind: str, at: datetime) -> list[Entry]:
    """The ledger's entries for one step of a refund."""
    return [
        Entry(refund.order_id, line.line_id, kind, sums_of(line), refund.currency, at, refund.refund_id)
        for line in refund.lines
    ]


def confirmed(refund: StoredRefund, effect_id: UUID, references: Sequence[str], by: str) -> RefundConfirmed:
    """The event that a refund took place."""
    return RefundConfirmed(
        refund_id=refund.refund_id,
        order_id=refund.order_id,
        connection_id=refund.connection_id,
        is_test=refund.is_test,
        effect_id=effect_id,
        currency=refund.currency,
        lines=event_lines(refund.lines),
        refund_references=tuple(references),
        confirmed_by=by,
    )


async def open_desk(tx: Tx, order_ids: Iterable[UUID]) -> Desk:
    """Lock these orders and read everything about them, in a fixed number of statements."""
    ids = list(dict.fromkeys(order_ids))
    await store.lock(tx.conn, ids)
    orders = await store.load_orders(tx.conn, ids)
    refunds: dict[UUID, list[StoredRefund]] = defaultdict(list)
    for refund in await store_work.refunds_of_orders(tx.conn, ids):
        refunds[refund.order_id].append(refund)
    connection_ids = {order.connection_id for order in orders.values()}
    return Desk(
        tx=tx,
        orders=orders,
        books=await store.load_books(tx.conn, ids),
        refunds=refunds,
        connections=await load_connections(tx.conn, connection_ids),
        codes=await store_reasons.load_codes(tx.conn, connection_ids),
        cancelling=await store_work.cancelling(tx.conn, ids),
    )


async def balance_ledger(tx: Tx, order_ids: Sequence[UUID]) -> None:
    """Bring the ledger in line with what the marketplace shows: what was paid, and what others gave back."""
    if not order_ids:
        return
    desk = await open_desk(tx, order_ids)
    shown = await store.load_observed(tx.conn, list(desk.orders))
    for order in desk.orders.values():
        at, observed = shown[order.order_id]
        for line in order.lines.values():
            paid = desk.books.of(order.order_id).get(line.line_id)
            bought = Sums(line.quantity, line.line_price, line.shipping_price)
            change = bought - paid.paid if paid else bought
            if change:
                desk.entries.append(Entry(order.order_id, line.line_id, store.PAID, change, order.currency, at))
        own = [
            OwnRefund(refund.references, tuple((line.line_id, sums_of(line)) for line in refund.lines))
            for refund in desk.refunds[order.order_id]
            if refund.state in (store_work.ASKED, store_work.CONFIRMED)
        ]
        recorded = desk.books.observed.get(order.order_id, {})
        for (reference, line_id), sums in corrections(observed, own, recorded).items():
            entry = Entry(order.order_id, line_id, store.OBSERVED, sums, order.currency, at, reference=reference)
            desk.entries.append(entry)
    await store.append(tx.conn, desk.entries, tx.now)
