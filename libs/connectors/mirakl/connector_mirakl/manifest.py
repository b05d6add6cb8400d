"""What the hub may know of Mirakl without running code: capabilities, words, call budgets, settings.

Every operator runs its own instance with its own host and keys, so no address is declared and every connection gives
one. Facts that the documentation leaves open are settings or budget data here, never constants in a code path.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector_kit.manifest import (
    Budget,
    Capability,
    EffectPolicy,
    EnvironmentAddress,
    InputField,
    Manifest,
    OrderTraits,
)
from hub_contracts.connections import ConnectionKind
from hub_contracts.orders import Environment
from hub_contracts.status import OrderStatus

STATUS_MAP = {
    "STAGING": OrderStatus.WAITING_PAYMENT,
    "WAITING_ACCEPTANCE": OrderStatus.PENDING,
    "WAITING_DEBIT": OrderStatus.ACCEPTED,
    "WAITING_DEBIT_PAYMENT": OrderStatus.ACCEPTED,
    "SHIPPING": OrderStatus.PREPARATION,
    "SHIPPED": OrderStatus.SHIPPED,
    "TO_COLLECT": OrderStatus.SHIPPED,
    "RECEIVED": OrderStatus.DELIVERED,
    "CLOSED": OrderStatus.DELIVERED,
    "REFUSED": OrderStatus.REFUSED,
    "CANCELED": OrderStatus.CANCELLED,
    "REFUNDED": OrderStatus.REFUNDED,
    "WAITING_REFUND": OrderStatus.REFUNDING,
    "WAITING_REFUND_PAYMENT": OrderStatus.REFUNDING,
    "WAITING_REFUND_TAX_CONFIRMATION": OrderStatus.REFUNDING,
    "INCIDENT_OPEN": OrderStatus.SHIPPED,
}
"""Mirakl's words for orders and lines. INCIDENT_OPEN only occurs on lines, where the line's own dates decide between
PREPARATION, SHIPPED and DELIVERED (`mapping_lines`); the entry here is what a reader without dates may assume."""

DAY = 86_400
ASSUMED = "[assumed] no published frequency"


@dataclass(frozen=True)
class Frequency:
    """How often one operation may be called, and who alone calls it. `calls` per `per_seconds`, UTC."""

    operation: str
    owner: str
    calls: int
    per_seconds: int
    burst: int
    source: str
    reserve: int = 0

    def budget(self) -> Budget:
        """The same as the kit's declaration."""
        return Budget(
            operation=self.operation,
            calls=self.calls,
            per_seconds=self.per_seconds,
            burst=self.burst,
            owner=self.owner,
            deadline_reserve=self.reserve,
            source=self.source,
        )


