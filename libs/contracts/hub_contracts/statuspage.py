"""The page about order statuses: a diagram and a table, both made from `TRANSITIONS`."""

from __future__ import annotations

from hub_contracts.catalogue import GENERATED, table
from hub_contracts.docfields import flat
from hub_contracts.status import FINAL, OPEN, TRANSITIONS, OrderStatus

_INTRO = """\
An edge that is not in the table is refused and the order is parked. Repeating the present status changes nothing.
An order may be seen for the first time in any status.
"""


def status_page() -> str:
    """The whole page."""
    return "\n".join(
        (
            GENERATED,
            "# Order statuses\n",
            f"{flat(OrderStatus.__doc__)}\n",
            _INTRO,
            _diagram(),
            "## Statuses\n",
            _statuses(),
            "## Transitions\n",
            table(
                ("from", "to", "what happened", "event"),
                ((f"`{edge.source}`", f"`{edge.target}`", edge.trigger, f"`{edge.event}`") for edge in TRANSITIONS),
            ),
        )
    )


def _diagram() -> str:
    edges = [f"    {edge.source} --> {edge.target}: {edge.trigger}" for edge in TRANSITIONS]
    ends = [f"    {status} --> [*]" for status in OrderStatus if status in FINAL]
    return "\n".join(("```mermaid", "stateDiagram-v2", *edges, *ends, "```\n"))


def _statuses() -> str:
    rows = (
        (
            f"`{status}`",
            "yes" if status in OPEN else "",
            "yes" if status in FINAL else "",
            ", ".join(f"`{edge.target}`" for edge in TRANSITIONS if edge.source == status),
        )
        for status in OrderStatus
    )
    return table(("status", "the seller owes something", "nothing follows", "may be followed by"), rows)
