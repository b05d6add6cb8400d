"""What the generic shop connector declares about itself.

There is no fixed address: `webhook_url` of each connection is the shop's, which is why both environments have none.
"""

from __future__ import annotations

from connector_kit.manifest import Budget, Capability, EffectPolicy, EnvironmentAddress, InputField, Manifest
from hub_contracts.connections import ConnectionKind
from hub_contracts.orders import Environment

CREATE_ORDER = "create_order"
CANCEL_ORDER = "cancel_order"
VERIFY = "verify"
FETCH_INVOICE = "fetch_invoice"

AUTH_FIELDS = (
    InputField(
        name="webhook_secret",
        title="Webhook secret",
        kind="secret",
        help="whsec_ followed by the base64 of 24 to 64 random bytes. Signs messages of both directions.",
    ),
    InputField(
        name="webhook_secret_previous",
        title="Previous webhook secret",
        kind="secret",
        required=False,
        help="Kept while a rotation lasts: messages are then signed with both, and either is accepted.",
    ),
)

SETTINGS_FIELDS = (
    InputField(
        name="webhook_url",
        title="Webhook address of the shop",
        kind="url",
        required=False,
        help="Where order.created and order.cancelled are posted. Without it the shop pulls its orders.",
    ),
    InputField(
        name="invoice_url",
        title="Invoice address of the shop",
        kind="url",
        required=False,
        help="Where the hub fetches invoices with a signed GET (?route_id=…&order_number=…). Without it a person is "
        "told of each invoice that a marketplace demands.",
    ),
    InputField(
        name="delivery",
        title="How the shop gets its orders",
        kind="choice",
        required=False,
        choices=("webhook", "pull"),
        default="webhook",
    ),
    InputField(
        name="send_personal_data",
        title="Send names and addresses",
        kind="boolean",
        required=False,
        default="true",
        help="When off, orders carry the destination country only.",
    ),
)

_OURS = "our own limit: the shop states none, Retry-After of its 429 slows us down"

MANIFEST = Manifest(
    name="generic_shop",
    title="Any shop, over webhooks and REST",
    kind=ConnectionKind.SHOP,
    version="1.0.0",
    capabilities=frozenset({Capability.SHOP_ORDERS, Capability.SHOP_INVOICES}),
    environments=(
        EnvironmentAddress(environment=Environment.SANDBOX),
        EnvironmentAddress(environment=Environment.PRODUCTION),
    ),
    auth_fields=AUTH_FIELDS,
    settings_fields=SETTINGS_FIELDS,
    budgets=(
        Budget(
            operation=CREATE_ORDER,
            calls=72_000,
            per_seconds=3_600,
            burst=100,
            owner="shop-gateway",
            deadline_reserve=20,
            source=_OURS,
        ),
        Budget(operation=CANCEL_ORDER, calls=36_000, per_seconds=3_600, burst=50, owner="shop-gateway", source=_OURS),
        Budget(
            operation=FETCH_INVOICE, calls=36_000, per_seconds=3_600, burst=50, owner="shipment-notifier", source=_OURS
        ),
        Budget(operation=VERIFY, calls=60, per_seconds=3_600, burst=5, owner="connection-registry", source=_OURS),
    ),
    # A repeat is harmless by contract (same webhook-id), so nothing is gained by waiting or by asking an operator.
    effects=(
        EffectPolicy(operation=CREATE_ORDER, settle_seconds=0, on_undecided="retry"),
        EffectPolicy(operation=CANCEL_ORDER, settle_seconds=0, on_undecided="retry"),
    ),
)
