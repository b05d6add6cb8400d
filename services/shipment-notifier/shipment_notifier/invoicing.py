"""The buyer's invoice: wanted when a parcel is known to the marketplace, fetched from the shop, put at the marketplace.

An operator that demands an invoice at shipment punishes its absence, and nobody notices an absence. So each invoice is
a row from the moment it is owed: the shop is asked until it has one, and a person is told when it takes too long.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg

from connector_kit.aftersales import FetchedInvoice, FetchInvoice, ProvidesInvoices
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.http import CallError, Lane
from connector_kit.manifest import Capability, Manifest
from connector_kit.requests import UploadInvoice
from hub_common.connections import Connection, load_connections
from hub_common.connectors import supports
from hub_common.effects.model import PlannedEffect
from hub_common.errors import is_storage_down
from hub_common.parked import Park, park
from hub_common.tx import Cause, Tx
from shipment_notifier import store_invoices

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

LEASE = "invoices:"
AT_ONCE = 20
FETCH_SECONDS = 60
FIRST_RETRY = timedelta(minutes=5)
LONGEST_RETRY = timedelta(hours=2)
"""Shops write invoices within minutes or in a nightly run; asking more seldom would cost half a day of the latter."""
MISSING = "invoice_missing"


def uploads(connection: Connection) -> bool:
    """Whether invoices are put at this connection's marketplace: its own word, else its operator's profile."""
    manifest = _manifest(connection)
    if manifest is None or not supports(manifest, connection.data.settings.capabilities_off, Capability.INVOICE):
        return False
    own = connection.data.settings.invoices.upload
    if own != "profile":
        return own == "on_ship"
    profile = manifest.profile(connection.data.connector_settings)
    return profile is not None and profile.invoice == "on_ship"


def _manifest(connection: Connection) -> Manifest | None:
    try:
        return connector(connection.data.connector).manifest
    except UnknownConnector:
        return None


async def alarms(tx: Tx, connection_ids: Iterable[UUID]) -> dict[UUID, timedelta]:
    """Those of these connections that upload invoices, with the time after which a missing one is an alarm."""
    known = await load_connections(tx.conn, set(connection_ids))
    return {
        each.connection_id: timedelta(hours=max(1, each.data.settings.invoices.alarm_after_hours))
        for each in known.values()
        if uploads(each)
    }


async def want(tx: Tx, order_ids: Iterable[UUID], wanting: Mapping[UUID, timedelta]) -> None:
    """Want invoices of these orders where their connection uploads them (`alarms`). Harmless when repeated."""
    if wanting:
        await store_invoices.want(tx.conn, order_ids, list(wanting.items()), tx.now)


def provides(connection: Connection) -> bool:
    """Whether this shop can be asked for invoices now."""
    manifest = _manifest(connection)
    return (
        connection.active
        and manifest is not None
        and supports(manifest, connection.data.settings.capabilities_off, Capability.SHOP_INVOICES)
    )


def needed_leases(runtime: Runtime) -> set[str]:
    """One lease per shop credential, so that replicas do not ask the same shop twice."""
    return {LEASE + each.data.credential_ref for each in runtime.connections.all() if provides(each)}


def fetch_request(row: Any) -> FetchInvoice:
    """What the shop is asked, from a row or from an effect's context."""
    return FetchInvoice(
        order_id=row["order_id"],
        route_id=row["route_id"],
        order_number=row["order_number"],
        shop_order_reference=row["shop_order_reference"],
    )


def ascii_name(given: str, order_number: str, route_id: UUID, *, alone: bool) -> str:
    """A file name that is ASCII and unlike that of another invoice of the order (Mirakl OR74 demands both)."""
    stem, _, ending = given.rpartition(".")
    ending = ending.lower() if re.fullmatch(r"[A-Za-z0-9]{2,4}", ending) else "pdf"
    clean = re.sub(r"[^A-Za-z0-9._-]+", "-", stem or order_number).strip("-.")[:80] or "invoice"
    return f"{clean}.{ending}" if alone else f"{clean}-{route_id.hex[:8]}.{ending}"


