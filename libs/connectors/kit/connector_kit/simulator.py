"""Base of every connector's simulator: fault switches, the outside's own record of what was applied, control routes.

The record is what the fault tests balance the hub's ledger against: it is written by the simulator's side of the
fence, at the moment an effect is applied, whatever answer the caller gets afterwards.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

from fastapi import APIRouter, FastAPI, HTTPException
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from connector_kit.capabilities import Now


class FaultRule(BaseModel):
    """One fault switch. Without `times` it stays on; `probability` draws per call from the seeded generator."""

    model_config = ConfigDict(extra="forbid")
    fault: str
    operation: str = "*"
    times: int | None = Field(default=None, ge=1)
    probability: float = Field(default=1.0, gt=0, le=1)


class Faults:
    """The fault switches of one simulator. Names that the simulator does not know are refused, not ignored."""

    def __init__(self, known: Sequence[str], seed: int) -> None:
        self.known = frozenset(known)
        self.rules: list[FaultRule] = []
        self._random = random.Random(seed)  # noqa: S311  repeatable faults, not secrets

    def set(self, rules: Sequence[FaultRule]) -> None:
        """Replace all switches. Raises `ValueError` naming an unknown fault."""
        for rule in rules:
            if rule.fault not in self.known:
                raise ValueError(f"fault: {rule.fault!r} is not one of {', '.join(sorted(self.known))}")
        self.rules = [rule.model_copy() for rule in rules]

    def strikes(self, fault: str, operation: str) -> bool:
        """Whether this fault happens to this call; uses up one of its `times`."""
        for rule in self.rules:
            if rule.fault != fault or rule.operation not in ("*", operation):
                continue
            if rule.probability < 1 and self._random.random() >= rule.probability:
                continue
            if rule.times is not None:
                rule.times -= 1
                if rule.times == 0:
                    self.rules.remove(rule)
            return True
        return False


@dataclass(frozen=True, slots=True)
class Applied:
    """One effect that really took place at the simulated outside."""

    kind: str
    """`accept`, `refuse`, `ship`, `refund`, `cancel`, `stock`, `price`, `invoice`, `create_order`, `cancel_order`."""
    reference: str
    """What it was done to: order reference, with a suffix for the part (`M1/parcel-2`)."""
    at: str
    detail: dict[str, Any] = field(default_factory=dict)


class Record:
    """Append-only list of applied effects."""

    def __init__(self, clock: Now) -> None:
        self._clock = clock
        self.entries: list[Applied] = []

    def add(self, kind: str, reference: str, **detail: Any) -> None:
        """Write down that an effect was applied now."""
        self.entries.append(Applied(kind, reference, self._clock.now().isoformat(), detail))


class Simulator(Protocol):
    """What `build_sandbox` returns."""

    name: str
    app: FastAPI
    faults: Faults
    record: Record

    def create_orders(self, count: int, options: dict[str, Any]) -> list[str]:
        """Invent orders (marketplaces) and return their references. `options` are the simulator's own."""
        ...

    def state(self) -> dict[str, Any]:
        """Everything that the simulated outside holds, for assertions: at least `orders`."""
        ...

    def reset(self) -> None:
        """Forget everything, faults included."""
        ...


class OrderWish(BaseModel):
    """Body of `POST /_sandbox/orders`."""

    model_config = ConfigDict(extra="forbid")
    count: int = Field(default=1, ge=1, le=10_000)
    options: dict[str, Any] = {}


def control_routes(simulator: Simulator) -> APIRouter:
    """Routes below `/_sandbox` that tests and the demo steer a simulator with. Never part of a production image."""
    router = APIRouter(prefix="/_sandbox")

    @router.get("/faults")
    async def get_faults() -> dict[str, Any]:
        return {"known": sorted(simulator.faults.known), "rules": [r.model_dump() for r in simulator.faults.rules]}

    @router.put("/faults")
    async def put_faults(rules: list[FaultRule]) -> dict[str, int]:
        try:
            simulator.faults.set(rules)
        except ValueError as error:
            raise HTTPException(422, str(error)) from None
        return {"rules": len(rules)}

    @router.get("/record")
    async def get_record(since: int = 0) -> dict[str, Any]:
        entries = simulator.record.entries[since:]
        return {
            "next": since + len(entries),
            "entries": [{"kind": e.kind, "reference": e.reference, "at": e.at, "detail": e.detail} for e in entries],
        }

    @router.post("/orders")
    async def post_orders(wish: OrderWish) -> dict[str, list[str]]:
        try:
            return {"references": simulator.create_orders(wish.count, wish.options)}
        except ValueError as error:
            raise HTTPException(422, str(error)) from None

    @router.get("/state")
    async def get_state() -> dict[str, Any]:
        return simulator.state()

    @router.post("/reset")
    async def post_reset() -> dict[str, bool]:
        simulator.reset()
        return {"reset": True}

    return router


HANG_SECONDS = 120
"""Longer than any client time-out of the hub, so that the caller gives up first."""


class Hung(Exception):
    """A simulator would hang now, and its caller in this process does not want to wait (`giving_up_at_once`)."""


_gives_up_at_once: ContextVar[bool] = ContextVar("gives_up_at_once", default=False)


@contextmanager
def giving_up_at_once() -> Iterator[None]:
    """Calls made within see `Hung` where a real client would time out. For callers that run a simulator in process."""
    token = _gives_up_at_once.set(True)
    try:
        yield
    finally:
        _gives_up_at_once.reset(token)


async def hang() -> Response:
    """Answer only after every sensible client gave up (fault: time-out after the effect)."""
    if _gives_up_at_once.get():
        raise Hung
    await asyncio.sleep(HANG_SECONDS)
    return Response(status_code=504)
