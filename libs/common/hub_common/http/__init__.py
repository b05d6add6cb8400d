"""Calls to the outside. The only package that imports an HTTP client library: its rules hold for every connector."""

from hub_common.http.breaker import Breaker, BreakerRules
from hub_common.http.budget import BudgetAway, CallBudget
from hub_common.http.caller import Connection, GuardedCaller
from hub_common.http.factory import ClientFactory, HttpSender, Timeouts
from hub_common.http.guard import AddressPolicy, AddressRefused, check_url

__all__ = [
    "AddressPolicy",
    "AddressRefused",
    "Breaker",
    "BreakerRules",
    "BudgetAway",
    "CallBudget",
    "ClientFactory",
    "Connection",
    "GuardedCaller",
    "HttpSender",
    "Timeouts",
    "check_url",
]
