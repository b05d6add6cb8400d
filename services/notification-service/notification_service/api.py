"""What people may ask of notification-service: who is told of what, to test it, and what was told.

Every route needs an operator's token: the runtime sees to that. Addresses are shown to operators only.
"""

from __future__ import annotations

import base64
import secrets
from datetime import time
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from pydantic import SecretStr

from hub_common.http import AddressPolicy, AddressRefused, check_url
from hub_common.web import Operator, Problem, Role, operator
from hub_common.web.problems import FieldError
from notification_service import store
from notification_service.config import settings_of
from notification_service.domain import Channel, Severity
from notification_service.planning import ADD_SENDING
from notification_service.requests import Change, Wish, is_mail_address

if TYPE_CHECKING:
    from hub_common.runtime import Runtime
    from notification_service.store import Row

SECRET_BYTES = 32
"""Standard Webhooks: 24 to 64 random bytes."""
CanWrite = Annotated[Operator, Depends(operator(Role.OPERATOR))]
SENT = """
SELECT s.*, (SELECT count(*) FROM notes n WHERE n.sending_id = s.sending_id) AS notices FROM sendings s
WHERE $1::uuid IS NULL OR subscription_id = $1 ORDER BY created_at DESC LIMIT $2
"""
NOTICES = """
SELECT n.*, o.order_number, (SELECT count(*) FROM notes s WHERE s.notice_id = n.notice_id) AS told
FROM notices n LEFT JOIN orders o USING (order_id)
WHERE ($1::text IS NULL OR n.tenant = $1) AND (NOT $2 OR n.resolved_at IS NULL) ORDER BY n.raised_at DESC LIMIT $3
"""
Limit = Annotated[int, Query(ge=1, le=500)]


def routers(runtime: Runtime) -> list[APIRouter]:
    """Routes below `/v1/subscriptions`, `/v1/notices` and `/v1/sendings`."""
    router = APIRouter(prefix="/v1", tags=["notifications"])
    _subscriptions(router, runtime)
    _history(router, runtime)
    return [router]


def _subscriptions(router: APIRouter, runtime: Runtime) -> None:
    desk = _Desk(runtime)

    @router.get("/subscriptions")
    async def listed(who: CanWrite, tenant: str | None = None) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM subscriptions WHERE $1::text IS NULL OR tenant = $1 ORDER BY tenant, rank, label", tenant
        )
        return {"items": [shown(row) for row in rows]}

    @router.post("/subscriptions", status_code=201)
    async def make(wish: Wish, who: CanWrite) -> dict[str, Any]:
        return await desk.make(wish, who.login)

    @router.get("/subscriptions/{subscription_id}")
    async def one(subscription_id: UUID, who: CanWrite) -> dict[str, Any]:
        return shown(await desk.row(subscription_id))

    @router.patch("/subscriptions/{subscription_id}")
    async def change(subscription_id: UUID, wish: Change, who: CanWrite) -> dict[str, Any]:
        return await desk.change(subscription_id, wish, who.login)

    @router.delete("/subscriptions/{subscription_id}", status_code=204)
    async def remove(subscription_id: UUID, who: CanWrite) -> None:
        await desk.row(subscription_id)
        async with runtime.transactions.begin() as tx:
            await tx.conn.execute("DELETE FROM subscriptions WHERE subscription_id = $1", subscription_id)
            await store.release(tx.conn, subscription_id)
        runtime.log.info("subscription_removed", login=who.login)

    @router.post("/subscriptions/{subscription_id}/test", status_code=202)
    async def trial(subscription_id: UUID, who: CanWrite) -> dict[str, Any]:
        await desk.row(subscription_id)
        sending_id = runtime.ids.new()
        async with runtime.transactions.begin() as tx:
            await tx.conn.execute(ADD_SENDING, sending_id, subscription_id, True, True, tx.now)
        return {"sending_id": sending_id}


