"""Marketplaces and shops: how they answer, and how many calls are left."""

from __future__ import annotations

from hub_tools.observability.panels import Dashboard, Row, graph

_CHOSEN = 'connector=~"$connector"'
OUTSIDE = Dashboard(
    "hub-outside",
    "Hub: outside calls and budgets",
    "Marketplaces and shops: how they answer, how many calls are left, whether they will last.",
    [
        Row(
            "Calls",
            [
                graph(
                    "Calls per minute, by answer",
                    f"60 * sum by (connector, status) (rate(hub_http_calls_total{{{_CHOSEN}}}[5m]))",
                    "{{connector}} {{status}}",
                    stacked=True,
                ),
                graph(
                    "Share that fails",
                    "sum by (connector, operation)"
                    f' (rate(hub_http_calls_total{{{_CHOSEN},status=~"5xx|ambiguous|bad_answer"}}[10m]))'
                    " / sum by (connector, operation)"
                    f' (rate(hub_http_calls_total{{{_CHOSEN},status!~"not_sent|forbidden"}}[10m]))',
                    "{{connector}} {{operation}}",
                    "percentunit",
                ),
                graph(
                    "Duration (95 %)",
                    "histogram_quantile(0.95, sum by (connector, operation, le)"
                    f" (rate(hub_http_call_seconds_bucket{{{_CHOSEN}}}[10m])))",
                    "{{connector}} {{operation}}",
                    "s",
                ),
                graph(
                    "Not made",
                    "60 * sum by (connector, operation)"
                    f' (rate(hub_http_calls_total{{{_CHOSEN},status="not_sent"}}[5m]))',
                    "{{connector}} {{operation}}",
                    text="Per minute: held for want of calls, or because the outside is down.",
                ),
            ],
        ),
        Row(
            "Budgets",
            [
                graph(
                    "Used of the window",
                    f"max by (connector, operation, credential) (hub_call_budget_used_ratio{{{_CHOSEN}}})",
                    "{{connector}} {{operation}} {{credential}}",
                    "percentunit",
                ),
                graph(
                    "Needed in the next hour, of those allowed",
                    f"max by (connector, operation, credential) (hub_call_budget_forecast_ratio{{{_CHOSEN}}})",
                    "{{connector}} {{operation}} {{credential}}",
                    "percentunit",
                    text="Above 100 % they do not last.",
                ),
                graph(
                    "Calls left at once",
                    f"min by (connector, operation, credential) (hub_call_budget_left{{{_CHOSEN}}})",
                    "{{connector}} {{operation}} {{credential}}",
                ),
                graph(
                    "Silenced by the outside",
                    f"max by (connector, operation, credential) (hub_call_budget_penalised_seconds{{{_CHOSEN}}}) > 0",
                    "{{connector}} {{operation}} {{credential}}",
                    "s",
                ),
                graph(
                    "Calls left to live work, all credentials",
                    "sum by (service, operation) (hub_budget_tokens)",
                    "{{service}} {{operation}}",
                ),
            ],
        ),
        Row(
            "Reading orders",
            [
                graph(
                    "Polls overdue",
                    "topk(10, max by (connection) (hub_poller_age_seconds)"
                    " / max by (connection) (hub_poller_interval_seconds))",
                    "{{connection}}",
                    text="Age of the last poll in intervals: 1 is on time.",
                ),
                graph(
                    "Time since the last comparison",
                    "topk(10, max by (connection) (hub_comparison_age_seconds))",
                    "{{connection}}",
                    "s",
                ),
                graph("Oldest difference", "max(hub_difference_oldest_seconds)", "oldest", "s"),
            ],
        ),
    ],
    [("connector", "hub_http_calls_total", "connector")],
)
