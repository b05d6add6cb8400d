"""Helpers for tests of connectors: a caller that runs a simulator in the process, and a clock that tests set.

Never imported by a service: the HTTP client it uses knows no budgets, breakers or address rules.
"""

from connector_kit.testing.asgi_caller import AsgiCaller
from connector_kit.testing.clock import SettableClock
from connector_kit.testing.interference import Interference, Trouble

__all__ = ["AsgiCaller", "Interference", "SettableClock", "Trouble"]
