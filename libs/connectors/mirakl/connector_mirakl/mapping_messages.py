"""From Mirakl's threads (M10, M11) to the hub's. Pure."""

from __future__ import annotations

from connector_kit.aftersales import MessageThread, ThreadMessage
from connector_kit.capabilities import MappingError
from connector_mirakl.wire import Json, instant, member, objects, required_text, text
from connector_mirakl.words import plain
from hub_contracts.messages import Sender

SENDERS = {"SHOP_USER": Sender.SELLER, "CUSTOMER_USER": Sender.BUYER, "OPERATOR_USER": Sender.OPERATOR}
"""Mirakl M10 `from.type`. A word that is not here is neither us nor the buyer, so it counts as the marketplace's."""
ORDER = "MMP_ORDER"


def order_of(thread: Json) -> str | None:
    """The order that a thread is about; None for one about an offer or with the operator alone."""
    found = (entity for entity in objects(thread.get("entities")) if text(entity.get("type")) == ORDER)
    return next((text(entity.get("id")) for entity in found), None)


def sender_of(message: Json) -> Sender:
    """Who wrote."""
    return SENDERS.get(text(member(message, "from").get("type")) or "", Sender.OPERATOR)


def map_thread(thread: Json, locale: str | None) -> MessageThread:
    """A thread, newest message last. Raises `MappingError` naming the field, never the words."""
    messages = sorted(
        (_message(item, f"messages[{at}].") for at, item in enumerate(objects(thread.get("messages")))),
        key=lambda message: message.sent_at,
    )
    updated = instant(thread.get("date_updated"), "date_updated")
    if updated is None and not messages:
        raise MappingError("date_updated", "is missing")
    return MessageThread(
        thread_reference=required_text(thread, "id"),
        order_reference=order_of(thread),
        topic=text(member(thread, "topic").get("value")) or "",
        locale=locale,
        messages=tuple(messages),
        updated_at=updated or messages[-1].sent_at,
    )


def _message(item: Json, where: str) -> ThreadMessage:
    sent = instant(item.get("date_created"), f"{where}date_created")
    if sent is None:
        raise MappingError(f"{where}date_created", "is missing")
    body = item.get("body")
    return ThreadMessage(
        message_reference=required_text(item, "id", where),
        sender=sender_of(item),
        body=plain(body) if isinstance(body, str) else "",
        sent_at=sent,
        attachments=len(objects(item.get("attachments"))),
    )
