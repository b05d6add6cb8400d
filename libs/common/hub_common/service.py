"""What a service declares about itself; the runtime does the rest."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fastapi import APIRouter
from sqlalchemy import MetaData

from hub_common.config import ServiceSettings
from hub_common.effects.model import EffectKind
from hub_common.http.budget_forecast import PlannedCalls
from hub_common.routing import Routes
from hub_common.wake import Wake

if TYPE_CHECKING:
    from hub_common.replay import ReplayPlan
    from hub_common.runtime import Runtime


@dataclass(frozen=True, slots=True)
class Duty:
    """Something done again and again. `step` does a bounded piece of work and returns whether there was any.

    After a step that worked the next follows at once; otherwise after `idle_seconds`, or sooner when `wake` is set.
    """

    name: str
    step: Callable[[], Awaitable[object]]
    idle_seconds: float
    wake: Wake | None = None


def _no_duties(_: Runtime) -> Sequence[Duty]:
    return ()


def _no_routers(_: Runtime) -> Sequence[APIRouter]:
    return ()


def _no_effects(_: Runtime) -> Sequence[EffectKind]:
    return ()


@dataclass(frozen=True)
class ServiceSpec:
    """One service: what it listens to, how it reacts, what it does by itself, what it serves."""

    name: str
    package: str
    own_topic: str
    """The topic that it alone writes; empty for a pure reader."""
    listens: tuple[str, ...]
    routes: Routes
    metadata: MetaData
    settings: type[ServiceSettings] = ServiceSettings
    effects: Callable[[Runtime], Sequence[EffectKind]] = _no_effects
    duties: Callable[[Runtime], Sequence[Duty]] = _no_duties
    routers: Callable[[Runtime], Sequence[APIRouter]] = _no_routers
    """Routes for operators; all need a token."""
    self_authenticated: Callable[[Runtime], Sequence[APIRouter]] = _no_routers
    """Routes that authenticate by themselves (shops' API keys, webhook signatures, feed addresses)."""
    needs_leases: Callable[[Runtime], set[str]] | None = None
    """Names of further leases that replicas of this service share out (pollers)."""
    replay: ReplayPlan | None = None
    """How its tables are rebuilt from the topics, and which must come out the same; None = they cannot be yet."""
    openapi: bool = False
    planned_calls: Callable[[Runtime], Awaitable[Sequence[PlannedCalls]]] | None = None
    """Calls that the service knows it will make (polls, what is left of backfills), for the forecast of its budgets."""
    operation_prefix: str = ""
    """Put before the name of every operation when a call draws on its budget (`audit_` → `audit_list_orders`), so that
    a service can use the same connector code on budgets of its own. Budgets with that name are in the manifest."""
