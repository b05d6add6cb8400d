"""Kafka and PostgreSQL, as the hub sees them."""

from __future__ import annotations

from hub_tools.observability.panels import Dashboard, Row, graph

BY_SERVICE = "{{service}}"
INFRASTRUCTURE = Dashboard(
    "hub-infrastructure",
    "Hub: Kafka and PostgreSQL, seen from the hub",
    "Whether the broker and the databases do what the services need.",
    [
        Row(
            "Kafka",
            [
                graph("Members connected", "sum by (group) (hub_consumer_connected)", "{{group}}"),
                graph(
                    "Silence of consumers",
                    "max by (service, instance) (hub_consumer_silent_seconds)",
                    "{{service}} {{instance}}",
                    "s",
                    text="Time since records were handled or none were known to wait.",
                ),
                graph("Clients rebuilt", "sum by (group) (increase(hub_consumer_rebuilds_total[15m]))", "{{group}}"),
                graph("Records waiting", "sum by (topic) (hub_consumer_lag_records)", "{{topic}}", stacked=True),
                graph(
                    "Events sent per second",
                    "sum by (topic) (rate(hub_relay_sent_total[5m]))",
                    "{{topic}}",
                    stacked=True,
                ),
                graph(
                    "Not confirmed, per minute",
                    "60 * sum by (topic) (rate(hub_relay_unconfirmed_total[5m]))",
                    "{{topic}}",
                ),
                graph("Outbox rows", "max by (service) (hub_outbox_rows)", BY_SERVICE),
                graph("Oldest outbox row", "max by (service) (hub_outbox_oldest_seconds)", BY_SERVICE, "s"),
                graph(
                    "Steps that failed because of the broker",
                    'sum by (service) (increase(hub_duty_failures_total{cause="broker"}[5m]))',
                    BY_SERVICE,
                ),
            ],
        ),
        Row(
            "PostgreSQL",
            [
                graph(
                    "Connections in use",
                    'sum by (service) (hub_database_pool_connections{state="used"})'
                    " / sum by (service) (hub_database_pool_max_connections)",
                    BY_SERVICE,
                    "percentunit",
                ),
                graph("Size", "max by (service) (hub_database_size_bytes)", BY_SERVICE, "bytes", stacked=True),
                graph(
                    "Steps that failed because of the database",
                    'sum by (service) (increase(hub_duty_failures_total{cause="database"}[5m]))',
                    BY_SERVICE,
                ),
                graph(
                    "Time to handle a batch (mean)",
                    "sum by (service) (rate(hub_event_handle_seconds_sum[5m]))"
                    " / sum by (service) (rate(hub_event_handle_seconds_count[5m]))",
                    BY_SERVICE,
                    "s",
                    text="One batch is one transaction: this is mostly the database.",
                ),
            ],
        ),
    ],
)
