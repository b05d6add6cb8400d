"""Facts about accounts, their settings and SKU links (`hub.connections`, compacted: the last one per key is the truth).

Credentials travel sealed (AES-256-GCM, key from the deployment's secret): services that call outside can open them,
readers of the topic cannot.
"""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Literal
from uuid import UUID

from hub_contracts import topics
from hub_contracts.acceptances import Decision
from hub_contracts.base import Amount, EventData, Fact, Instant
from hub_contracts.orders import Environment
from hub_contracts.status import OrderStatus


class ConnectionKind(StrEnum):
    """What stands at the other end."""

    MARKETPLACE = "marketplace"
    SHOP = "shop"


class ConnectionState(StrEnum):
    """Life of a connection: nothing is fetched or sent unless it is active. Paused keeps clocks and alarms running."""

    INACTIVE = "inactive"
    ACTIVE = "active"
    PAUSED = "paused"


class AcceptancePolicy(Fact):
    """When to accept by ourselves, and what to do otherwise. Percentages are of the expected value."""

    auto_accept: bool = True
    require_stock: bool = True
    require_linked_skus: bool = True
    require_complete_address: bool = True
    price_tolerance_percent: Amount = Decimal(5)
    """How far below the known price a line may be. The buyer paying more is never a reason to hold."""
    shipping_tolerance_percent: Amount = Decimal(100)
    expected_shipping_price: Amount | None = None
    """Shipping fee the marketplace should charge per order; None = not checked."""
    max_order_age_hours: int | None = None
    """Older orders are held: something kept them from us."""
    when_conditions_fail: Decision = Decision.HOLD
    partial_acceptance: bool = False
    """Refuse only the failing lines where the marketplace can; else the whole order follows `when_conditions_fail`."""
    accept_within_hours: int | None = None
    """Overrides the connector's default accept-by window, in hours since the order was created."""
    last_resort: Literal["accept", "refuse", "alarm"] = "alarm"
    """What to do when `last_resort_percent` of the window is used up and nobody decided."""
    last_resort_percent: int = 95


class DefaultCarrier(Fact):
    """Carrier used when no rule decides, optionally for one destination country."""

    carrier_name: str
    carrier_code: str | None = None
    country: str | None = None
    tracking_url_template: str | None = None


class CarrierSettings(Fact):
    """How carriers are mapped. No connection is activated without a default carrier."""

    default_carriers: tuple[DefaultCarrier, ...] = ()
    use_known_patterns: bool = False
    default_for_unknown_names: bool = False


class RoutingRule(Fact):
    """Sends matching lines to a shop; the first rule that matches wins. Empty lists match everything."""

    name: str
    shop_connection_id: UUID
    warehouse: str | None = None
    countries: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    sku_prefixes: tuple[str, ...] = ()


class SkuSettings(Fact):
    """How an offer's SKU becomes a shop's SKU."""

    link_mode: Literal["unset", "linked", "pass_through"] = "unset"
    """`pass_through`: both SKUs are equal. `linked`: only explicit links; a missing one parks the line."""
    sku_source: Literal["offer_sku", "product_sku"] = "offer_sku"


class ImportSettings(Fact):
    """What is pulled."""

    import_from: Instant | None = None
    """Open orders created since then flow; required for activation."""
    statuses: tuple[OrderStatus, ...] = ()
    """Only these are routed on first sight; empty = all. Others are still stored and counted."""
    poll_seconds: int | None = None
    overlap_seconds: int = 300
    order_number_source: str = "marketplace_reference"
    shorten_order_number: bool = False


class StockSettings(Fact):
    """How stock becomes an offer's quantity."""

    buffer: int = 0
    max_listed: int | None = None
    push_stock: bool = True
    push_price: bool = True


class RefundSettings(Fact):
    """When and how refunds are made."""

    refund_on: Literal["created", "received", "inspected", "never"] = "received"
    default_reason: str | None = None
    reason_map: dict[str, str] = {}
    cancel_sync: bool = True
    cancel_default_reason: str | None = None


class InvoiceSettings(Fact):
    """Whether the buyer's invoice is put at the marketplace."""

    upload: Literal["profile", "never", "on_ship"] = "profile"
    """`profile`: as the operator's profile says; without one, never."""
    alarm_after_hours: int = 24
    """A shipped order without an invoice for so long is parked for a person."""


class ReturnSettings(Fact):
    """What is done with returns that buyers open at the marketplace."""

    read: bool = True
    answer: Literal["person", "accept"] = "person"
    """`accept`: every requested return is accepted by itself."""


