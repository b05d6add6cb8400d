"""What needs a person now, and whether orders flow: for operators."""

from __future__ import annotations

from hub_tools.observability.panels import Dashboard, Row, graph, stat

BY_SERVICE = "{{service}}"
OVERVIEW = Dashboard(
    "hub-overview",
    "Hub: today",
    "What needs a person now, and whether orders flow.",
    [
        Row(
            "Now",
            [
                stat(
                    "Nearest deadline ahead",
                    "min(hub_deadline_next_slack_seconds)",
                    "s",
                    (14400, 3600),
                    text="Time left until the next instant by which something must be answered or shipped.",
                    falling=True,
                ),
                stat(
                    "Deadlines missed",
                    'sum(max by (deadline) (hub_deadlines{urgency="missed"})) or vector(0)',
                    "none",
                    (1, 1),
                    text="Orders past an instant and not done.",
                ),
                stat(
                    "Due within the hour",
                    'sum(max by (deadline) (hub_deadlines{urgency="hour"})) or vector(0)',
                    "none",
                    (1, 10),
                    text="Orders with less than an hour left.",
                ),
                stat(
                    "Parked",
                    "sum(max by (service, cause) (hub_parked)) or vector(0)",
                    "none",
                    (1, 50),
                    text="Units of work that wait for a person or a missing fact.",
                ),
                stat(
                    "In doubt",
                    'sum(max by (service, kind) (hub_effects{state="UNKNOWN"})) or vector(0)',
                    "none",
                    (1, 10),
                    text="Effects that may or may not have happened outside.",
                ),
                stat(
                    "Dead letters",
                    "sum(max by (service, topic) (hub_dead_letters)) or vector(0)",
                    "none",
                    (1, 25),
                    text="Events that were not handled.",
                ),
                stat(
                    "Greatest lag",
                    "max(hub_consumer_lag_seconds)",
                    "s",
                    (60, 300),
                    text="Age of the last event handled while more wait behind it.",
                ),
                stat(
                    "Left after lag",
                    "min(service:hub_deadline_slack_after_lag_seconds:min)",
                    "s",
                    (14400, 3600),
                    text="The nearest deadline, less the greatest lag of a service.",
                    falling=True,
                ),
                stat(
                    "Oldest poll",
                    "max(max by (connection) (hub_poller_age_seconds))",
                    "s",
                    (900, 3600),
                    text="The connection whose orders were read longest ago.",
                ),
                stat(
                    "Budgets that will not last",
                    "count(max by (connector, credential, operation) (hub_call_budget_forecast_ratio) > 1)"
                    " or vector(0)",
                    "none",
                    (1, 5),
                    text="Operations that need more calls in the next hour than they have.",
                ),
                stat(
                    "Oldest unsent event",
                    "max(hub_outbox_oldest_seconds)",
                    "s",
                    (10, 120),
                    text="What was decided and has not been told.",
                ),
                stat(
                    "Services down",
                    'count(count by (service) (up{job="hub"}) unless on (service) (up{job="hub"} == 1)) or vector(0)',
                    "none",
                    (1, 1),
                    text="Services of which no process answers.",
                ),
            ],
        ),
        Row(
            "Orders",
            [
                graph(
                    "New orders per hour",
                    "sum by (connection) (increase(hub_orders_received_total[1h]))",
                    "{{connection}}",
                    stacked=True,
                    text="As polls and notices brought them; backfills are not counted.",
                ),
                graph(
                    "Steps per hour",
                    "sum by (type) (increase(hub_relay_sent_total"
                    '{type=~"order.received.v1|order.accepted.v1|order.refused.v1|order.routed.v1|shop_order.created.v1'
                    '|shipment.notified.v1|refund.confirmed.v1"}[1h]))',
                    "{{type}}",
                    text="Where the curves part, orders wait.",
                ),
                graph(
                    "Time since the last poll",
                    "topk(10, max by (connection) (hub_poller_age_seconds))",
                    "{{connection}}",
                    "s",
                    text="The ten that are furthest behind.",
                ),
            ],
        ),
        Row(
            "Deadlines and what waits",
            [
                graph(
                    "Time left, by deadline",
                    "min by (deadline) (hub_deadline_next_slack_seconds)",
                    "{{deadline}}",
                    "s",
                    text="Of the nearest order that can still be in time.",
                ),
                graph(
                    "Open deadlines",
                    "sum by (urgency) (max by (deadline, urgency) (hub_deadlines))",
                    "{{urgency}}",
                    stacked=True,
                ),
                graph(
                    "Parked, by cause",
                    "sum by (cause) (max by (service, cause) (hub_parked))",
                    "{{cause}}",
                    stacked=True,
                ),
                graph(
                    "Oldest in doubt",
                    'max by (kind) (hub_effects_oldest_seconds{state="UNKNOWN"})',
                    "{{kind}}",
                    "s",
                ),
                graph("Lag", "max by (service) (hub_consumer_lag_seconds)", BY_SERVICE, "s"),
                graph(
                    "Differences to the marketplaces",
                    "sum by (kind) (max by (service, kind) (hub_differences_open))",
                    "{{kind}}",
                    stacked=True,
                ),
            ],
        ),
        Row(
            "Telling people",
            [
                graph(
                    "Notifications",
                    "sum by (channel, result) (rate(hub_notifications_sent_total[5m])) * 60",
                    "{{channel}} {{result}}",
                    text="Attempts per minute.",
                ),
                graph(
                    "Not told yet",
                    "max(hub_notifications_waiting)",
                    "notices that wait",
                    text="Quiet hours and digests hold them back; deadlines are never held back.",
                ),
                graph("Oldest unsent message", "max(hub_notification_oldest_seconds)", "oldest", "s"),
            ],
        ),
    ],
)
