"""What Walmart Marketplace is, as data. Sources are in `README.md`; what it calls assumed is a setting here."""

from __future__ import annotations

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
    "Created": OrderStatus.PENDING,
    "Acknowledged": OrderStatus.PREPARATION,
    "Shipped": OrderStatus.SHIPPED,
    "Delivered": OrderStatus.DELIVERED,
    "Refund": OrderStatus.REFUNDED,
    "Cancelled": OrderStatus.CANCELLED,
}
"""Word of an order line → ours, in the order of a line's life. An order stands where its slowest line stands."""

# Calls a minute of each operation, by the one service that makes them; limits of a seller are in README.md.
_SHARES = {
    "order-ingest": {"list_orders": 600, "read_order": 600},
    "order-acceptance": {"accept": 60, "refuse": 60, "probe_accept": 120},
    "shipment-notifier": {"ship": 60, "probe_ship": 120},
    "connection-registry": {"verify": 6},
    "reconciliation": {"audit_list_orders": 60, "audit_read_order": 60, "audit_token_order_ingest": 12},
}
_EFFECTS = ("accept", "refuse", "ship")
"""One call each. What has a deadline keeps calls of its burst for it."""


def token_operation(owner: str) -> str:
    """Operation of the token calls that a service makes for its own calls: a budget has one owner."""
    return f"token_{owner.replace('-', '_')}"


_CALLS = [
    (name, calls, owner, 2 * (name in _EFFECTS)) for owner, share in _SHARES.items() for name, calls in share.items()
]
_CALLS += [(token_operation(owner), 12, owner, 0) for owner in _SHARES]

MANIFEST = Manifest(
    name="walmart",
    title="Walmart Marketplace",
    kind=ConnectionKind.MARKETPLACE,
    version="0.1.0",
    capabilities=frozenset(map(Capability, ("orders", "notices", "accept", "ship"))),
    environments=(
        EnvironmentAddress(environment=Environment.SANDBOX, base_url="https://sandbox.walmartapis.com"),
        EnvironmentAddress(environment=Environment.PRODUCTION, base_url="https://marketplace.walmartapis.com"),
    ),
    auth_fields=(
        InputField(name="client_id", title="Client ID", kind="secret"),
        InputField(name="client_secret", title="Client secret", kind="secret"),
        InputField(name="notice_secret", title="Secret of the webhook subscription (HMAC)", kind="secret"),
    ),
    settings_fields=(
        InputField(name="page_size", title="Orders per page", kind="integer", default="100", help="1 to 200."),
        InputField(name="days_back", title="Oldest order shown, in days", kind="integer", default="180"),
        InputField(
            name="charges_are", title="Charges hold for", kind="choice", choices=("unit", "line"), default="unit"
        ),
        InputField(name="cancel_reason", title="Reason of refusals", default="SELLER_CANCEL_OUT_OF_STOCK"),
        InputField(name="method_code", title="Shipping method of parcels", default="Standard"),
        InputField(name="notice_header", title="authHeaderName of the subscription", default="X-Walmart-Signature"),
    ),
    status_map=STATUS_MAP,
    orders=OrderTraits(partial_shipment=True, accept_within_hours=4),
    budgets=tuple(
        Budget(operation=name, calls=calls, per_seconds=60, burst=calls // 6, owner=owner, deadline_reserve=kept)
        for name, calls, owner, kept in _CALLS
    ),
    effects=tuple(EffectPolicy(operation=name, settle_seconds=60, confirmations=2) for name in _EFFECTS),
    currency_default="USD",
    docs_url="https://developer.walmart.com/us-marketplace",
)
