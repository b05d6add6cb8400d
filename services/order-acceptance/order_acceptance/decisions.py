"""Converging on decisions: decide everything that can be decided now, tell it, plan the answer, park what is held."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from uuid import UUID

import orjson

from connector_kit.discovery import connector
from connector_kit.http import Lane
from connector_kit.manifest import Manifest
from connector_kit.requests import AcceptLine, AnswerOrder
from hub_common.connections import Connection, load_connections
from hub_common.effects.model import PlannedEffect
from hub_common.parked import Park, park, resume
from hub_common.sku_links import load_links
from hub_common.tx import Tx
from hub_contracts.acceptances import DecidedBy, Decision, OrderAcceptanceDecided, OrderAccepted, OrderRefused
from hub_contracts.ids import effect_id_for, parked_id_for
from hub_contracts.orders import FulfilledBy
from order_acceptance import store
from order_acceptance.domain import Facts, Verdict, by_person, decide
from order_acceptance.store import StoredOrder

HELD = "acceptance_held"
REFUSED_ANSWER = "answer_rejected"


async def advance(tx: Tx, order_ids: Iterable[UUID]) -> None:
    """Decide these orders as far as the facts allow; deciding again what was held is what resumes it."""
    orders = await store.undecided(tx.conn, order_ids)
    orders = [o for o in orders if o.snapshot.fulfilled_by is FulfilledBy.SELLER and o.decided_by != "operator"]
    if not orders:
        return
    known = await load_connections(tx.conn, (o.snapshot.connection_id for o in orders))
    pairs = {(o.snapshot.connection_id, line.offer_sku) for o in orders for line in o.snapshot.lines}
    links = await load_links(tx.conn, pairs)
    shelf = await store.load_shelf(tx.conn, pairs)
    decided: list[tuple[StoredOrder, Connection, Verdict]] = []
    for order in orders:
        connection = known.get(order.snapshot.connection_id)
        if connection is None:
            continue  # its events come on another topic; deciding goes on when they arrive
        verdict = _judge(tx, order, connection, shelf, frozenset(sku for _, sku in links))
        if verdict.decision is Decision.ACCEPT:
            accepted = {line.line_id for line in verdict.lines if line.accepted}
            for line in order.snapshot.lines:
                if line.line_id in accepted:
                    shelf.take(order.snapshot.connection_id, line.offer_sku, line.quantity)
        decided.append((order, connection, verdict))
    await conclude(tx, decided, DecidedBy.POLICY)


def _judge(tx: Tx, order: StoredOrder, connection: Connection, shelf: store.Shelf, linked: frozenset[str]) -> Verdict:
    manifest = _manifest(connection)
    facts = Facts(
        now=tx.now,
        offers=shelf.view(order.snapshot.connection_id),
        linked_skus=linked,
        pass_through=connection.data.settings.sku.link_mode == "pass_through",
        line_acceptance=manifest.orders.line_acceptance,
        address_shown=manifest.orders.address_before_acceptance,
    )
    return decide(order.snapshot, connection.data.settings.acceptance, facts)


def _manifest(connection: Connection) -> Manifest:
    return connector(connection.data.connector).manifest


async def conclude(
    tx: Tx,
    decided: Sequence[tuple[StoredOrder, Connection, Verdict]],
    by: DecidedBy,
    *,
    actor: str | None = None,
) -> None:
    """Write decisions down, tell them, plan answers and park what is held. A repeated hold is told only once."""
    rows = []
    holds: list[Park] = []
    resumed: list[UUID] = []
    for order, connection, verdict in decided:
        rules = orjson.dumps([rule.model_dump() for rule in verdict.rules]).decode()
        rows.append((order.order_id, verdict.decision, by.value, tx.now, rules))
        repeated = verdict.decision is Decision.HOLD and order.decision is Decision.HOLD and by is DecidedBy.POLICY
        if not repeated:
            _tell(tx, order, connection, verdict, by, actor)
        if verdict.decision is Decision.HOLD:
            holds.append(_hold(order, verdict))
        else:
            resumed.append(parked_id_for(tx.service, "order", str(order.order_id), HELD))
            _answer(tx, order, connection, verdict)
    await store.record_decisions(tx.conn, rows)
    await park(tx, holds)
    await resume(tx, resumed, resolution="decided", actor=actor)


def _tell(
    tx: Tx, order: StoredOrder, connection: Connection, verdict: Verdict, by: DecidedBy, actor: str | None
) -> None:
    tx.emit(
        OrderAcceptanceDecided(
            order_id=order.order_id,
            connection_id=order.snapshot.connection_id,
            is_test=order.snapshot.is_test,
            decision=verdict.decision,
            decided_by=by,
            actor=actor,
            reason=verdict.reason,
            lines=verdict.lines,
            rules=verdict.rules,
            losing_options=verdict.losing_options,
            policy_version=connection.version,
            accept_by=order.accept_by,
        ),
        key=order.order_id,
        cause=order.cause,
    )


def _hold(order: StoredOrder, verdict: Verdict) -> Park:
    return Park(
        subject_kind="order",
        subject_id=str(order.order_id),
        cause=HELD,
        detail=f"Order {order.snapshot.order_number}: {verdict.reason}",
        next_step="Accept or refuse it, or mend what failed (stock, SKU link, price): it is then decided again.",
        event_key=str(order.order_id),
        why=order.cause,
        order_id=order.order_id,
        connection_id=order.snapshot.connection_id,
        is_test=order.snapshot.is_test,
        due_at=order.accept_by,
    )


def _answer(tx: Tx, order: StoredOrder, connection: Connection, verdict: Verdict) -> None:
    """Plan the answer to the marketplace; a test order has no marketplace and is confirmed here."""
    accept = verdict.decision is Decision.ACCEPT
    kind = "accept" if accept else "refuse"
    natural_key = f"{kind}:{order.snapshot.connection_id}:{order.snapshot.marketplace_reference}"
    if order.snapshot.is_test:
        _confirm_test(tx, order, verdict, natural_key)
        return
    lines = tuple(AcceptLine(line_id=line.line_id, accepted=line.accepted) for line in verdict.lines)
    tx.plan(
        PlannedEffect(
            kind=kind,
            natural_key=natural_key,
            connection_id=order.snapshot.connection_id,
            credential_ref=connection.data.credential_ref,
            request=AnswerOrder(order_reference=order.snapshot.marketplace_reference, lines=lines),
            cause=order.cause,
            order_key=f"answer:{order.order_id}",
            lane=Lane.DEADLINE,
            order_id=order.order_id,
            deadline=order.accept_by,
            context={"reason": verdict.reason, "releases": _manifest(connection).orders.releases_on_accept},
        )
    )


def _confirm_test(tx: Tx, order: StoredOrder, verdict: Verdict, natural_key: str) -> None:
    common = {
        "order_id": order.order_id,
        "connection_id": order.snapshot.connection_id,
        "is_test": True,
        "effect_id": effect_id_for(natural_key),
        "confirmed_by": "test",
    }
    if verdict.decision is Decision.ACCEPT:
        tx.emit(OrderAccepted(lines=verdict.lines, released=True, **common), key=order.order_id, cause=order.cause)
    else:
        tx.emit(OrderRefused(reason=verdict.reason, **common), key=order.order_id, cause=order.cause)


async def decide_by_hand(
    tx: Tx,
    order: StoredOrder,
    decision: Decision,
    refused_lines: Sequence[str],
    reason: str,
    by: DecidedBy,
    actor: str | None,
) -> None:
    """A person's or the last resort's decision. Raises `ValueError` naming what is wrong with it."""
    known = await load_connections(tx.conn, [order.snapshot.connection_id])
    connection = known[order.snapshot.connection_id]
    if refused_lines and not _manifest(connection).orders.line_acceptance:
        raise ValueError("refused_lines: this marketplace accepts or refuses whole orders only")
    verdict = by_person(order.snapshot, decision, refused_lines, reason, by)
    await conclude(tx, [(order, connection, verdict)], by, actor=actor)
