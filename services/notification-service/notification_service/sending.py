"""The ledger of messages: claimed and committed before they go out, recorded after, passed on when a channel fails.

The effects of `hub_common` are changes at a connection, with its credentials, budgets and probes; a message to people
has none of these. The rules are the same but one: a message in doubt is sent again, because twice is better than never.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

import orjson

from hub_common.crypto import SealError
from hub_common.database import Conn
from hub_common.parked import Park, park, resume
from hub_common.runtime import Runtime
from hub_common.tx import Cause, Tx
from hub_contracts.connections import SealedCredentials
from notification_service import store
from notification_service.channels import Channels, Message
from notification_service.domain import Channel, Delivery, Result, next_channel
from notification_service.gauges import Gauges
from notification_service.planning import add_notes
from notification_service.render import Line

if TYPE_CHECKING:
    from pydantic import SecretStr

    from notification_service.store import Row

AT_ONCE = 8
FLIGHT_SECONDS = 60.0
"""Longer than any channel's time-out: after that the process that sent is dead, and the message goes again."""
FIRST_SECONDS, LONGEST_SECONDS, LONGEST_URGENT_SECONDS = 10.0, 1800.0, 60.0
MAX_ATTEMPTS = 40
"""Some sixteen hours of half-hourly attempts."""
PATIENCE = 3
"""Failed attempts before what can wait is told to somebody else as well. What is urgent is passed on at the first."""
UNDELIVERED = "notification_undelivered"

CLAIM = """
WITH due AS (
    SELECT sending_id FROM sendings WHERE settled_at IS NULL AND next_at <= $1
    ORDER BY urgent DESC, created_at LIMIT $2 FOR UPDATE SKIP LOCKED
)
UPDATE sendings s SET state = 'IN_FLIGHT', attempts = attempts + 1, next_at = $1 + $3::float * interval '1 s'
FROM due WHERE s.sending_id = due.sending_id RETURNING s.*
"""

LINES = """
SELECT s.sending_id, n.*, o.order_number, c.body->>'label' AS label, c.body->>'connector' AS connector,
       c.body->>'environment' AS environment
FROM notes s JOIN notices n USING (notice_id) LEFT JOIN orders o USING (order_id)
LEFT JOIN connections c ON c.connection_id = n.connection_id
WHERE s.sending_id = ANY($1)
"""

SETTLE = """
UPDATE sendings SET state = $3, error = $4, next_at = $5, settled_at = $6, passed_on = passed_on OR $7
WHERE sending_id = $1 AND attempts = $2 AND settled_at IS NULL RETURNING sending_id
"""


