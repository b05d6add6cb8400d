"""The end of the demo: is every order accounted for, on both sides? Exit code 0 only when the answer is yes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from hub_tools.demo.outside import REFUSED, Outside
from hub_tools.demo.scenario import Story
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import Cluster

LEDGER = {
    "orders": "orders invented",
    "shipped": "shipped at the marketplaces",
    "in_several_parcels": "of these in several parcels",
    "refused": "refused",
    "refunds": "refunds given",
    "resolved": "parked and resolved",
    "effects": "effects that took place",
    "effects_twice": "effects that took place twice",
}
"""Figures of the ledger, as scripts and as people read them."""


@dataclass
class Verdict:
    """What was found: a value per name of LEDGER. `wrong` is empty when everything is accounted for."""

    ledger: dict[str, int | list[str]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """The verdict as a document."""
        return {"ok": not self.wrong, "ledger": self.ledger, "wrong": self.wrong}


def judge(cluster: Cluster, story: Story, outside: Outside) -> Verdict:
    """Compare what was invented, what the marketplaces show, what the hub says and what the shop holds."""
    verdict = Verdict()
    invented = {(marketplace, ref) for marketplace, refs in story.references.items() for ref in refs}
    refused = {("manomano", reference) for reference in story.refused}
    shipped = outside.shipped()
    lost = invented - refused - shipped
    verdict.ledger = {
        "orders": len(invented),
        "shipped": len(shipped),
        "in_several_parcels": outside.split_orders,
        "refused": sum(1 for order in refused if outside.statuses.get(order) in REFUSED),
        "refunds": outside.refunds,
        "resolved": list(story.resolved),
        "effects": sum(outside.effects.values()),
        "effects_twice": len(outside.doubles()),
    }
    verdict.wrong += [f"not shipped: {ref} at {m} is {outside.statuses.get((m, ref))}" for m, ref in sorted(lost)]
    verdict.wrong += [f"done twice: {text}" for text in outside.doubles()]
    verdict.wrong += [
        f"should be refused: {ref} is {outside.statuses.get((m, ref))}"
        for m, ref in refused
        if outside.statuses.get((m, ref)) not in REFUSED
    ]
    if outside.refunds < 1:
        verdict.wrong.append("no refund reached a marketplace")
    if outside.split_orders < 1:
        verdict.wrong.append("no order was shipped in several parcels")
    if len(story.resolved) < 2:
        verdict.wrong.append(f"two parked cases were to be resolved; resolved: {story.resolved}")
    verdict.wrong += unexplained(cluster, len(invented))
    return verdict


def unexplained(cluster: Cluster, expected: int) -> list[str]:
    """Orders that the hub's own console cannot explain, dead letters, and orders it does not know."""
    console = cluster.api("ops-console")
    wrong = [
        f"unexplained: order {order.get('order_number')} is {order.get('status')} and nobody is on it"
        for order in console.get("/v1/unexplained?older_than_seconds=0")["items"]
    ]
    known = sum(int(row["count"]) for row in console.get("/v1/today")["orders"])
    if known != expected:
        wrong.append(f"the console knows {known} of {expected} orders")
    for name in cluster.specs:
        try:
            letters: list[dict[str, Any]] = cluster.api(name).get("/v1/operations/dead-letters")["items"]
        except ApiError as error:
            wrong.append(f"{name}: {error}")
            continue
        wrong += [f"dead letter in {name}: {letter['error'][:160]}" for letter in letters]
    return wrong


def table_of(verdict: Verdict) -> Table:
    """The ledger as a table."""
    table = Table(title="What happened", show_header=False)
    for name, value in verdict.ledger.items():
        table.add_row(LEDGER[name], (", ".join(value) or "none") if isinstance(value, list) else str(value))
    return table
