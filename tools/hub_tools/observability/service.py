"""The runtime of one service: for who runs it."""

from __future__ import annotations

from hub_tools.observability.panels import Dashboard, Panel, Row, graph

SERVICE = Dashboard(
    "hub-service",
    "Hub: one service",
    "The runtime of a service and of each of its replicas.",
    [
        Row(
            "Processes",
            [
                Panel(
                    "Releases",
                    [('count by (service, version) (hub_build_info{service=~"$service"})', "")],
                    "table",
                    text="How many processes of which release run.",
                ),
                graph(
                    "Memory",
                    'process_resident_memory_bytes{job="hub",service=~"$service"}',
                    "{{service}} {{instance}}",
                    "bytes",
                ),
                graph(
                    "CPU",
                    'rate(process_cpu_seconds_total{job="hub",service=~"$service"}[5m])',
                    "{{service}} {{instance}}",
                    "percentunit",
                ),
                graph(
                    "Failing duties",
                    'sum by (service, duty, cause) (increase(hub_duty_failures_total{service=~"$service"}[5m])) > 0',
                    "{{service}} {{duty}}: {{cause}}",
                ),
                graph(
                    "Leases held",
                    'sum by (service, instance, lease) (hub_lease_held{service=~"$service"})',
                    "{{service}} {{instance}} {{lease}}",
                    text="Each outbox shard, poller and effect lane is worked on by whoever holds its lease.",
                ),
                graph(
                    "Measured how long ago",
                    'time() - hub_gauges_sampled_timestamp_seconds{service=~"$service"}',
                    "{{service}} {{instance}}",
                    "s",
                ),
            ],
        ),
        Row(
            "Events",
            [
                graph(
                    "Events per second, by result",
                    'sum by (result) (rate(hub_events_handled_total{service=~"$service"}[5m]))',
                    "{{result}}",
                    stacked=True,
                ),
                graph(
                    "Time to handle a batch (99 %)",
                    "histogram_quantile(0.99, sum by (topic, le)"
                    ' (rate(hub_event_handle_seconds_bucket{service=~"$service"}[5m])))',
                    "{{topic}}",
                    "s",
                ),
                graph(
                    "Lag",
                    'max by (service, topic) (hub_consumer_lag_seconds{service=~"$service"})',
                    "{{service}} {{topic}}",
                    "s",
                ),
                graph(
                    "Records waiting",
                    'sum by (service, topic) (hub_consumer_lag_records{service=~"$service"})',
                    "{{service}} {{topic}}",
                ),
                graph(
                    "Being tried again",
                    'max by (service, topic) (hub_retry_rows{service=~"$service"})',
                    "{{service}} {{topic}}",
                ),
                graph(
                    "Oldest being tried again",
                    'max by (service, topic) (hub_retry_oldest_seconds{service=~"$service"})',
                    "{{service}} {{topic}}",
                    "s",
                ),
                graph(
                    "Dead letters",
                    'max by (service, topic) (hub_dead_letters{service=~"$service"})',
                    "{{service}} {{topic}}",
                ),
                graph(
                    "Oldest dead letter",
                    'max by (service, topic) (hub_dead_letters_oldest_seconds{service=~"$service"})',
                    "{{service}} {{topic}}",
                    "s",
                ),
            ],
        ),
        Row(
            "Effects and parked work",
            [
                graph(
                    "Effects not finished",
                    'max by (kind, state) (hub_effects{service=~"$service"})',
                    "{{kind}} {{state}}",
                    stacked=True,
                ),
                graph(
                    "Oldest effect",
                    'max by (kind, state) (hub_effects_oldest_seconds{service=~"$service"})',
                    "{{kind}} {{state}}",
                    "s",
                    text="Since planned, or since sent once it was.",
                ),
                graph(
                    "Time left of effects",
                    'min by (kind) (hub_effects_slack_seconds{service=~"$service"})',
                    "{{kind}}",
                    "s",
                ),
                graph(
                    "Oldest parked",
                    'max by (cause) (hub_parked_oldest_seconds{service=~"$service"})',
                    "{{cause}}",
                    "s",
                ),
                graph(
                    "Time left of parked work",
                    'min by (cause) (hub_parked_slack_seconds{service=~"$service"})',
                    "{{cause}}",
                    "s",
                ),
            ],
        ),
    ],
    [("service", "hub_build_info", "service")],
)
