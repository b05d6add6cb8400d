"""Whole services, and the whole hub, on a real broker, a real database and the connectors' simulators."""
