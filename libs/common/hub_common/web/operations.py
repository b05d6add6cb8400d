"""What every service lets operators do: see and redrive dead letters, see parked work and effects, settle doubts.

The console and the command line call these routes of the owning service; nothing reaches into its tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import UUID

import asyncpg
import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from hub_common.dead_letter_edits import Edit, EditRefused, EditTooLate, NoSuchLetter, edit_and_redrive
from hub_common.dead_letters import discard, redrive
from hub_common.effects import store
from hub_common.effects.model import EffectState
from hub_common.effects.probing import Verdict, settle
from hub_common.http.budget import BudgetAway
from hub_common.http.budget_forecast import Verdict as BudgetVerdict
from hub_common.parked import resume
from hub_common.web.auth import Operator, Role, operator
from hub_common.web.problems import FieldError, Problem
from hub_common.web.summary import summary_route

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

Limit = Annotated[int, Query(ge=1, le=1000)]
CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Tenants = Annotated[str | None, Query(max_length=2000)]
"""Names joined by commas; what belongs to others, or to nobody known, is left out. None = all."""


class Redrive(BaseModel):
    """Send dead letters back through the inbox. `dry_run` only says which would go."""

    model_config = ConfigDict(extra="forbid")
    ids: list[UUID] = Field(min_length=1, max_length=10_000)
    dry_run: bool = False
    tenants: list[str] | None = None
    """Letters of other tenants are left alone. None = of all."""


class Discard(BaseModel):
    """Close dead letters for good."""

    model_config = ConfigDict(extra="forbid")
    ids: list[UUID] = Field(min_length=1, max_length=10_000)
    reason: str = Field(min_length=3, max_length=500)
    tenants: list[str] | None = None


class EditLetter(BaseModel):
    """Send a corrected copy of one dead letter. `dry_run` only says whether the copy would be taken."""

    model_config = ConfigDict(extra="forbid")
    value: str = Field(min_length=2, max_length=900_000)
    """The whole value as JSON text."""
    reason: str = Field(min_length=3, max_length=500)
    dry_run: bool = False
    tenants: list[str] | None = None


class SettleEffect(BaseModel):
    """What a person found out about an effect in doubt."""

    model_config = ConfigDict(extra="forbid")
    verdict: Literal["applied", "not_applied_resend", "not_applied_give_up"]
    evidence: str = Field(min_length=3, max_length=1000)


class Unpark(BaseModel):
    """Close a parked item that needs nothing more."""

    model_config = ConfigDict(extra="forbid")
    resolution: str = Field(min_length=3, max_length=500)


class UnparkAll(Unpark):
    """Close parked items that need nothing more, all in one transaction."""

    ids: list[UUID] = Field(min_length=1, max_length=1000)


VERDICTS = {
    "applied": EffectState.DONE,
    "not_applied_resend": EffectState.RETRY,
    "not_applied_give_up": EffectState.REJECTED,
}

LETTERS = r"""
SELECT * FROM dead_letters WHERE state = $1 AND ($2::text IS NULL OR cause = $2) AND ($3::text IS NULL OR topic = $3)
  AND ($4::uuid IS NULL OR (died_at, dead_letter_id) <
       (SELECT died_at, dead_letter_id FROM dead_letters WHERE dead_letter_id = $4))
  AND ($6::text[] IS NULL OR headers ->> 'tenant' = ANY($6))
  AND ($7::text IS NULL OR md5(split_part(error, E'\n', 1)) = $7)
  AND ($8::timestamptz IS NULL OR died_at <= $8)
ORDER BY died_at DESC, dead_letter_id DESC LIMIT $5
"""
# Letters with the same first line of their error belong together; its digest is short enough for an address.
LETTER_GROUPS = r"""
SELECT cause, topic, split_part(error, E'\n', 1) AS error, md5(split_part(error, E'\n', 1)) AS "group",
       count(*) AS count, count(*) FILTER (WHERE event_id IS NOT NULL) AS redrivable, min(died_at) AS first,
       max(died_at) AS last
