"""Routes about product files: uploaded, kept before they are looked at, followed to the end, reported row by row."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated, Any, cast
from uuid import UUID

import asyncpg
from fastapi import APIRouter, Depends, Query, Request, Response

from catalog_feed import store_imports
from catalog_feed.config import CatalogSettings
from catalog_feed.desk import csv_file, market
from catalog_feed.domain import write_csv
from catalog_feed.effects_import import plan_import
from catalog_feed.product_files import NAME, Seen, TooBig, look, unpack
from catalog_feed.store_imports import ProductFile
from connector_kit.manifest import Capability
from hub_common.web import FieldError, Operator, Problem, Role, operator

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Limit = Annotated[int, Query(ge=1, le=1000)]
REPORT = ("row", "offer_sku", "severity", "field", "code", "rule", "next_step")


def imports_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/connections/{id}/product-imports`."""
    router = APIRouter(prefix="/v1/connections/{connection_id}/product-imports", tags=["product-imports"])
    _uploading(router, runtime)
    _reading(router, runtime)
    return router


def _uploading(router: APIRouter, runtime: Runtime) -> None:
    @router.post("", status_code=202)
    async def upload(
        connection_id: UUID,
        request: Request,
        who: CanAct,
        file_name: Annotated[str, Query(max_length=105)],
        operator_format: bool = True,
        again: bool = False,
    ) -> dict[str, Any]:
        """Hand a product file to the marketplace. The body is the file, packed with gzip where `Content-Encoding` says
        so. The same file is not sent twice while it is being worked on, except with `again`."""
        speaker = await market(runtime, connection_id, Capability.PRODUCTS)
        if not NAME.fullmatch(file_name):
            rule = "must be letters, digits, spaces and ._- with the ending .csv, .xml or .xlsx"
            raise Problem("invalid-request", "Invalid request", 422, errors=[FieldError("query:/file_name", rule)])
        content = await _content(runtime, request)
        file = ProductFile(
            import_id=runtime.ids.new(),
            connection_id=connection_id,
            tenant=speaker.connection.tenant,
            file_name=file_name,
            operator_format=operator_format,
            sha256=hashlib.sha256(content).hexdigest(),
            content=content,
            login=who.login,
        )
        async with runtime.transactions.begin() as tx:
            await store_imports.add(tx.conn, file, tx.now)
        seen = look(file_name, content)
        if seen.errors:
            await _refuse(runtime, file.import_id, f"{len(seen.errors)} rule(s) broken")
            raise _unreadable(file.import_id, seen)
        async with runtime.transactions.begin() as tx:
            await store_imports.take_turns(tx.conn, connection_id)
            other = None if again else await store_imports.under_way(tx.conn, connection_id, file.sha256)
            if other is None:
                effect_id = plan_import(
                    tx, speaker.connection, file.import_id, file_name, operator_format=operator_format
                )
                await store_imports.start(tx.conn, file.import_id, effect_id, seen.rows)
        if other is not None:
            await _refuse(runtime, file.import_id, f"the same file is on its way as import {other}")
            detail = f"The same file is on its way as import {other}; send it with again=true if that is meant."
            raise Problem("import-repeated", "The same file is on its way", 409, detail)
        return {"import_id": file.import_id, "effect_id": effect_id, "rows": seen.rows, "state": store_imports.SENDING}


async def _content(runtime: Runtime, request: Request) -> bytes:
    limit = cast("CatalogSettings", runtime.settings).product_file_max_bytes
    try:
        return unpack(await request.body(), request.headers.get("content-encoding", ""), limit)
    except TooBig:
        detail = f"A product file may have {limit} bytes at most, unpacked."
        raise Problem("file-too-large", "The file is too large", 413, detail) from None
    except ValueError as error:
        errors = [FieldError("#", str(error))]
        raise Problem("invalid-request", "Invalid request", 422, errors=errors) from None


async def _refuse(runtime: Runtime, import_id: UUID, reason: str) -> None:
    async with runtime.transactions.begin() as tx:
        await store_imports.refuse(tx.conn, import_id, reason, tx.now)


def _unreadable(import_id: UUID, seen: Seen) -> Problem:
    errors = [FieldError(f"row:{each.row}/{each.column}" if each.row > 0 else "#", each.rule) for each in seen.errors]
    detail = f"{len(errors)} rule(s) broken, nothing was sent."
    extra = {"import_id": str(import_id)}
    return Problem("product-file-invalid", "The file cannot be taken", 422, detail, errors=errors, extra=extra)


def _reading(router: APIRouter, runtime: Runtime) -> None:
    @router.get("")
    async def list_imports(
        connection_id: UUID, state: Annotated[str | None, Query(max_length=20)] = None, limit: Limit = 100
    ) -> dict[str, Any]:
        rows = await runtime.pool.fetch(
            f"{store_imports.SHOWN} WHERE i.connection_id = $1 AND ($2::text IS NULL OR i.state = $2)"
            " ORDER BY i.uploaded_at DESC, i.import_id LIMIT $3",
            connection_id,
            state,
            limit,
        )
        return {"items": [store_imports.view(row) for row in rows]}

    @router.get("/{import_id}/report.csv")
    async def report(connection_id: UUID, import_id: UUID) -> Response:
        """Every problem of every row, with what to do next."""
        await _import(runtime, connection_id, import_id)
        rows = await runtime.pool.fetch(
            "SELECT * FROM product_import_problems WHERE import_id = $1 ORDER BY seq", import_id
        )
        lines = [["" if row[name] is None else str(row[name]) for name in REPORT] for row in rows]
        return csv_file(write_csv([REPORT, *lines]), f"report-{import_id}.csv")

    @router.get("/{import_id}/file")
    async def download(connection_id: UUID, import_id: UUID) -> Response:
        """The file as it came."""
        row = await _import(runtime, connection_id, import_id)
        content = await runtime.pool.fetchval("SELECT content FROM product_imports WHERE import_id = $1", import_id)
        if content is None:
            raise Problem("file-dropped", "The file is no longer kept", 404, "Its record and its report are.")
        headers = {"Content-Disposition": f'attachment; filename="{row["file_name"]}"'}
        return Response(bytes(content), headers=headers, media_type="application/octet-stream")

    @router.get("/{import_id}")
    async def show_import(connection_id: UUID, import_id: UUID, limit: Limit = 100) -> dict[str, Any]:
        """Where an import stands, and its first problems."""
        row = await _import(runtime, connection_id, import_id)
        problems = await runtime.pool.fetch(
            "SELECT * FROM product_import_problems WHERE import_id = $1 ORDER BY seq LIMIT $2", import_id, limit
        )
        shown = [{name: problem[name] for name in REPORT} for problem in problems]
        return store_imports.view(row) | {"problems": shown}


async def _import(runtime: Runtime, connection_id: UUID, import_id: UUID) -> asyncpg.Record:
    row = await runtime.pool.fetchrow(
        f"{store_imports.SHOWN} WHERE i.connection_id = $1 AND i.import_id = $2", connection_id, import_id
    )
    if row is None:
        raise Problem("import-unknown", "No such import", 404, "This connection has no import of this id.")
    return row
