"""E-mail and webhooks: what goes outside, and whether it arrived. No database.

Both are at-least-once: when an answer is lost the same message goes again, with the same `Message-ID` or `webhook-id`,
by which a receiver can know it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime
from uuid import UUID

import orjson
from pydantic import SecretStr
from standardwebhooks.webhooks import Webhook

from connector_kit.http import Call, CallError, HttpCaller, Lane
from connector_kit.manifest import Budget
from hub_common.runtime import Runtime
from notification_service.config import NotificationServiceSettings, settings_of
from notification_service.domain import Channel, Result
from notification_service.mailing import post
from notification_service.render import Line, mail, payload, trial_mail

OPERATION = "notify"
HOOKS = (Budget(operation=OPERATION, calls=600, per_seconds=3600, burst=60, owner="notification-service"),)
"""Ten a minute on average: digests are far below, and a flood of urgent ones is gathered into few messages."""
GONE = 410
"""A webhook's receiver says that it wants no more (Standard Webhooks)."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is to be told to whom. Not for logs: `address` and `secret`."""

    sending_id: UUID
    subscription_id: UUID
    channel: Channel
    address: str
    label: str
    secret: SecretStr | None
    lines: tuple[Line, ...]
    is_trial: bool

    def __repr__(self) -> str:
        return f"Message({self.channel}, {self.sending_id})"


class Channels:
    """Sends messages."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._settings: NotificationServiceSettings = settings_of(runtime)
        self._hooks: dict[UUID, tuple[str, HttpCaller]] = {}

    async def send(self, message: Message, now: datetime) -> Result:
        """Send it once. Never raises for what the outside does."""
        if message.channel is Channel.EMAIL:
            return await self._mail(message, now)
        return await self._hook(message, now)

    async def _mail(self, message: Message, now: datetime) -> Result:
        settings = self._settings
        if not settings.smtp_host:
            return Result("no mail server is set (HUB_SMTP_HOST)")
        written = trial_mail(message.label) if message.is_trial else mail(message.lines, settings.console_url, now)
        letter = EmailMessage()
        letter["From"], letter["To"], letter["Subject"] = settings.smtp_from, message.address, written.subject
        letter["Date"] = format_datetime(now)
        letter["Message-ID"] = f"<{message.sending_id}@{settings.smtp_from.rpartition('@')[2] or 'hub'}>"
        letter["Auto-Submitted"] = "auto-generated"
        letter.set_content(written.text)
        return await post(letter, settings)

    async def _hook(self, message: Message, now: datetime) -> Result:
        if message.secret is None:
            return Result("its signing secret cannot be opened; make the subscription anew", final=True)
        body = orjson.dumps(
            payload(message.lines, self._settings.console_url, is_trial=message.is_trial, at=now)
            | {"id": str(message.sending_id)}
        )
        signature = Webhook(message.secret.get_secret_value()).sign(str(message.sending_id), now, body.decode())
        call = Call(
            OPERATION,
            "POST",
            message.address,
            headers={
                "content-type": "application/json",
                "webhook-id": str(message.sending_id),
                "webhook-timestamp": str(int(now.timestamp())),
                "webhook-signature": signature,
            },
            content=body,
            idempotent=True,
            lane=Lane.DEADLINE,
        )
        try:
            answer = await self._caller(message).call(call)
        except CallError as error:
            return Result(f"the webhook could not be called ({type(error).__name__})")
        if 200 <= answer.status < 300:
            return Result()
        return Result(f"the webhook answers HTTP {answer.status}", final=answer.status == GONE)

    def _caller(self, message: Message) -> HttpCaller:
        known = self._hooks.get(message.subscription_id)
        if known is None or known[0] != message.address:
            made = self._runtime.callers.standalone(message.subscription_id, "webhook", message.address, HOOKS)
            known = self._hooks[message.subscription_id] = (message.address, made)
        return known[1]
