"""Mirakl's second frequency contract, as operator profiles.

Only OR11 publishes other numbers for an "external partner" (an integrator that serves many sellers): a list of orders
every quarter of an hour. A connection takes the contract by naming a profile; budgets and polls then follow from it.
"""

from __future__ import annotations

from collections.abc import Mapping

from connector_kit.profiles import OperatorProfile

INTEGRATOR_CALLS_PER_HOUR: Mapping[str, int] = {"list_orders": 4}
"""Operations whose number differs from the own integration's (`frequencies.FREQUENCIES`); all others are the same."""
INTEGRATOR_POLL_SECONDS = 900
SUFFIX = "_integrator"

INTEGRATOR = OperatorProfile(
    name="integrator",
    title="Any operator, called by an integrator",
    source="Mirakl OR11, call frequency of external partners",
    calls_per_hour=INTEGRATOR_CALLS_PER_HOUR,
    poll_seconds=INTEGRATOR_POLL_SECONDS,
)


def for_integrators(profile: OperatorProfile) -> OperatorProfile:
    """The same operator under the integrators' contract. Numbers that the operator states itself stay when they are
    lower. Pure."""
    calls = dict(profile.calls_per_hour)
    for operation, most in INTEGRATOR_CALLS_PER_HOUR.items():
        calls[operation] = min(calls.get(operation, most), most)
    return profile.model_copy(
        update={
            "name": profile.name + SUFFIX,
            "title": f"{profile.title}, called by an integrator",
            "calls_per_hour": calls,
            "poll_seconds": max(profile.poll_seconds or 0, INTEGRATOR_POLL_SECONDS),
        }
    )


def with_contracts(profiles: tuple[OperatorProfile, ...]) -> tuple[OperatorProfile, ...]:
    """Operators under the own contract, the nameless integrator, and each operator under the integrators' contract."""
    return (*profiles, INTEGRATOR, *(for_integrators(profile) for profile in profiles))