class MessageSettings(Fact):
    """What is done with the conversation with buyers."""

    read: bool = True
    answer_within_hours: int = 24
    default_locale: str | None = None
    """Language to answer in when the order does not say."""


class ReconciliationSettings(Fact):
    """How closely this connection is compared with its marketplace."""

    compare_orders: bool = True
    compare_offers: bool = True
    window_days: int = 30
    """Orders created within so many days are compared, and every open one."""
    every_minutes: int = 60
    settle_minutes: int = 15
    """What changed so recently is not compared: the marketplace publishes later than it answers."""


class PrivacySettings(Fact):
    """How long buyers' data of this connection's orders is kept."""

    keep_customer_days: int = 90
    """Days after an order was placed and nothing is owed any more; the deployment's maximum caps it. Open orders keep
    their buyer."""


class HubSettings(Fact):
    """Everything a seller decides for one connection, understood by the services."""

    acceptance: AcceptancePolicy = AcceptancePolicy()
    carriers: CarrierSettings = CarrierSettings()
    routing: tuple[RoutingRule, ...] = ()
    sku: SkuSettings = SkuSettings()
    orders: ImportSettings = ImportSettings()
    stock: StockSettings = StockSettings()
    refunds: RefundSettings = RefundSettings()
    invoices: InvoiceSettings = InvoiceSettings()
    returns: ReturnSettings = ReturnSettings()
    messages: MessageSettings = MessageSettings()
    reconciliation: ReconciliationSettings = ReconciliationSettings()
    privacy: PrivacySettings = PrivacySettings()
    capabilities_off: tuple[str, ...] = ()
    """Capabilities that the connector has and this connection does not use."""


class SealedCredentials(Fact):
    """Credentials that only holders of the deployment's key can open. Bound to their connection."""

    key_id: str
    nonce: str
    ciphertext: str


class ConnectionChanged(EventData):
    """The connection as it now is, whole. Keyed by `connection_id`."""

    TYPE: ClassVar[str] = "connection.changed.v1"
    TOPIC: ClassVar[str] = topics.CONNECTIONS
    connection_id: UUID
    connector: str
    kind: ConnectionKind
    label: str
    environment: Environment
    state: ConnectionState
    verified: bool = False
    base_url: str | None = None
    """Overrides the manifest's address of the environment (a Mirakl operator's instance, a sandbox, a shop)."""
    settings: HubSettings = HubSettings()
    connector_settings: dict[str, Any] = {}
    """Validated by the connector's manifest, e.g. `seller_contract_id`, `shop_id`."""
    credentials: SealedCredentials | None = None
    api_key_hashes: tuple[str, ...] = ()
    """SHA-256 of the API keys a shop may use on our REST API."""
    credential_ref: str
    """Connections with the same value share the marketplace's quota."""
    budgets: dict[str, int] = {}
    """Calls per hour and operation that this connection may use, resolved from manifest and overrides."""
    activated_at: Instant | None = None


class SkuLinked(EventData):
    """An offer's SKU is served by a shop's SKU. Keyed by `connection_id:offer_sku`; `active` false unlinks."""

    TYPE: ClassVar[str] = "sku_link.changed.v1"
    TOPIC: ClassVar[str] = topics.CONNECTIONS
    connection_id: UUID
    offer_sku: str
    shop_connection_id: UUID
    shop_sku: str
    active: bool = True


class TestOrderRequested(EventData):
    """A person asked for a test order; order-ingest makes it and it is flagged as test through its whole life.

    Keyed by `test:<test_order_id>`.
    """

    __test__ = False
    TYPE: ClassVar[str] = "test_order.requested.v1"
    TOPIC: ClassVar[str] = topics.CONNECTIONS
    test_order_id: UUID
    connection_id: UUID
    offer_sku: str
    quantity: int
    """Random 1 to 4, drawn by connection-registry, so that every reader sees the same."""
    country: str
    requested_at: Instant
    requested_by: str | None = None
    """Login of the person."""


class BackfillRequested(EventData):
    """A person asked for the orders of a past window. Keyed by `backfill:<backfill_id>`."""

    TYPE: ClassVar[str] = "backfill.requested.v1"
    TOPIC: ClassVar[str] = topics.CONNECTIONS
    backfill_id: UUID
    connection_id: UUID
    created_from: Instant
    created_until: Instant
    requested_at: Instant
    requested_by: str | None = None
    """Login of the person."""
