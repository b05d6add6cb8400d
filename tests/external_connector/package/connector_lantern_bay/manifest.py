"""What Lantern Bay is, as data: a fact that hides in a code path could not be corrected for one seller."""

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
    "new": OrderStatus.PENDING,
    "accepted": OrderStatus.PREPARATION,
    "shipped": OrderStatus.SHIPPED,
    "delivered": OrderStatus.DELIVERED,
    "refunded": OrderStatus.REFUNDED,
    "refused": OrderStatus.REFUSED,
    "cancelled": OrderStatus.CANCELLED,
}
"""Their word → ours. A word that is not here parks its order; nothing is guessed."""

OFFERS_PER_CALL = 50

# Operation, calls an hour, calls at once, kept for deadlines, the one service that makes them.
_SHARES = (
    ("list_orders", 600, 20, 0, "order-ingest"),
    ("read_order", 300, 10, 0, "order-ingest"),
    ("accept", 600, 10, 2, "order-acceptance"),
    ("probe_accept", 300, 5, 1, "order-acceptance"),
    ("ship", 600, 10, 1, "shipment-notifier"),
    ("probe_ship", 300, 5, 0, "shipment-notifier"),
    ("refund", 120, 5, 0, "refund-service"),
    ("probe_refund", 120, 5, 0, "refund-service"),
    ("set_stock", 300, 5, 0, "stock-sync"),
    ("read_stock", 120, 5, 0, "stock-sync"),
    ("verify", 20, 2, 0, "connection-registry"),
    # The same reads when reconciliation makes them, on shares of its own.
    ("audit_list_orders", 60, 5, 0, "reconciliation"),
    ("audit_read_order", 60, 5, 0, "reconciliation"),
)


def token_operation(owner: str) -> str:
    """Operation of the token calls that a service makes for its own calls: a budget has one owner."""
    return f"token_{owner.replace('-', '_')}"


_TOKENS = (
    *((token_operation(owner), 30, 3, 0, owner) for owner in sorted({share[4] for share in _SHARES})),
    # Reconciliation reads as order-ingest does, every operation with `audit_` before it.
    (f"audit_{token_operation('order-ingest')}", 30, 3, 0, "reconciliation"),
)

MANIFEST = Manifest(
    name="lantern_bay",
    title="Lantern Bay",
    kind=ConnectionKind.MARKETPLACE,
    version="0.1.0",
    capabilities=frozenset(
        {
            Capability.ORDERS,
            Capability.NOTICES,
            Capability.ACCEPT,
            Capability.SHIP,
            Capability.REFUND,
            Capability.STOCK,
        }
    ),
    environments=(
        EnvironmentAddress(environment=Environment.SANDBOX, base_url="https://sandbox.lantern-bay.example"),
        EnvironmentAddress(environment=Environment.PRODUCTION, base_url="https://api.lantern-bay.example"),
    ),
    auth_fields=(
        InputField(name="client_id", title="Client id", kind="secret"),
        InputField(name="client_secret", title="Client secret", kind="secret"),
        InputField(name="notice_secret", title="Secret of pushed notices", kind="secret"),
    ),
    settings_fields=(
        InputField(name="page_size", title="Orders per page", kind="integer", default="50", help="1 to 100."),
    ),
    status_map=STATUS_MAP,
    orders=OrderTraits(partial_shipment=True, refund_level="line_amount", accept_within_hours=48),
    budgets=tuple(
        Budget(operation=name, calls=calls, per_seconds=3600, burst=burst, deadline_reserve=kept, owner=owner)
        for name, calls, burst, kept, owner in _SHARES + _TOKENS
    ),
    effects=(
        EffectPolicy(operation="accept", kinds=("accept", "refuse"), settle_seconds=10),
        EffectPolicy(operation="ship", settle_seconds=15, confirmations=2),
        EffectPolicy(operation="refund", settle_seconds=60, confirmations=2),
        EffectPolicy(
            operation="set_stock",
            kinds=("set_stock",),
            batch_size=OFFERS_PER_CALL,
            settle_seconds=60,
            on_undecided="retry",
        ),
    ),
    poll_seconds=60,
)
