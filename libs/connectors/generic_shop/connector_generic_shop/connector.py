"""The factory that the entry point names, and one connected shop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from connector_generic_shop import client, mapping, orders
from connector_generic_shop.invoices import fetch_invoice
from connector_generic_shop.manifest import MANIFEST, VERIFY
from connector_generic_shop.probes import probe
from connector_generic_shop.settings import read_secrets, read_settings
from connector_generic_shop.signing import BadSecret, check_secret
from connector_kit.aftersales import FetchedInvoice, FetchInvoice
from connector_kit.capabilities import ConnectionContext, SandboxOptions, Verification
from connector_kit.http import CallError, NotSent
from connector_kit.manifest import Manifest
from connector_kit.outcome import Outcome, OutcomeState, ProbeResult
from connector_kit.requests import CancelShopOrder, CreateShopOrder

if TYPE_CHECKING:
    from connector_generic_shop.sandbox.simulator import GenericShopSimulator


class GenericShop:
    """One shop: `Verifies`, `TakesShopOrders` and `ProvidesInvoices`."""

    def __init__(self, context: ConnectionContext) -> None:
        self._context = context
        self._settings = read_settings(context.settings)
        self._secrets = read_secrets(context)
        self._shop: client.Shop | None = None
        if self._settings.webhook_url is not None:
            self._shop = client.Shop(context.http, self._settings.webhook_url, self._secrets, context.lane)
        self._invoices: client.Shop | None = None
        if self._settings.invoice_url is not None:
            self._invoices = client.Shop(context.http, self._settings.invoice_url, self._secrets, context.lane)

    async def verify(self) -> Verification:
        """Post a signed `hub.ping`, which changes nothing. A shop that pulls only has its secrets' form checked."""
        try:
            for secret in self._secrets:
                check_secret(secret)
            if not self._secrets:
                raise BadSecret("webhook_secret: is required")
            if self._shop is None:
                return Verification(True, "the shop pulls its orders; there is no address to try")
            now = self._context.clock.now()
            connection = self._context.connection_id
            body = mapping.ping_body(connection, now)
            answer = await client.post(self._shop, VERIFY, mapping.ping_message_id(connection, now), now, body)
        except (BadSecret, CallError) as error:
            return Verification(False, str(error))
        outcome = client.outcome_of(answer, now, mapping.secret_values(self._secrets))
        if outcome.state is OutcomeState.DONE:
            return Verification(True, f"the shop answered our signed ping with HTTP {answer.status}")
        if outcome.state is OutcomeState.REJECTED and answer.status != 410:
            return Verification(
                False, f"HTTP {answer.status} to a signed ping; unknown types must be answered with 2xx"
            )
        return Verification(False, outcome.reason)

    async def create_order(self, requests: Sequence[CreateShopOrder]) -> Sequence[Outcome]:
        """One message per order; the same `route_id` always gives the same `webhook-id`."""
        clock = self._context.clock
        return [await orders.create_order(self._shop, self._settings, request, clock.now()) for request in requests]

    async def probe_create_order(self, request: CreateShopOrder) -> ProbeResult:
        """See `probes`: a repeat is harmless by contract."""
        return probe(mapping.order_message_id(request.route_id), pulls=self._settings.pulls)

    async def cancel_order(self, requests: Sequence[CancelShopOrder]) -> Sequence[Outcome]:
        """One message per order."""
        clock = self._context.clock
        return [await orders.cancel_order(self._shop, request, clock.now()) for request in requests]

    async def probe_cancel_order(self, request: CancelShopOrder) -> ProbeResult:
        """See `probes`: a repeat is harmless by contract."""
        return probe(mapping.cancel_message_id(request.route_id), pulls=self._settings.pulls)

    async def fetch_invoice(self, request: FetchInvoice) -> FetchedInvoice | None:
        """See `ProvidesInvoices`."""
        try:
            return await fetch_invoice(self._invoices, request, self._context.clock.now())
        except BadSecret as error:
            raise NotSent(str(error)) from None


class GenericShopConnector:
    """Factory of the generic shop."""

    manifest: Manifest = MANIFEST

    def connect(self, context: ConnectionContext) -> GenericShop:
        """A shop for one connection. Malformed secrets do not raise here: every call tells of them."""
        return GenericShop(context)

    def build_sandbox(self, options: SandboxOptions) -> GenericShopSimulator:
        """The simulator. Imported here, so that production never loads it."""
        from connector_generic_shop.sandbox.simulator import GenericShopSimulator

        return GenericShopSimulator(options)


CONNECTOR = GenericShopConnector()
