"""Runs the simulators of all installed connectors in one process; refuses to run in production."""
