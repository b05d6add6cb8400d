"""Statements over HTTP: as JSON, as a text and as a page, and today's on demand."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from pydantic import BaseModel, ConfigDict
from starlette.responses import Response

from hub_common.web import FieldError, Operator, Problem, Role, operator
from reconciliation import statements
from reconciliation.statement import as_html, as_text

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]

LIST = """
SELECT body FROM statements
WHERE ($1::uuid IS NULL OR connection_id = $1) AND ($2::date IS NULL OR day = $2)
  AND ($3::date IS NULL OR (day, statement_id) < ($3, $4))
ORDER BY day DESC, statement_id DESC LIMIT $5
"""


class StatementBody(BaseModel):
    """Which day; today (UTC) when none is given."""

    model_config = ConfigDict(extra="forbid")
    day: date | None = None


def statement_routes(router: APIRouter, runtime: Runtime) -> None:
    """Add them to the service's router."""
    _reading(router, runtime)

    @router.post("/connections/{connection_id}/statements")
    async def issue(connection_id: UUID, who: CanAct, body: StatementBody | None = None) -> dict[str, Any]:
        """Issue a statement now. Today's is not final: the one after midnight replaces it."""
        day = body.day if body is not None and body.day is not None else runtime.clock.now().date()
        if day > runtime.clock.now().date():
            errors = [FieldError("#/day", "must not be in the future (UTC)")]
            raise Problem("invalid-request", "Invalid request", 422, errors=errors)
        async with runtime.transactions.begin() as tx:
            found = await statements.known(tx.conn, connection_id)
            if found is None or not found.is_marketplace:
                detail = f"reconciliation knows no marketplace connection {connection_id}."
                raise Problem("connection-unknown", "No such connection", 404, detail)
            made = await statements.issue(tx, found, day, who.login)
        if made is None:
            statement_id = statements.statement_of(connection_id, day)
            detail = f"The final statement of that day is {statement_id}."
            raise Problem("statement-final", "The day has its final statement", 409, detail)
        return made


def _reading(router: APIRouter, runtime: Runtime) -> None:
    @router.get("/statements")
    async def listed(
        connection_id: UUID | None = None,
        day: date | None = None,
        limit: Annotated[int, Query(ge=1, le=400)] = 31,
        after: Annotated[str | None, Query(pattern=r"^\d{4}-\d{2}-\d{2}~[0-9a-f-]{36}$")] = None,
    ) -> dict[str, Any]:
        """Statements, newest day first; `next` is the `after` of the following page."""
        last_day, last_id = _position(after)
        rows = await runtime.pool.fetch(LIST, connection_id, day, last_day, last_id, limit)
        items = [orjson.loads(row["body"]) for row in rows]
        following = f"{items[-1]['day']}~{items[-1]['statement_id']}" if len(items) == limit else None
        return {"items": items, "next": following}

    @router.get("/statements/{statement_id}.txt")
    async def text(statement_id: UUID) -> Response:
        """For people."""
        return Response(as_text(await body_of(statement_id)), media_type="text/plain; charset=utf-8")

    @router.get("/statements/{statement_id}.html")
    async def page(statement_id: UUID) -> Response:
        """For people with a browser; the page is self-contained."""
        return Response(as_html(await body_of(statement_id)), media_type="text/html; charset=utf-8")

    @router.get("/statements/{statement_id}")
    async def one(statement_id: UUID) -> dict[str, Any]:
        return await body_of(statement_id)

    async def body_of(statement_id: UUID) -> dict[str, Any]:
        row = await runtime.pool.fetchrow("SELECT body FROM statements WHERE statement_id = $1", statement_id)
        if row is None:
            detail = f"reconciliation knows no statement {statement_id}."
            raise Problem("statement-unknown", "No such statement", 404, detail)
        body: dict[str, Any] = orjson.loads(row["body"])
        return body


def _position(after: str | None) -> tuple[date | None, UUID | None]:
    if after is None:
        return None, None
    day, _, name = after.partition("~")
    try:
        return date.fromisoformat(day), UUID(name)
    except ValueError:
        errors = [FieldError("query:/after", "must be the `next` of the page before")]
        raise Problem("invalid-request", "Invalid request", 422, errors=errors) from None
