"""Grafana dashboards as code: written from a few lines each, so that a change can be read."""
