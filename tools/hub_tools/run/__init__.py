"""Runs the whole hub on this machine: databases, topics, services, simulators."""