class InvoiceFetcher:
    """The duty that asks shops for invoices that are wanted, and alarms for those that do not come."""

    def __init__(self, runtime: Runtime) -> None:
        self._runtime = runtime

    async def step(self) -> bool:
        """Ask for a bounded number; False when nothing was due."""
        runtime = self._runtime
        shops = [
            each.connection_id
            for each in runtime.connections.all()
            if provides(each) and runtime.leases.holds(LEASE + each.data.credential_ref)
        ]
        rows = []
        if shops:
            async with runtime.pool.acquire() as conn:
                rows = await store_invoices.due(conn, shops, runtime.clock.now(), AT_ONCE)  # type: ignore[arg-type]
        for row in rows:
            await self._ask(row)
        return bool(rows) or await self.alarm() > 0

    async def alarm(self) -> int:
        """Tell a person about invoices that are overdue; returns how many."""
        async with self._runtime.transactions.begin() as tx:
            rows = await store_invoices.late(tx.conn, tx.now, 100)
            await park(tx, [_missing(row) for row in rows])
        return len(rows)

    async def _ask(self, row: asyncpg.Record) -> None:
        try:
            async with asyncio.timeout(FETCH_SECONDS):
                shop: ProvidesInvoices = self._runtime.book.connector(row["shop_connection_id"], Lane.BULK)
                found = await shop.fetch_invoice(fetch_request(row))
        except Exception as error:
            if is_storage_down(error) and not isinstance(error, CallError):
                raise
            told = isinstance(error, CallError | TimeoutError)
            why = (
                f"the shop could not be asked: {error}"
                if told
                else f"the shop's connector failed: {type(error).__name__}"
            )
            self._runtime.log.warning("invoice_not_fetched", order_id=str(row["order_id"]), error=type(error).__name__)
            await self._absent(row, why, getattr(error, "retry_after", None))
            return
        if found is None:
            await self._absent(row, "the shop has no invoice yet", None)
            return
        await self._plan(row, found)

    async def _absent(self, row: asyncpg.Record, why: str, asked: float | None) -> None:
        wait = max(min(LONGEST_RETRY, FIRST_RETRY * 2 ** min(row["fetches"], 8)), timedelta(seconds=asked or 0.0))
        async with self._runtime.transactions.begin() as tx:
            await store_invoices.absent(tx.conn, row["order_id"], row["route_id"], why[:500], tx.now + wait)

    async def _plan(self, row: asyncpg.Record, found: FetchedInvoice) -> None:
        marketplace = self._runtime.connections.get(row["connection_id"])
        if marketplace is None:
            await self._absent(row, "the marketplace's connection is not known", None)
            return
        name = ascii_name(found.file_name, row["order_number"], row["route_id"], alone=row["of_order"] == 1)
        revision = row["revision"] + 1
        key = f"upload_invoice:{row['connection_id']}:{row['marketplace_reference']}:{row['route_id']}"
        context = {**fetch_request(row).model_dump(mode="json"), "shop_connection_id": str(row["shop_connection_id"])}
        effect = PlannedEffect(
            kind="upload_invoice",
            natural_key=key if revision == 1 else f"{key}:v{revision}",
            connection_id=row["connection_id"],
            credential_ref=marketplace.data.credential_ref,
            request=UploadInvoice(order_reference=row["marketplace_reference"], file_name=name),
            cause=Cause(tenant=row["tenant"], traceparent=row["traceparent"], causation_id=row["causation_id"]),
            order_key=f"invoice:{row['order_id']}",
            lane=Lane.LIVE,
            order_id=row["order_id"],
            deadline=row["alarm_at"],
            context=context,
        )
        async with self._runtime.transactions.begin() as tx:
            if await store_invoices.planned(
                tx.conn, row["order_id"], row["route_id"], name, revision, effect.effect_id
            ):
                tx.plan(effect)


def _missing(row: asyncpg.Record) -> Park:
    why = row["reason"] or "the shop was not asked: its connector cannot give invoices or its connection is not active"
    return Park(
        subject_kind="order",
        subject_id=f"{row['order_id']}:{row['route_id']}",
        cause=MISSING,
        detail=f"Order {row['order_number']} was shipped and its invoice is not at the marketplace: {why}",
        next_step="Write the invoice in the shop (it is fetched by itself), or upload it in the marketplace's back "
        "office and say so with POST /v1/orders/{order_id}/invoices/by-hand.",
        event_key=str(row["order_id"]),
        why=Cause(tenant=row["tenant"], traceparent=row["traceparent"], causation_id=row["causation_id"]),
        order_id=row["order_id"],
        connection_id=row["connection_id"],
    )
