"""What the hub may know of Mirakl without running code: capabilities, words, call budgets, settings.

Every operator runs its own instance with its own host and keys, so no address is declared and every connection gives
one. Facts that the documentation leaves open are settings or budget data here, never constants in a code path.
"""

from __future__ import annotations

from connector_kit.manifest import (
    Capability,
    EffectPolicy,
    EnvironmentAddress,
    InputField,
    Manifest,
    OrderTraits,
)
from connector_mirakl.call_contracts import with_contracts
from connector_mirakl.frequencies import FREQUENCIES
from connector_mirakl.offer_settings import OFFER_FIELDS, profile_field
from connector_mirakl.profiles import PROFILES
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

EFFECTS = (
    EffectPolicy(operation="accept", settle_seconds=10),
    EffectPolicy(operation="refuse", settle_seconds=10),
    EffectPolicy(operation="ship", batch_size=20, settle_seconds=10, confirmations=2),
    EffectPolicy(operation="refund", settle_seconds=60, confirmations=2),
    EffectPolicy(operation="cancel", settle_seconds=30, confirmations=2),
    EffectPolicy(operation="set_stock", batch_size=5_000, settle_seconds=15, on_undecided="retry"),
    EffectPolicy(operation="publish_offer", batch_size=500, settle_seconds=60, confirmations=2),
    EffectPolicy(operation="import_products", settle_seconds=60),
    EffectPolicy(operation="set_price", batch_size=50, settle_seconds=60, on_undecided="retry"),
    EffectPolicy(operation="upload_invoice", settle_seconds=10),
    EffectPolicy(operation="answer_return", batch_size=100, settle_seconds=10, confirmations=2),
    EffectPolicy(operation="send_message", settle_seconds=30, confirmations=2),
)

SETTINGS_FIELDS = (
    profile_field(with_contracts(PROFILES)),
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
        help="auto asks the operator's platform once a day.",
    ),
    InputField(
        name="partial_acceptance",
        title="Lines may be refused one by one",
        kind="boolean",
        default="true",
        help="Turn off where the operator only takes one decision per order.",
    ),
    InputField(
        name="when_not_partial",
        title="Where one decision per order is taken, and some lines cannot be served",
        kind="choice",
        choices=("hold", "refuse"),
        default="hold",
        help="hold: a person decides before the deadline. refuse: the whole order is refused.",
    ),
    InputField(
        name="message_format",
        title="Format of messages to buyers",
        kind="choice",
        choices=("plain", "html"),
        default="plain",
        help="html where the operator's screens show messages as HTML: line breaks and special characters are encoded.",
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
    *OFFER_FIELDS,
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
            Capability.OFFERS,
            Capability.PUBLISH_OFFERS,
            Capability.PRODUCTS,
            Capability.INVOICE,
            Capability.CARRIERS,
            Capability.REASONS,
            Capability.ORDER_EXPORT,
            Capability.DOCUMENTS,
            Capability.RETURNS,
            Capability.MESSAGES,
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
    profiles=with_contracts(PROFILES),
    poll_seconds=60,
    docs_url="https://developer.mirakl.com/content/product/mmp/rest/seller/openapi3",
)
