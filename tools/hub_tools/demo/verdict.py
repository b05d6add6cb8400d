"""The end of the demo: is every order accounted for, on both sides? Exit code 0 only when the answer is yes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from hub_tools.demo.outside import REFUSED, Outside
from hub_tools.demo.scenario import Story
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import Cluster


@dataclass
class Verdict:
    """What was found. `wrong` is empty when everything is accounted for."""

    facts: list[tuple[str, str]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)


def judge(cluster: Cluster, story: Story, outside: Outside) -> Verdict:
    """Compare what was invented, what the marketplaces show, what the hub says and what the shop holds."""
    verdict = Verdict()
    invented = {(marketplace, ref) for marketplace, refs in story.references.items() for ref in refs}
    refused = {("manomano", reference) for reference in story.refused}
    shipped = outside.shipped()
    lost = invented - refused - shipped
    verdict.facts += [
        ("orders invented", str(len(invented))),
        ("shipped at the marketplaces", str(len(shipped))),
        ("of these in several parcels", str(outside.split_orders)),
        ("refused", str(sum(1 for order in refused if outside.statuses.get(order) in REFUSED))),
        ("refunds given", str(outside.refunds)),
        ("parked and resolved", ", ".join(story.resolved) or "none"),
        ("effects that took place", str(sum(outside.effects.values()))),
        ("effects that took place twice", str(len(outside.doubles()))),
    ]
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
    """The facts as a table."""
    table = Table(title="What happened", show_header=False)
    for name, value in verdict.facts:
        table.add_row(name, value)
    return table
