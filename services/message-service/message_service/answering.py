"""Writing to buyers: in their language, from a template or freely, written down before it is sent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal
from uuid import UUID

import asyncpg

from connector_kit.aftersales import SendMessage
from connector_kit.http import Lane
from hub_common.connections import Connection
from hub_common.effects.model import PlannedEffect
from hub_common.tx import Cause, Tx
from hub_common.web import Problem
from hub_common.web.problems import FieldError
from message_service import store, store_sending
from message_service.domain import UnknownPlaceholder, body_hash, choose_template, fill


@dataclass(frozen=True, slots=True)
class Draft:
    """What a person wants to say. Either `body` or `template`."""

    message_id: UUID
    body: str | None
    template: str | None
    recipients: tuple[Literal["buyer", "operator"], ...]
    topic: str | None = None


@dataclass(frozen=True, slots=True)
class Wording:
    """The words that are sent, and in which language."""

    body: str
    locale: str | None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class About:
    """Where a message goes: a thread, or an order for which one is opened."""

    connection: Connection
    thread: str | None
    order_id: UUID | None
    order_reference: str | None
    order_number: str | None
    locale: str | None
    answer_by: datetime | None


async def about_thread(tx: Tx, connection: Connection, thread: str) -> About:
    """Raises `Problem` 404 for a thread that was never read."""
    row = (await store.threads_by_reference(tx.conn, connection.connection_id, [thread])).get(thread)
    if row is None:
        raise Problem("thread-unknown", "No such thread", 404, f"Thread {thread!r} of this connection is not known.")
    return About(
        connection, thread, row["order_id"], row["order_reference"], row["order_number"], row["locale"],
        row["answer_by"],
    )  # fmt: skip


def about_order(connection: Connection, order: asyncpg.Record) -> About:
    """Raises `Problem` 409 for a test order: no buyer stands behind it."""
    if order["is_test"]:
        raise Problem("test-order", "A test order has no buyer", 409, f"Order {order['order_number']} is a test order.")
    return About(
        connection, None, order["order_id"], order["marketplace_reference"], order["order_number"], order["locale"],
        None,
    )  # fmt: skip


async def word(tx: Tx, about: About, draft: Draft) -> Wording:
    """Find the words. Raises `Problem` 422 naming what is missing."""
    default = about.connection.data.settings.messages.default_locale
    wanted = about.locale or default
    if draft.template is None:
        return Wording(draft.body or "", wanted)
    bodies = await store_sending.templates(tx.conn, about.connection.tenant, draft.template)
    chosen = choose_template(bodies, about.locale, default)
    if chosen is None:
        has = ", ".join(sorted(bodies)) or "none"
        rule = f"has no text in {wanted or 'an unknown language'} nor in the connection's default; it has: {has}"
        raise _wrong("#/template", rule)
    values = {"order_number": about.order_number, "order_reference": about.order_reference}
    try:
        body = fill(chosen.body, {name: value for name, value in values.items() if value})
    except UnknownPlaceholder as error:
        raise _wrong("#/template", str(error)) from None
    warning = f"the buyer's language is {wanted}; the text is in {chosen.locale}" if chosen.fell_back else None
    return Wording(body, chosen.locale, warning)


def _wrong(pointer: str, rule: str) -> Problem:
    detail = "1 rule(s) broken; see errors."
    return Problem("invalid-message", "Invalid message", 422, detail, errors=[FieldError(pointer, rule)])


async def send(tx: Tx, about: About, draft: Draft, wording: Wording, login: str, keep: timedelta) -> bool:
    """Write the message down and plan to send it; False when this `message_id` was used before (nothing is sent)."""
    connection = about.connection
    cid = connection.connection_id
    effect = PlannedEffect(
        kind="send_message",
        natural_key=f"send_message:{cid}:{draft.message_id}",
        connection_id=cid,
        credential_ref=connection.data.credential_ref,
        request=SendMessage(
            message_id=draft.message_id,
            order_reference=about.order_reference,
            thread_reference=about.thread,
            recipients=draft.recipients,
            topic=draft.topic,
            locale=wording.locale,
        ),
        cause=Cause(tenant=connection.tenant),
        order_key=f"messages:{cid}:{about.thread or about.order_reference}",
        lane=Lane.LIVE,
        order_id=about.order_id,
        deadline=about.answer_by,
        context={"message_id": str(draft.message_id), "login": login},
    )
    fresh = await store_sending.add_own(
        tx.conn,
        message_id=draft.message_id,
        connection_id=cid,
        tenant=connection.tenant,
        thread=about.thread,
        order_id=about.order_id,
        at=tx.now,
        login=login,
        hash_=body_hash(wording.body),
        effect_id=effect.effect_id,
    )
    if fresh:
        await store.add_bodies(tx.conn, {draft.message_id: wording.body}, tx.now + keep)
        tx.plan(effect)
    return fresh


def recipients_of(given: Sequence[str]) -> tuple[Literal["buyer", "operator"], ...]:
    """Each recipient once, buyers first."""
    wanted: list[Literal["buyer", "operator"]] = ["buyer", "operator"]
    return tuple(each for each in wanted if each in given)
