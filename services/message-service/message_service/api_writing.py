"""Routes that write: answers, first messages about an order, templates per language."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub_common.connections import Connection
from hub_common.web import Operator, Problem, Role, operator
from message_service import store_sending
from message_service.answering import About, Draft, about_order, about_thread, recipients_of, send, word
from message_service.config import MessageServiceSettings
from message_service.domain import LOCALE
from message_service.reading import speaks

if TYPE_CHECKING:
    from hub_common.runtime import Runtime
    from hub_common.tx import Tx

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"


class MessageBody(BaseModel):
    """A message: free text or a template. The same `message_id` twice is one message."""

    model_config = ConfigDict(extra="forbid")
    message_id: UUID | None = None
    body: str | None = Field(default=None, min_length=1, max_length=20_000)
    template: str | None = Field(default=None, pattern=NAME)
    recipients: list[Literal["buyer", "operator"]] = Field(default=["buyer"], min_length=1, max_length=2)
    topic: str | None = Field(default=None, max_length=200)
    """Of a new thread: a reason code of the marketplace, or free text."""

    @model_validator(mode="after")
    def _one(self) -> MessageBody:
        if (self.body is None) == (self.template is None):
            raise ValueError("give either body or template")
        return self


class TemplateBody(BaseModel):
    """A template in one language. Placeholders: `{order_number}`, `{order_reference}`."""

    model_config = ConfigDict(extra="forbid")
    body: str = Field(min_length=1, max_length=20_000)


def writing_routes(router: APIRouter, runtime: Runtime) -> None:
    """Add the routes that write."""
    settings = runtime.settings
    assert isinstance(settings, MessageServiceSettings), "the spec names the settings class"
    keep = timedelta(days=settings.body_keep_days)

    @router.post("/threads/{connection_id}/{thread_reference}/messages", status_code=202)
    async def answer(connection_id: UUID, thread_reference: str, body: MessageBody, who: CanAct) -> dict[str, Any]:
        connection = _connection(runtime, connection_id)
        async with runtime.transactions.begin() as tx:
            return await _send(tx, await about_thread(tx, connection, thread_reference), _draft(runtime, body), who)

    @router.post("/orders/{order_id}/messages", status_code=202)
    async def begin(order_id: UUID, body: MessageBody, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            order = await tx.conn.fetchrow("SELECT * FROM orders WHERE order_id = $1", order_id)
            if order is None:
                raise Problem("order-unknown", "No such order", 404, f"message-service knows no order {order_id}.")
            connection = _connection(runtime, order["connection_id"])
            return await _send(tx, about_order(connection, order), _draft(runtime, body), who)

    async def _send(tx: Tx, about: About, draft: Draft, who: Operator) -> dict[str, Any]:
        wording = await word(tx, about, draft)
        fresh = await send(tx, about, draft, wording, who.login, keep)
        return {
            "message_id": draft.message_id,
            "locale": wording.locale,
            "warning": wording.warning,
            "repeated": not fresh,
        }

    _templates(router, runtime)


def _templates(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/templates/{tenant}")
    async def templates(tenant: str) -> dict[str, Any]:
        rows = await runtime.pool.fetch("SELECT * FROM templates WHERE tenant = $1 ORDER BY name, locale", tenant)
        return {"items": [dict(row) for row in rows]}

    @router.put("/templates/{tenant}/{name}/{locale}")
    async def put(tenant: str, name: str, locale: str, body: TemplateBody, who: CanAct) -> dict[str, str]:
        _check_locale(locale)
        async with runtime.transactions.begin() as tx:
            await store_sending.save_template(tx.conn, tenant, name, locale, body.body, tx.now, who.login)
        return {"tenant": tenant, "name": name, "locale": locale}

    @router.delete("/templates/{tenant}/{name}/{locale}")
    async def delete(tenant: str, name: str, locale: str, who: CanAct) -> dict[str, bool]:
        done = await runtime.pool.fetchval(
            "DELETE FROM templates WHERE tenant = $1 AND name = $2 AND locale = $3 RETURNING true", tenant, name, locale
        )
        runtime.log.info("template_deleted", operator=who.login, template=name, locale=locale)
        return {"deleted": bool(done)}


def _check_locale(locale: str) -> None:
    if not LOCALE.fullmatch(locale):
        detail = f"locale: must look like fr or fr_FR, not {locale[:20]!r}"
        raise Problem("invalid-locale", "Invalid locale", 422, detail)


def _connection(runtime: Runtime, connection_id: UUID) -> Connection:
    found = runtime.connections.get(connection_id)
    if found is None:
        raise Problem("connection-unknown", "No such connection", 404, f"Connection {connection_id} is not known.")
    if not speaks(found):
        detail = "The connection is not active, or its marketplace takes no messages."
        raise Problem("no-messages", "Messages cannot be sent here", 409, detail)
    return found


def _draft(runtime: Runtime, body: MessageBody) -> Draft:
    message_id = body.message_id or runtime.ids.new()
    return Draft(message_id, body.body, body.template, recipients_of(body.recipients), body.topic)