FROM dead_letters WHERE state = 'open' AND ($1::text[] IS NULL OR headers ->> 'tenant' = ANY($1))
GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC LIMIT 200
"""
RETRIES = """
SELECT *, headers ->> 'tenant' AS tenant, headers ->> 'ce_type' AS type, headers ->> 'edited_from' AS edited_from
FROM inbox_retry WHERE ($2::text[] IS NULL OR headers ->> 'tenant' = ANY($2)) ORDER BY seq LIMIT $1
"""


def plain(row: asyncpg.Record, *, without: Sequence[str] = (), parse: Sequence[str] = ()) -> dict[str, Any]:
    """A row as JSON-able data; JSON columns are opened."""
    return {
        name: orjson.loads(value) if name in parse and isinstance(value, str) else value
        for name, value in row.items()
        if name not in without
    }


def listed(tenants: str | None) -> list[str] | None:
    """The names of a `tenants` parameter."""
    return None if tenants is None else [name for name in tenants.split(",") if name]


def operations_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/operations`."""
    router = APIRouter(prefix="/v1/operations", tags=["operations"])
    _dead_letters(router, runtime)
    _effects(router, runtime)
    _parked(router, runtime)
    _budgets(router, runtime)
    summary_route(router, runtime)
    return router


def _dead_letters(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/dead-letters")
    async def list_dead_letters(
        state: str = "open",
        cause: str | None = None,
        topic: str | None = None,
        before: UUID | None = None,
        limit: Limit = 100,
        tenants: Tenants = None,
        group: str | None = None,
        until: AwareDatetime | None = None,
    ) -> dict[str, Any]:
        """Newest first; `before` is the id of the last one of the page before, `until` leaves out what died later."""
        rows = await runtime.pool.fetch(LETTERS, state, cause, topic, before, limit, listed(tenants), group, until)
        return {"items": [plain(row, without=("value",), parse=("headers",)) for row in rows]}

    @router.get("/dead-letters/causes")
    async def group_dead_letters(tenants: Tenants = None) -> dict[str, Any]:
        rows = await runtime.pool.fetch(LETTER_GROUPS, listed(tenants))
        return {"items": [plain(row) for row in rows]}

    @router.get("/dead-letters/{dead_letter_id}")
    async def show_dead_letter(dead_letter_id: UUID, _: CanAct) -> dict[str, Any]:
        """One dead letter with its bytes as text. They may be personal data: operators only."""
        row = await runtime.pool.fetchrow("SELECT * FROM dead_letters WHERE dead_letter_id = $1", dead_letter_id)
        if row is None:
            detail = f"This service has no dead letter {dead_letter_id}."
            raise Problem("dead-letter-unknown", "No such dead letter", 404, detail)
        value = row["value"].decode(errors="backslashreplace") if row["value"] is not None else None
        return plain(row, without=("value",), parse=("headers",)) | {"value": value}

    @router.post("/dead-letters/redrive")
    async def redrive_dead_letters(body: Redrive, who: CanAct) -> dict[str, Any]:
        sent = await redrive(
            runtime.transactions, body.ids, actor=who.login, dry_run=body.dry_run, tenants=body.tenants
        )
        return {"redriven": sent, "dry_run": body.dry_run}

    @router.post("/dead-letters/discard")
    async def discard_dead_letters(body: Discard, who: CanAct) -> dict[str, Any]:
        closed = await discard(
            runtime.transactions, body.ids, actor=who.login, reason=body.reason, tenants=body.tenants
        )
        return {"discarded": closed}

    @router.post("/dead-letters/{dead_letter_id}/edit")
    async def edit_dead_letter(dead_letter_id: UUID, body: EditLetter, who: CanAct) -> dict[str, Any]:
        edit = Edit(body.value, body.reason, who.login)
        try:
            copy_id = await edit_and_redrive(
                runtime.transactions,
                runtime.connections,
                dead_letter_id,
                edit,
                dry_run=body.dry_run,
                tenants=body.tenants,
            )
        except NoSuchLetter:
            detail = f"This service has no dead letter {dead_letter_id}."
            raise Problem("dead-letter-unknown", "No such dead letter", 404, detail) from None
        except EditTooLate as late:
            raise Problem("dead-letter-settled", "Nothing to edit", 409, str(late)) from None
        except EditRefused as error:
            errors = [FieldError(f"#/{path}", rule) for path, rule in error.broken]
            raise Problem("edit-refused", "The copy may not be sent", 422, str(error), errors=errors) from None
        return {"copy_id": copy_id, "dry_run": body.dry_run}

    @router.get("/retries")
    async def list_retries(limit: Limit = 100, tenants: Tenants = None) -> dict[str, Any]:
        rows = await runtime.pool.fetch(RETRIES, limit, listed(tenants))
        return {"items": [plain(row, without=("value", "headers")) for row in rows]}


def _effects(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/effects")
    async def list_effects(
        state: str | None = None, order_id: UUID | None = None, kind: str | None = None, limit: Limit = 100
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM effects WHERE ($1::text IS NULL OR state = $1) AND ($2::uuid IS NULL OR order_id = $2)"
            " AND ($3::text IS NULL OR kind = $3) ORDER BY seq DESC LIMIT $4",
            state,
            order_id,
            kind,
            limit,
        )
        return {"items": [plain(row, parse=("request", "context", "answer")) for row in rows]}

    @router.get("/effects/{effect_id}")
    async def show_effect(effect_id: UUID) -> dict[str, Any]:
        row = await runtime.pool.fetchrow("SELECT * FROM effects WHERE effect_id = $1", effect_id)
        if row is None:
            raise Problem("effect-unknown", "No such effect", 404, f"This service has no effect {effect_id}.")
        attempts = await runtime.pool.fetch("SELECT * FROM effect_attempts WHERE effect_id = $1 ORDER BY at", effect_id)
        effect = plain(row, parse=("request", "context", "answer"))
        return effect | {"ledger": [plain(attempt, parse=("answer",)) for attempt in attempts]}

    @router.post("/effects/{effect_id}/settle")
    async def settle_effect(effect_id: UUID, body: SettleEffect, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            row = await tx.conn.fetchrow("SELECT * FROM effects WHERE effect_id = $1 FOR UPDATE", effect_id)
            if row is None:
                raise Problem("effect-unknown", "No such effect", 404, f"This service has no effect {effect_id}.")
            if row["state"] != EffectState.UNKNOWN:
                detail = f"Only effects in state UNKNOWN are settled by hand; this one is {row['state']}."
                raise Problem("effect-not-in-doubt", "The effect is not in doubt", 409, detail)
            verdict = Verdict(VERDICTS[body.verdict], 0, row["not_applied_seen"], False)
            effect = store.effect_of(row)
            await settle(tx, runtime.effect_kinds, effect, verdict, body.evidence, {}, by=who.login)
            step = f"operator {who.login}"
            await store.write_attempts(
                tx.conn, [(effect_id, row["attempts"], step, tx.now, 0.0, body.verdict, body.evidence, {})]
            )
        return {"effect_id": effect_id, "state": VERDICTS[body.verdict].value}


def _parked(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/parked")
    async def list_parked(
        cause: str | None = None, order_id: UUID | None = None, resolved: bool = False, limit: Limit = 100
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            "SELECT * FROM parked WHERE (resolved_at IS NOT NULL) = $1 AND ($2::text IS NULL OR cause = $2)"
            " AND ($3::uuid IS NULL OR order_id = $3) ORDER BY coalesce(due_at, 'infinity'), parked_at LIMIT $4",
            resolved,
            cause,
            order_id,
            limit,
        )
        return {"items": [plain(row, parse=("data",)) for row in rows]}

    @router.post("/parked/close")
    async def close_all_parked(body: UnparkAll, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            rows = await resume(tx, body.ids, resolution=body.resolution, actor=who.login)
        return {"closed": [row["parked_id"] for row in rows], "resolution": body.resolution}

    @router.post("/parked/{parked_id}/close")
    async def close_parked(parked_id: UUID, body: Unpark, who: CanAct) -> dict[str, Any]:
        async with runtime.transactions.begin() as tx:
            rows = await resume(tx, [parked_id], resolution=body.resolution, actor=who.login)
        if not rows:
            raise Problem("parked-unknown", "Nothing is parked under this id", 404, f"No open item {parked_id}.")
        return {"parked_id": parked_id, "resolution": body.resolution}


def _budgets(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/budgets")
    async def list_budgets(
        connector: str | None = None, verdict: BudgetVerdict | None = None, limit: Limit = 100
    ) -> dict[str, Any]:
        try:
            lines = await runtime.board.all_lines(connector=connector)
        except BudgetAway:
            raise Problem("budgets-away", "Budgets cannot be read", 503, "The database does not answer.") from None
        chosen = [line.view() for line in lines if verdict in (None, line.forecast.verdict)]
        return {"service": runtime.spec.name, "items": chosen[:limit], "total": len(chosen)}
