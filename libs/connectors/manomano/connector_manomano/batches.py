"""Puts requests into calls and outcomes back into their order.

Two things about the same order never share a call: a mixed answer names only the order, so it could not be told which
of the two failed. And a call refused as a whole is sent again in halves, so that one bad item does not hold up 49.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from connector_kit.http import Answer, CallError, NotSent
from connector_kit.outcome import Outcome
from connector_manomano.answers import Judge

Send = Callable[[Sequence[int]], Awaitable[Answer]]
"""Makes one call for the requests at these positions."""
Read = Callable[[Answer, Sequence[int]], list[Outcome]]
"""Reads a 2xx answer: one outcome per position."""


def batches(keys: Sequence[str], size: int) -> list[list[int]]:
    """Positions in calls of at most `size`; equal keys go into different calls, in their order."""
    calls: list[list[int]] = []
    next_call: dict[str, int] = {}
    for position, key in enumerate(keys):
        at = next_call.get(key, 0)
        while at < len(calls) and len(calls[at]) >= size:
            at += 1
        if at == len(calls):
            calls.append([])
        calls[at].append(position)
        next_call[key] = at + 1
    return calls


async def send_sound(
    obstacles: Sequence[str | None], send: Callable[[Sequence[int]], Awaitable[Sequence[Outcome]]]
) -> list[Outcome]:
    """One outcome per request: what has an obstacle is rejected with it and not sent, the rest goes through `send`."""
    sent = iter(await send([position for position, obstacle in enumerate(obstacles) if obstacle is None]))
    return [next(sent) if obstacle is None else Outcome.rejected(obstacle) for obstacle in obstacles]


@dataclass(frozen=True, slots=True)
class Delivery:
    """One kind of batch call: how to send it, how to judge and read its answer."""

    judge: Judge
    send: Send
    read: Read

    async def run(self, keys: Sequence[str], size: int) -> list[Outcome]:
        """One outcome per key, in order. After a wall (quota, key, nothing sent) the rest is not tried."""
        outcomes: dict[int, Outcome] = {}
        wall: Outcome | None = None
        for batch in batches(keys, size):
            if wall is None:
                wall = await self._attempt(batch, outcomes)
            outcomes |= {position: wall for position in batch if position not in outcomes and wall is not None}
        return [outcomes[position] for position in range(len(keys))]

    async def _attempt(self, batch: Sequence[int], outcomes: dict[int, Outcome]) -> Outcome | None:
        """Send one call and note its outcomes; returns the outcome of everything not tried when a wall was met."""
        try:
            answer = await self.send(batch)
        except NotSent as error:
            return Outcome.retry(self.judge.hide(f"not sent: {error}"), after=error.retry_after)
        except CallError as error:
            doubt = self.judge.unsure(self.judge.hide(f"no clear answer: {error}"))
            outcomes |= dict.fromkeys(batch, doubt)
            return None
        if 200 <= answer.status < 300:
            outcomes |= zip(batch, self.read(answer, batch), strict=True)
            return None
        if self.judge.halts(answer):
            return self.judge.refusal(answer)
        if len(batch) > 1 and self.judge.splittable(answer):
            half = len(batch) // 2
            wall = await self._attempt(batch[:half], outcomes)
            return wall or await self._attempt(batch[half:], outcomes)
        outcomes |= dict.fromkeys(batch, self.judge.refusal(answer))
        return None
