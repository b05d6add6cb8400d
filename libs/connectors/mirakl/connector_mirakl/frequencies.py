"""How often each call may be made, and who alone makes it: Mirakl's frequency contracts, as data.

Mirakl publishes two contracts. A seller's own integration may ask for orders once a minute; an integrator ("external
partner") every quarter of an hour, for all sellers alike. Calling more often costs 429s for the whole hour.
"""

from __future__ import annotations

from dataclasses import dataclass

from connector_kit.manifest import Budget

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
    Frequency("start_export", "order-ingest", 1, 300, 1, "OR13: differential every 5 minutes"),
    Frequency("export_state", "order-ingest", 30, 60, 5, "OR14: every 2 seconds per export"),
    Frequency("read_export", "order-ingest", 120, 60, 60, "OR15: once per file; [assumed] many files per export"),
    Frequency("audit_list_orders", "reconciliation", 1, 3600, 1, f"OR11, a look at the list: {ASSUMED}"),
    Frequency("audit_list_orders_page", "reconciliation", 60, 60, 60, "[assumed] pages belong to one OR11 usage"),
    Frequency("audit_read_order", "reconciliation", 30, 60, 15, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("audit_read_offers", "reconciliation", 60, 60, 30, "OF21: at each offers page display"),
    Frequency("accept", "order-acceptance", 120, 60, 60, "OR21: at each new order", reserve=20),
    Frequency("refuse", "order-acceptance", 120, 60, 60, "OR21: at each new order", reserve=20),
    Frequency("probe_accept", "order-acceptance", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}", reserve=5),
    Frequency("ship", "shipment-notifier", 120, 60, 60, "OR24, ST01: at each shipment"),
    Frequency("set_tracking", "shipment-notifier", 120, 60, 60, "OR23: at each tracking number"),
    Frequency("confirm_shipment", "shipment-notifier", 120, 60, 60, "ST24: on each shipment shipping"),
    Frequency("read_shipments", "shipment-notifier", 120, 60, 60, "ST11: at each shipment page display"),
    Frequency("read_order_to_ship", "shipment-notifier", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("probe_ship", "shipment-notifier", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("probe_shipments", "shipment-notifier", 60, 60, 30, "ST11: at each shipment page display"),
    Frequency("read_configuration", "shipment-notifier", 10, DAY, 5, "PC01: kept for a day; [assumed]"),
    Frequency("read_carriers", "shipment-notifier", 2, DAY, 2, "SH21: once per day; one spare for a first failure"),
    Frequency("read_shipping_types", "shipment-notifier", 2, DAY, 2, "SH12: once per day; one spare"),
    Frequency("upload_invoice", "shipment-notifier", 60, 60, 30, "OR74: at each document"),
    Frequency("probe_invoice", "shipment-notifier", 60, 60, 30, "OR72: at each document list display"),
    Frequency("list_documents", "shipment-notifier", 60, 60, 30, "OR72: at each document list display"),
    Frequency("remove_document", "shipment-notifier", 60, 60, 30, "OR76: at each document deletion"),
    Frequency("refund", "refund-service", 60, 60, 30, "OR28: at each refund request"),
    Frequency("probe_refund", "refund-service", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("cancel", "refund-service", 60, 60, 30, "OR29, OR30: at each cancelation"),
    Frequency("probe_cancel", "refund-service", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("list_reasons", "refund-service", 24, DAY, 4, "RE01: when a list is displayed; cached"),
    Frequency("list_returns", "refund-service", 1, 300, 1, "RT11: every 5 minutes"),
    Frequency("list_returns_page", "refund-service", 60, 60, 60, "[assumed] following pages belong to one RT11 usage"),
    Frequency("read_return", "refund-service", 60, 60, 30, f"RT11 by return_id: {ASSUMED}"),
    Frequency("answer_return", "refund-service", 60, 60, 30, f"RT21, RT25, RT26, 100 returns each: {ASSUMED}"),
    Frequency("list_threads", "message-service", 1, 60, 1, f"M11, at each inbox display: {ASSUMED}"),
    Frequency("list_threads_page", "message-service", 60, 60, 60, "[assumed] following pages belong to one M11 usage"),
    Frequency("read_thread", "message-service", 60, 60, 30, "M10: at each page that shows a thread"),
    Frequency("read_thread_orders", "message-service", 60, 60, 30, f"OR11 by order_ids: {ASSUMED}"),
    Frequency("read_topics", "message-service", 24, DAY, 4, "RE01: when a list is displayed; kept for a day"),
    Frequency("send_message", "message-service", 60, 60, 30, "M12, OR43: at each message"),
    Frequency("probe_message", "message-service", 60, 60, 30, "M10, M11: at each page that shows a thread"),
    Frequency("set_stock", "stock-sync", 1, 60, 1, "STO01: once per minute"),
    Frequency("read_stock_import", "stock-sync", 4, 60, 1, "STO02: every 15 seconds"),
    Frequency("read_stock_report", "stock-sync", 1, 60, 1, "STO03: once per minute"),
    Frequency("set_price", "stock-sync", 1, 60, 1, "PRI01: once per minute"),
    Frequency("read_price_import", "stock-sync", 1, 60, 1, "PRI02: once per minute"),
    Frequency("read_price_report", "stock-sync", 1, 60, 1, "PRI03: once per minute"),
    Frequency("read_offers", "stock-sync", 120, 60, 60, "OF21: at each offers page display"),
    Frequency("publish_offer", "catalog-feed", 1, 60, 1, "OF24: once per minute"),
    Frequency("import_offers", "catalog-feed", 1, 60, 1, "OF01 with offers only: once per minute"),
    Frequency("read_offers_for_publishing", "catalog-feed", 120, 60, 60, "OF21: at each offers page display"),
    Frequency("read_offer_import", "catalog-feed", 1, 60, 1, "OF02: once per minute"),
    Frequency("read_offer_report", "catalog-feed", 1, 60, 1, "OF03: once per minute"),
    Frequency("import_products", "catalog-feed", 1, 900, 1, "P41: every 15 minutes for each seller"),
    Frequency("read_product_import", "catalog-feed", 1, 60, 1, "P42: once per minute"),
    Frequency("list_product_imports", "catalog-feed", 1, 60, 1, "P51: once per minute"),
    Frequency("read_product_report", "catalog-feed", 30, 60, 10, "P44, P45, P47: each time a report is needed"),
    Frequency("list_carriers", "carrier-mapper", 1, DAY, 2, "SH21: once per day; one spare for a first failure"),
    Frequency("verify", "connection-registry", 10, DAY, 5, "A01: once per day; a person's check may repeat it"),
)
"""The frequency contract for a seller's own integration. An integrator's differs as `call_contracts` says."""