class Sender:
    """The duty that sends what was written down."""

    def __init__(self, runtime: Runtime, gauges: Gauges) -> None:
        self._runtime = runtime
        self._channels = Channels(runtime)
        self._gauges = gauges

    async def step(self) -> bool:
        """Send what is due; True when there was any."""
        now = self._runtime.clock.now()
        rows = await self._runtime.pool.fetch(CLAIM, now, AT_ONCE, FLIGHT_SECONDS)
        if not rows:
            return False
        messages = await self._messages(rows)
        await asyncio.gather(*(self._one(row, messages.get(row["sending_id"])) for row in rows))
        return True

    async def _messages(self, rows: Sequence[Row]) -> dict[UUID, Message]:
        ids = [row["subscription_id"] for row in rows]
        found = await self._runtime.pool.fetch("SELECT * FROM subscriptions WHERE subscription_id = ANY($1)", ids)
        subscriptions = {row["subscription_id"]: row for row in found if row["active"]}
        lines: dict[UUID, list[Line]] = defaultdict(list)
        for line in await self._runtime.pool.fetch(LINES, [row["sending_id"] for row in rows]):
            lines[line["sending_id"]].append(
                Line(
                    store.notice_of(line),
                    line["order_number"],
                    line["label"] or "",
                    line["connector"] or "",
                    line["environment"] or "",
                )
            )
        return {
            row["sending_id"]: self._message(row, subscriptions[row["subscription_id"]], lines[row["sending_id"]])
            for row in rows
            if row["subscription_id"] in subscriptions and (lines[row["sending_id"]] or row["is_trial"])
        }

    def _message(self, row: Row, subscription: Row, lines: Sequence[Line]) -> Message:
        return Message(
            sending_id=row["sending_id"],
            subscription_id=row["subscription_id"],
            channel=Channel(subscription["channel"]),
            address=subscription["address"],
            label=subscription["label"],
            secret=self._secret(subscription),
            lines=tuple(lines),
            is_trial=row["is_trial"],
        )

    def _secret(self, subscription: Row) -> SecretStr | None:
        if subscription["secret"] is None:
            return None
        sealed = SealedCredentials.model_validate(orjson.loads(subscription["secret"]))
        try:
            return self._runtime.keyring.open(subscription["subscription_id"], sealed)["secret"]
        except SealError:
            return None

    async def _one(self, row: Row, message: Message | None) -> None:
        now = self._runtime.clock.now()
        gone = Result("its subscription is gone or switched off", final=True)
        try:
            result = await self._channels.send(message, now) if message is not None else gone
        except Exception as error:
            self._runtime.log.exception("notification_broke")
            result = Result(f"it could not be written ({type(error).__name__})")
        channel = message.channel if message is not None else Channel.EMAIL
        self._gauges.sent.labels(channel.value, "failed" if result.error else "sent").inc()
        async with self._runtime.transactions.begin() as tx:
            await self._record(tx, row, result, channel)
        if result.error:
            self._runtime.log.warning(
                "notification_failed", kind=channel.value, attempt=row["attempts"], reason=result.error
            )

    async def _record(self, tx: Tx, row: Row, result: Result, channel: Channel) -> None:
        attempts, now = row["attempts"], tx.now
        failed = bool(result.error)
        final = not failed or result.final or row["is_trial"] or attempts >= MAX_ATTEMPTS
        state = ("FAILED" if final else "RETRY") if failed else "DONE"
        pass_on = failed and not row["passed_on"] and not row["is_trial"]
        pass_on = pass_on and (final or row["urgent"] or attempts >= PATIENCE)
        wait = timedelta(seconds=_delay(attempts, row["urgent"]))
        recorded = await tx.conn.fetchval(
            SETTLE, row["sending_id"], attempts, state, result.error, now + wait, now if final else None, pass_on
        )
        if recorded is None:
            return
        if final:
            told = "SENT" if state == "DONE" else "FAILED"
            await tx.conn.execute("UPDATE notes SET state = $2 WHERE sending_id = $1", row["sending_id"], told)
        if state == "DONE":
            await resume(tx, [_undelivered(row, "").parked_id(tx.service)], resolution="it was delivered after all")
        elif pass_on:
            await self._pass_on(tx, row, result, channel)

    async def _pass_on(self, tx: Tx, row: Row, result: Result, channel: Channel) -> None:
        """Tell somebody else; what nobody is left for becomes work for a person."""
        lines = await tx.conn.fetch(LINES, [row["sending_id"]])
        notices = [store.notice_of(line) for line in lines]
        subscriptions = [
            store.subscription_of(each) for each in await store.active_subscriptions(tx.conn, [row["tenant"]])
        ]
        tried = await _tried(tx.conn, [notice.notice_id for notice in notices])
        wanted: list[Delivery] = []
        left_alone = []
        for notice in notices:
            other = next_channel(notice, subscriptions, tried[notice.notice_id], channel)
            if other is None:
                left_alone.append(notice)
            else:
                wanted.append(Delivery(notice, other.subscription_id, tx.now, True))
        await add_notes(tx.conn, wanted)
        if left_alone:
            due = min((notice.due_at for notice in left_alone if notice.due_at), default=None)
            await park(tx, [_undelivered(row, result.error, due)])


async def _tried(conn: Conn, notice_ids: Sequence[UUID]) -> dict[UUID, frozenset[UUID]]:
    rows = await conn.fetch("SELECT notice_id, subscription_id FROM notes WHERE notice_id = ANY($1)", list(notice_ids))
    found: dict[UUID, set[UUID]] = defaultdict(set)
    for row in rows:
        found[row["notice_id"]].add(row["subscription_id"])
    return {notice_id: frozenset(found[notice_id]) for notice_id in notice_ids}


def _delay(attempts: int, urgent: bool) -> float:
    ceiling = LONGEST_URGENT_SECONDS if urgent else LONGEST_SECONDS
    return min(ceiling, FIRST_SECONDS * 2.0 ** min(attempts - 1, 12))


def _undelivered(row: Row, error: str, due_at: datetime | None = None) -> Park:
    return Park(
        subject_kind="notification",
        subject_id=str(row["sending_id"]),
        cause=UNDELIVERED,
        detail=f"people could not be told, and no other subscription is left: {error}",
        next_step="Look at the subscription's address and the mail server; sending goes on by itself.",
        event_key=str(row["subscription_id"]),
        why=Cause(row["tenant"]),
        due_at=due_at,
    )
