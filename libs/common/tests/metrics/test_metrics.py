"""Metric names are an interface: dashboards and alerts use them."""

from __future__ import annotations

from hub_common.metrics import Metrics


def test_names_are_those_that_dashboards_know() -> None:
    assert Metrics().names() >= {
        "hub_outbox_oldest_seconds",
        "hub_outbox_rows",
        "hub_consumer_lag_seconds",
        "hub_consumer_lag_records",
        "hub_events_handled_total",
        "hub_event_handle_seconds_bucket",
        "hub_dead_letters",
        "hub_retry_rows",
        "hub_effects",
        "hub_effects_oldest_seconds",
        "hub_parked",
        "hub_deadline_slack_seconds",
        "hub_poller_age_seconds",
        "hub_http_calls_total",
        "hub_http_call_seconds_bucket",
        "hub_budget_tokens",
        "hub_call_budget_used_ratio",
        "hub_call_budget_left",
        "hub_call_budget_forecast_ratio",
        "hub_call_budget_penalised_seconds",
        "hub_lease_held",
    }


def test_two_services_in_one_process_do_not_mix() -> None:
    one, two = Metrics(), Metrics()
    one.events_handled.labels("handled").inc(3)
    assert b'hub_events_handled_total{result="handled"} 3.0' in one.render()
    assert b'result="handled"' not in two.render()


def test_calls_that_were_not_made_have_no_duration() -> None:
    metrics = Metrics()
    metrics.observe_call("mirakl", "accept", "2xx", 0.3)
    metrics.observe_call("mirakl", "accept", "not_sent", 0.0)
    text = metrics.render().decode()
    assert 'hub_http_calls_total{connector="mirakl",operation="accept",status="not_sent"} 1.0' in text
    assert 'hub_http_call_seconds_count{connector="mirakl",operation="accept"} 1.0' in text
