"""Probes of a shop that cannot be looked into.

The generic contract has no read side, and needs none: the shop drops a `webhook-id` that it knows. So "not applied" is
the answer that leads to a harmless repeat, and a repeat is what makes it certain that the shop has the order.
"""

from __future__ import annotations

from connector_kit.outcome import ProbeResult, ProbeState


def probe(message_id: str, *, pulls: bool) -> ProbeResult:
    """What can be said about a message whose attempt ended unclear (a crash of ours after sending)."""
    if pulls:
        return ProbeResult(ProbeState.APPLIED, "the shop pulls its orders: the hub's own list is the delivery")
    evidence = (
        f"not looked up: the shop has no read side. By contract it drops a webhook-id that it knows, "
        f"so sending {message_id} again is harmless and settles it"
    )
    return ProbeResult(ProbeState.NOT_APPLIED, evidence)
