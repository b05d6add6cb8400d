"""Facts about the conversation with buyers (`hub.messages`). The words themselves are personal data and stay with
message-service: an event that carried them would keep them for as long as the topic.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar
from uuid import UUID

from hub_contracts import topics
from hub_contracts.base import EventData, Instant


class Sender(StrEnum):
    """Who wrote a message."""

    BUYER = "buyer"
    SELLER = "seller"
    OPERATOR = "operator"
    """The marketplace's own staff."""


class MessageReceived(EventData):
    """A message was read at the marketplace. Keyed by `order_id`, without one by `connection_id:thread_reference`."""

    TYPE: ClassVar[str] = "message.received.v1"
    TOPIC: ClassVar[str] = topics.MESSAGES
    message_id: UUID
    connection_id: UUID
    thread_reference: str
    message_reference: str
    order_id: UUID | None = None
    is_test: bool = False
    sender: Sender
    attachments: int = 0
    """How many files came with it."""
    locale: str | None = None
    """Language to answer in, from the buyer's language field of the order."""
    awaits_answer: bool = False
    answer_by: Instant | None = None
    sent_at: Instant


class MessageSent(EventData):
    """The marketplace took a message of ours."""

    TYPE: ClassVar[str] = "message.sent.v1"
    TOPIC: ClassVar[str] = topics.MESSAGES
    message_id: UUID
    connection_id: UUID
    thread_reference: str | None = None
    order_id: UUID | None = None
    is_test: bool = False
    effect_id: UUID
    written_by: str
    confirmed_by: str


class MessageRejected(EventData):
    """The marketplace would not take a message of ours; a person is needed."""

    TYPE: ClassVar[str] = "message.rejected.v1"
    TOPIC: ClassVar[str] = topics.MESSAGES
    message_id: UUID
    connection_id: UUID
    thread_reference: str | None = None
    order_id: UUID | None = None
    is_test: bool = False
    effect_id: UUID
    reason: str
