"""The runtime that every service stands on: delivery guarantees, effects, leases, HTTP, health and shutdown."""
