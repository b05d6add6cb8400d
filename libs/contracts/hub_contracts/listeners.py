"""Who listens to which topic, as data.

If this lived only in each service's routing table, nobody could answer "who breaks when this event changes" without
reading twelve services, and a network policy or an access list of the broker would drift from what the code does.
The event catalogue, the AsyncAPI document and the deployment tests all read this one table.
"""

from __future__ import annotations

from hub_contracts import topics
from hub_contracts.base import EventData

CONSOLE = "ops-console"
"""Listens to everything: it is the read model of the whole hub."""

LISTENERS: dict[str, tuple[str, ...]] = {
    topics.CONNECTIONS: (
        "order-ingest",
        "order-acceptance",
        "order-router",
        "shop-gateway",
        "carrier-mapper",
        "shipment-notifier",
        "refund-service",
        "stock-sync",
        "catalog-feed",
        "message-service",
        "reconciliation",
        "notification-service",
        CONSOLE,
    ),
    topics.ORDERS: (
        "order-acceptance",
        "order-router",
        "shop-gateway",
        "carrier-mapper",
        "shipment-notifier",
        "refund-service",
        "stock-sync",
        "message-service",
        "reconciliation",
        "notification-service",
        CONSOLE,
    ),
    topics.ORDER_CUSTOMERS: ("shop-gateway", CONSOLE),
    topics.ACCEPTANCES: ("order-router", "reconciliation", "notification-service", CONSOLE),
    topics.ROUTES: ("shop-gateway", "notification-service", CONSOLE),
    topics.SHOP_ACTIVITY: (
        "carrier-mapper",
        "shipment-notifier",
        "refund-service",
        "stock-sync",
        "notification-service",
        CONSOLE,
    ),
    topics.PARCELS: ("shipment-notifier", "notification-service", CONSOLE),
    topics.SHIPMENTS: ("reconciliation", "notification-service", CONSOLE),
    topics.REFUNDS: ("reconciliation", "notification-service", CONSOLE),
    topics.STOCK: (
        "order-acceptance",
        "order-router",
        "catalog-feed",
        "reconciliation",
        "notification-service",
        CONSOLE,
    ),
    topics.CATALOG: ("stock-sync", "reconciliation", "notification-service", CONSOLE),
    topics.MESSAGES: ("reconciliation", "notification-service", CONSOLE),
    topics.RECONCILIATIONS: ("order-ingest", "stock-sync", "notification-service", CONSOLE),
    topics.NOTIFICATIONS: (CONSOLE,),
}
"""Topic to the services that listen to it. Also the list of consumers that an access list of the broker must allow."""

OWN_TOPIC: dict[str, str] = {topic.writer: topic.name for topic in topics.TOPICS if not topic.personal_data}
"""Writer to the topic that carries its facts about its own work. Never the topic with personal data: facts about work
are kept for long, personal data is not."""


def topics_of(model: type[EventData]) -> tuple[str, ...]:
    """Names of the topics on which events of this type are written, in the order of `TOPICS`."""
    return (model.TOPIC,) if model.TOPIC else tuple(OWN_TOPIC.values())


def writers_of(model: type[EventData]) -> tuple[str, ...]:
    """Services that write events of this type, in the order of `TOPICS`."""
    return tuple(topics.TOPIC_BY_NAME[name].writer for name in topics_of(model))


def listeners_of(model: type[EventData]) -> tuple[str, ...]:
    """Services that see events of this type, each once, in the order of the table."""
    return tuple(dict.fromkeys(service for name in topics_of(model) for service in LISTENERS[name]))
