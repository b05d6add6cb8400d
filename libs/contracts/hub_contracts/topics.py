"""Every topic as data: who writes it, how it is keyed, how long it is kept.

One topic has one writer. Order-scoped topics share key and partition count, so that a reader of two of them sees one
order in one partition of each.
"""

from __future__ import annotations

from dataclasses import dataclass

ORDER_PARTITIONS = 12
"""Same for every order-scoped topic. Twelve divides evenly among 1, 2, 3, 4, 6 or 12 replicas."""

_DAY_MS = 86_400_000
LONG_MS = 400 * _DAY_MS
"""Replay must reach back past a year of after-sales."""
PII_MS = 90 * _DAY_MS
"""Personal data is short-lived; the shop holds the durable copy."""
DEAD_LETTER_PARTITIONS = 1
"""Dead letters are few, and people read them in the order in which they came."""
DEAD_LETTER_CONFIG = {"cleanup.policy": "delete", "retention.ms": str(90 * _DAY_MS)}


@dataclass(frozen=True)
class Topic:
    """A Kafka topic. `retention_ms` None means kept until compacted away."""

    name: str
    writer: str
    key: str
    partitions: int = ORDER_PARTITIONS
    compacted: bool = False
    retention_ms: int | None = LONG_MS
    personal_data: bool = False

    @property
    def config(self) -> dict[str, str]:
        """Broker-side settings of the topic."""
        policy = "compact,delete" if self.compacted and self.retention_ms else "compact" if self.compacted else "delete"
        settings = {"cleanup.policy": policy}
        if self.retention_ms is not None:
            settings["retention.ms"] = str(self.retention_ms)
        return settings

    @property
    def dead_letter(self) -> str:
        """Name of the topic that records what a consumer of this one could not process."""
        return f"{self.name}.dlq"


CONNECTIONS = "hub.connections"
ORDERS = "hub.orders"
ORDER_CUSTOMERS = "hub.order-customers"
ACCEPTANCES = "hub.acceptances"
ROUTES = "hub.routes"
SHOP_ACTIVITY = "hub.shop-activity"
PARCELS = "hub.parcels"
SHIPMENTS = "hub.shipments"
REFUNDS = "hub.refunds"
STOCK = "hub.stock"
CATALOG = "hub.catalog"
MESSAGES = "hub.messages"
RECONCILIATIONS = "hub.reconciliations"
NOTIFICATIONS = "hub.notifications"

TOPICS: tuple[Topic, ...] = (
    Topic(
        CONNECTIONS, "connection-registry", "connection_id or SKU link", partitions=3, compacted=True, retention_ms=None
    ),
    Topic(ORDERS, "order-ingest", "order_id"),
    Topic(ORDER_CUSTOMERS, "order-ingest", "order_id", compacted=True, retention_ms=PII_MS, personal_data=True),
    Topic(ACCEPTANCES, "order-acceptance", "order_id"),
    Topic(ROUTES, "order-router", "order_id"),
    Topic(SHOP_ACTIVITY, "shop-gateway", "order_id; shop connection and SKU for stock and price"),
    Topic(PARCELS, "carrier-mapper", "order_id"),
    Topic(SHIPMENTS, "shipment-notifier", "order_id"),
    Topic(REFUNDS, "refund-service", "order_id"),
    Topic(STOCK, "stock-sync", "connection_id:offer_sku"),
    Topic(CATALOG, "catalog-feed", "connection_id"),
    Topic(MESSAGES, "message-service", "order_id; connection_id:thread_reference for threads without an order"),
    Topic(
        RECONCILIATIONS, "reconciliation", "order_id; connection_id:offer_sku for offers; connection_id for statements"
    ),
    Topic(NOTIFICATIONS, "notification-service", "sending_id or subscription_id of what could not be told"),
)

TOPIC_BY_NAME: dict[str, Topic] = {topic.name: topic for topic in TOPICS}
