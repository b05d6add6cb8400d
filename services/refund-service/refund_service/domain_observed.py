"""Which refunds that the marketplace shows are not ours: pure. A refund made by hand must not be made again.

Ours are known by the marketplace's reference once it told us; while we are in doubt, or where it tells none, one of
the same line and money is taken for ours. What turns out otherwise later is corrected by a further ledger entry.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from hub_contracts.orders import ObservedRefund
from refund_service.money import Sums

Key = tuple[str, str]
"""(refund reference, line id)."""


@dataclass(frozen=True, slots=True)
class OwnRefund:
    """A refund that the hub sent, or may have sent, and that was not rejected."""

    references: tuple[str, ...]
    lines: tuple[tuple[str, Sums], ...]


def corrections(
    observed: Sequence[ObservedRefund], own: Sequence[OwnRefund], recorded: Mapping[Key, Sums]
) -> dict[Key, Sums]:
    """What the ledger must add so that it holds exactly the foreign refunds. Empty when it already does.

    A refund that the marketplace no longer shows stays recorded: money once seen going back is not handed out again.
    """
    foreign, ours = _split(observed, own)
    changes = {key: sums - recorded.get(key, Sums()) for key, sums in foreign.items()}
    changes |= {key: Sums() - recorded[key] for key in ours if key in recorded}
    return {key: sums for key, sums in changes.items() if sums}


def _split(observed: Sequence[ObservedRefund], own: Sequence[OwnRefund]) -> tuple[dict[Key, Sums], set[Key]]:
    references = {reference for refund in own for reference in refund.references}
    doubtful = [line for refund in own if not refund.references for line in refund.lines]
    foreign: dict[Key, Sums] = {}
    ours: set[Key] = set()
    for shown in observed:
        key = (shown.refund_reference, shown.line_id)
        sums = Sums(shown.quantity, shown.amount, shown.shipping_amount)
        twin = next((line for line in doubtful if _same(line, shown)), None)
        if shown.refund_reference in references:
            ours.add(key)
        elif twin is not None:
            doubtful.remove(twin)
            ours.add(key)
        else:
            foreign[key] = foreign.get(key, Sums()) + sums
    return foreign, ours


def _same(line: tuple[str, Sums], shown: ObservedRefund) -> bool:
    """Quantity is informative only at some marketplaces, so money and line decide."""
    line_id, sums = line
    return line_id == shown.line_id and sums.amount == shown.amount and sums.shipping == shown.shipping_amount
