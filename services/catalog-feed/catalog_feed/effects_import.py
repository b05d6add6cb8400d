"""Handing product files over, following them, and keeping what both reports said about each row.

The effect names the file; its content is read from this service's table when the call is made, so the ledger holds no
megabytes and a retry sends the same bytes.
"""

from __future__ import annotations

import base64
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any
from uuid import UUID

from catalog_feed import store_imports
from catalog_feed.listings import problems_of
from catalog_feed.problems import as_text
from connector_kit.http import Lane
from connector_kit.offers import ImportProducts, ImportsProducts
from connector_kit.outcome import Outcome, ProbeResult
from hub_common.connections import Connection
from hub_common.effects.model import Effect, EffectKind, EffectState, PlannedEffect, Settled
from hub_common.parked import Park, park, resume
from hub_common.tx import Cause, Tx
from hub_contracts.catalog import ProductImportEnded
from hub_contracts.ids import parked_id_for

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

IMPORT = "import_products"
INCOMPLETE = "product_import_incomplete"
SUBJECT = "product_import"
MAX_TOLD = 50
"""Problems that travel with the event; all of them are kept row by row."""


def import_effect(runtime: Runtime) -> EffectKind:
    """The kind `import_products`."""
    return EffectKind(IMPORT, IMPORT, _execute(runtime), probe, settled)


def plan_import(tx: Tx, connection: Connection, import_id: UUID, file_name: str, *, operator_format: bool) -> UUID:
    """Intend to hand a stored file over; returns the effect's id."""
    line = f"{IMPORT}:{connection.connection_id}:{import_id}"
    effect = PlannedEffect(
        kind=IMPORT,
        natural_key=line,
        connection_id=connection.connection_id,
        credential_ref=connection.data.credential_ref,
        request=ImportProducts(
            import_id=import_id, file_name=file_name, content_base64="", operator_format=operator_format
        ),
        cause=Cause(tenant=connection.tenant),
        # A file may be looked at for days; the next one does not wait for it, the call budget spaces them.
        order_key=line,
        lane=Lane.BULK,
    )
    tx.plan(effect)
    return effect.effect_id


def _execute(runtime: Runtime) -> Callable[[Any, Sequence[Effect]], Awaitable[Sequence[Outcome]]]:
    async def execute(connector: ImportsProducts, effects: Sequence[Effect]) -> Sequence[Outcome]:
        return [await _one(runtime, connector, effect) for effect in effects]

    return execute


async def _one(runtime: Runtime, connector: ImportsProducts, effect: Effect) -> Outcome:
    request = ImportProducts.model_validate(effect.request)
    content = await runtime.pool.fetchval("SELECT content FROM product_imports WHERE import_id = $1", request.import_id)
    if content is None:
        return Outcome.rejected("the file is no longer kept; upload it again")
    encoded = base64.b64encode(bytes(content)).decode()
    [outcome] = await connector.import_products([request.model_copy(update={"content_base64": encoded})])
    return outcome


async def probe(connector: ImportsProducts, effect: Effect) -> ProbeResult:
    """How the import stands."""
    return await connector.probe_import_products(ImportProducts.model_validate(effect.request), effect.answer)


async def settled(tx: Tx, ended: Sequence[Settled]) -> None:
    """Keep counters and problems, tell the end, and let a person know of rows that were not taken."""
    for each in ended:
        await _settle(tx, each)


async def _settle(tx: Tx, each: Settled) -> None:
    import_id = UUID(str(each.effect.request["import_id"]))
    done = each.state is EffectState.DONE
    rows = await tx.conn.fetchval("SELECT rows FROM product_imports WHERE import_id = $1", import_id)
    problems = problems_of(each.answer, "" if done else each.reason or "no reason given")
    counters = counted(each.answer.get("counters"), rows, problems, done=done)
    reference = each.answer.get("import_id")
    state = store_imports.ENDED if done else store_imports.FAILED
    await store_imports.end(
        tx.conn,
        import_id,
        state=state,
        reason="" if done else each.reason,
        reference=None if reference is None else str(reference),
        counters=counters,
        now=tx.now,
    )
    await store_imports.add_problems(tx.conn, import_id, problems)
    tx.emit(
        ProductImportEnded(
            import_id=import_id,
            connection_id=each.effect.connection_id,
            effect_id=each.effect.effect_id,
            file_name=str(each.effect.request["file_name"]),
            import_reference=None if reference is None else str(reference),
            problems=tuple(as_text(problem) for problem in problems[:MAX_TOLD]),
            **{name: counters[name] for name in COUNTERS},
        ),
        key=each.effect.connection_id,
        cause=each.effect.cause,
    )
    if done and counters["rows_failed"] == 0:
        ids = [parked_id_for(tx.service, SUBJECT, str(i), INCOMPLETE)
               for i in await store_imports.earlier_of_name(tx.conn, import_id)]  # fmt: skip
        await resume(tx, ids, resolution="a file of the same name was taken whole")
    else:
        await park(tx, [_park(each, import_id, counters, problems)])


COUNTERS = ("rows_read", "rows_taken", "rows_failed", "rows_warned")


def counted(given: object, rows: int | None, problems: Sequence[Mapping[str, Any]], *, done: bool) -> dict[str, int]:
    """The connector's counters, completed so that nothing but a whole success has `rows_failed` 0."""
    told = given if isinstance(given, Mapping) else {}
    found = {name: value for name, value in told.items() if isinstance(value, int) and value >= 0}
    errors = [p for p in problems if p.get("severity", "error") == "error"]
    bad_rows = {p.get("row") for p in errors if p.get("row") is not None}
    failed = max(found.get("rows_failed", 0), len(bad_rows), 1 if errors else 0)
    if not done:
        failed = max(failed, rows or 1)
    read = max(found.get("rows_read", 0), rows or 0, failed)
    return found | {
        "rows_read": read,
        "rows_taken": 0 if not done else min(found.get("rows_taken", read - failed), read - failed),
        "rows_failed": failed,
        "rows_warned": found.get("rows_warned", 0),
    }


def _park(each: Settled, import_id: UUID, counters: Mapping[str, int], problems: Sequence[Mapping[str, Any]]) -> Park:
    said = "; ".join(as_text(problem) for problem in problems)[:300] or each.reason[:300]
    return Park(
        subject_kind=SUBJECT,
        subject_id=str(import_id),
        cause=INCOMPLETE,
        detail=f"{counters['rows_failed']} of {counters['rows_read']} rows of product file "
        f"{each.effect.request['file_name']} were not taken: {said}",
        next_step="Download the report of the import, correct the rows it names, and upload the file again.",
        event_key=str(each.effect.connection_id),
        why=each.effect.cause,
        connection_id=each.effect.connection_id,
        data={"counters": dict(counters)},
    )