def _history(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/sendings")
    async def sendings(who: CanWrite, subscription_id: UUID | None = None, limit: Limit = 100) -> dict[str, Any]:
        return {"items": [dict(row) for row in await runtime.pool.fetch(SENT, subscription_id, limit)]}

    @router.get("/sendings/{sending_id}")
    async def sending(sending_id: UUID, who: CanWrite) -> dict[str, Any]:
        row = await runtime.pool.fetchrow("SELECT * FROM sendings WHERE sending_id = $1", sending_id)
        if row is None:
            raise Problem("sending-unknown", "No such sending", 404, f"Sending {sending_id} is not known.")
        return dict(row)

    @router.get("/notices")
    async def notices(tenant: str | None = None, open_only: bool = True, limit: Limit = 100) -> dict[str, Any]:
        rows = await runtime.pool.fetch(NOTICES, tenant, open_only, limit)
        return {"items": [dict(row) | {"severity": Severity(row["severity"]).name.lower()} for row in rows]}


class _Desk:
    """Subscriptions as people make and change them."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime
        self._policy = AddressPolicy.parse(runtime.settings.allow_private_networks)

    async def row(self, subscription_id: UUID) -> Row:
        row = await self._runtime.pool.fetchrow(
            "SELECT * FROM subscriptions WHERE subscription_id = $1", subscription_id
        )
        if row is None:
            raise Problem(
                "subscription-unknown", "No such subscription", 404, f"Subscription {subscription_id} is not known."
            )
        return row

    async def make(self, wish: Wish, login: str) -> dict[str, Any]:
        self._check(wish.channel, wish.address)
        subscription_id, secret = self._runtime.ids.new(), None
        sealed = None
        if wish.channel is Channel.WEBHOOK:
            secret = new_secret(secrets.token_bytes(SECRET_BYTES))
            sealed = self._runtime.keyring.seal(subscription_id, {"secret": secret}).model_dump_json()
        async with self._runtime.transactions.begin() as tx:
            await tx.conn.execute(
                store.INSERT_SUBSCRIPTION,
                subscription_id,
                wish.tenant,
                wish.label,
                wish.channel.value,
                wish.address,
                sealed,
                [kind.value for kind in wish.kinds],
                int(wish.severity),
                wish.digest_minutes,
                _text(wish.quiet_from),
                _text(wish.quiet_until),
                wish.timezone,
                wish.muted_until,
                wish.rank,
                wish.active,
                tx.now,
                login,
            )
        self._runtime.log.info("subscription_made", login=login, kind=wish.channel.value)
        made = shown(await self.row(subscription_id))
        return made | {"secret": secret.get_secret_value()} if secret is not None else made

    async def change(self, subscription_id: UUID, wish: Change, login: str) -> dict[str, Any]:
        row = await self.row(subscription_id)
        values = wish.model_dump(exclude_unset=True)
        if "address" in values:
            self._check(Channel(row["channel"]), values["address"])
        quiet = (values.get("quiet_from", row["quiet_from"]), values.get("quiet_until", row["quiet_until"]))
        if (quiet[0] is None) != (quiet[1] is None):
            raise _bad("quiet_until", "quiet hours have a beginning and an end, or neither")
        if "severity" in values:
            values["min_severity"] = int(Severity[values.pop("severity").upper()])
        if "kinds" in values:
            values["kinds"] = [kind.value for kind in values["kinds"]]
        for name in ("quiet_from", "quiet_until"):
            if name in values:
                values[name] = _text(values[name])
        async with self._runtime.transactions.begin() as tx:
            await store.change(tx.conn, subscription_id, values, tx.now, login)
            if values.get("active") is False:
                await store.release(tx.conn, subscription_id)
        self._runtime.log.info("subscription_changed", login=login)
        return shown(await self.row(subscription_id))

    def _check(self, channel: Channel, address: str) -> None:
        if channel is Channel.EMAIL:
            if not is_mail_address(address):
                raise _bad("address", "must be one e-mail address")
            if not settings_of(self._runtime).smtp_host:
                raise _bad("channel", "no mail server is set (HUB_SMTP_HOST), so only webhooks can be told")
            return
        try:
            check_url(address, self._policy)
        except AddressRefused as error:
            raise _bad("address", str(error)) from None


def new_secret(random: bytes) -> SecretStr:
    """A signing secret in the form of Standard Webhooks."""
    return SecretStr("whsec_" + base64.b64encode(random).decode())


def shown(row: Row) -> dict[str, Any]:
    """A subscription as people see it; its secret is never shown again."""
    hidden = ("secret", "min_severity")
    return {name: value for name, value in row.items() if name not in hidden} | {
        "severity": Severity(row["min_severity"]).name.lower()
    }


def _text(value: time | None) -> str | None:
    return value.strftime("%H:%M") if value is not None else None


def _bad(field: str, rule: str) -> Problem:
    return Problem(
        "subscription-invalid",
        "Subscription cannot be used",
        422,
        f"{field}: {rule}",
        errors=[FieldError(f"#/{field}", rule)],
    )