FREQUENCIES: tuple[Frequency, ...] = (
    Frequency("list_orders", "order-ingest", 1, 60, 1, "OR11 own integration: once per minute"),
    Frequency("list_orders_page", "order-ingest", 60, 60, 60, "[assumed] following pages belong to one OR11 usage"),
    Frequency("read_order", "order-ingest", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("accept", "order-acceptance", 120, 60, 60, "OR21: at each new order", reserve=20),
    Frequency("refuse", "order-acceptance", 120, 60, 60, "OR21: at each new order", reserve=20),
    Frequency("probe_accept", "order-acceptance", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}", reserve=5),
    Frequency("ship", "shipment-notifier", 120, 60, 60, "OR24, ST01: at each shipment"),
    Frequency("set_tracking", "shipment-notifier", 120, 60, 60, "OR23: at each tracking number"),
    Frequency("probe_ship", "shipment-notifier", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("probe_shipments", "shipment-notifier", 60, 60, 30, "ST11: at each shipment page display"),
    Frequency("read_configuration", "shipment-notifier", 10, DAY, 5, "PC01: cached per connection; [assumed]"),
    Frequency("upload_invoice", "shipment-notifier", 60, 60, 30, "OR74: at each document"),
    Frequency("probe_invoice", "shipment-notifier", 60, 60, 30, "OR72: at each document list display"),
    Frequency("refund", "refund-service", 60, 60, 30, "OR28: at each refund request"),
    Frequency("probe_refund", "refund-service", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("cancel", "refund-service", 60, 60, 30, "OR29, OR30: at each cancelation"),
    Frequency("probe_cancel", "refund-service", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("list_reasons", "refund-service", 24, DAY, 4, "RE01: when a list is displayed; cached"),
    Frequency("set_stock", "stock-sync", 1, 60, 1, "STO01: once per minute"),
    Frequency("read_stock_import", "stock-sync", 4, 60, 1, "STO02: every 15 seconds"),
    Frequency("read_stock_report", "stock-sync", 1, 60, 1, "STO03: once per minute"),
    Frequency("set_price", "stock-sync", 1, 60, 1, "PRI01: once per minute"),
    Frequency("read_price_import", "stock-sync", 1, 60, 1, "PRI02: once per minute"),
    Frequency("read_price_report", "stock-sync", 1, 60, 1, "PRI03: once per minute"),
    Frequency("read_offers", "stock-sync", 120, 60, 60, "OF21: at each offers page display"),
    Frequency("list_carriers", "carrier-mapper", 1, DAY, 2, "SH21: once per day; one spare for a first failure"),
    Frequency("verify", "connection-registry", 10, DAY, 5, "A01: once per day; a person's check may repeat it"),
)
"""The frequency contract for a seller's own integration. An integrator's contract (OR11 every 15 minutes) is the same
table with other numbers, which a connection's budget overrides express."""

EFFECTS = (
    EffectPolicy(operation="accept", settle_seconds=10),
    EffectPolicy(operation="refuse", settle_seconds=10),
    EffectPolicy(operation="ship", batch_size=20, settle_seconds=10, confirmations=2),
    EffectPolicy(operation="refund", settle_seconds=60, confirmations=2),
    EffectPolicy(operation="cancel", settle_seconds=30, confirmations=2),
    EffectPolicy(operation="set_stock", batch_size=5_000, settle_seconds=15, on_undecided="retry"),
    EffectPolicy(operation="set_price", batch_size=50, settle_seconds=60, on_undecided="retry"),
    EffectPolicy(operation="upload_invoice", settle_seconds=10),
)

SETTINGS_FIELDS = (
    InputField(
        name="shop_id",
        title="Shop id",
        kind="integer",
        required=False,
        help="Only for a key that serves several shops; without it the user's default shop is used.",
    ),
    InputField(name="locale", title="Locale", required=False, help="For translated labels, e.g. fr_FR."),
    InputField(
        name="multi_shipment",
        title="Several parcels per order",
        kind="choice",
        choices=("auto", "on", "off"),
        default="auto",
        help="auto asks the operator's platform once.",
    ),
    InputField(
        name="partial_acceptance",
        title="Lines may be refused one by one",
        kind="boolean",
        default="true",
        help="Turn off where the operator only takes one decision per order.",
    ),
    InputField(
        name="invoice_type_code",
        title="Document type of invoices",
        default="CUSTOMER_INVOICE",
        help="The operator's code for the buyer's invoice (DO01).",
    ),
    InputField(
        name="own_fulfillment_centers",
        title="Fulfilment centres of the seller",
        default="DEFAULT",
        help="Codes separated by commas; orders of other centres are shipped by the marketplace.",
    ),
)

MANIFEST = Manifest(
    name="mirakl",
    title="Mirakl",
    kind=ConnectionKind.MARKETPLACE,
    version="0.1.0",
    capabilities=frozenset(
        {
            Capability.ORDERS,
            Capability.ACCEPT,
            Capability.SHIP,
            Capability.REFUND,
            Capability.CANCEL,
            Capability.STOCK,
            Capability.PRICE,
            Capability.INVOICE,
            Capability.CARRIERS,
            Capability.REASONS,
        }
    ),
    environments=(
        EnvironmentAddress(environment=Environment.SANDBOX),
        EnvironmentAddress(environment=Environment.PRODUCTION),
    ),
    auth_fields=(
        InputField(
            name="api_key",
            title="API key",
            kind="secret",
            help="User settings of the operator's seller portal, section API key.",
        ),
    ),
    settings_fields=SETTINGS_FIELDS,
    status_map=STATUS_MAP,
    orders=OrderTraits(
        line_acceptance=True,
        partial_shipment=True,
        refund_level="line_amount",
        releases_on_accept=False,
        accept_within_hours=120,
        carriers="codes",
    ),
    budgets=tuple(frequency.budget() for frequency in FREQUENCIES),
    effects=EFFECTS,
    poll_seconds=60,
    docs_url="https://developer.mirakl.com/content/product/mmp/rest/seller/openapi3",
)
