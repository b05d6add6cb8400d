"""What is wrong with one cell of one article, and what to do next. The same form for feeds, offers and imports: pure.

A file that is refused "because of errors" is opened, looked at and closed again. One whose refusal names the row, the
column, the rule and the next step is corrected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MAX_SHOWN = 100
"""A missing import is one problem per article; a hundred show it as well as ten thousand."""

NEXT_STEPS: Mapping[str, str] = {
    "price_vat_included": "Correct the price in the shop, or link the offer to a shop that states one.",
    "quantity": "Have the shop state its stock.",
    "Carrier Grid": "Name active shipping templates for the article, by a rule, an assignment or a default template; "
    "rules by weight need the product's weight.",
    "shipping_time": "Correct the days of the shipping template.",
    "sku": "Give each article a SKU of its own.",
    "weight": "Import the weight of the product, in kilograms.",
}
"""By column; what is not here is product data."""
PRODUCT_STEP = "Complete the product's data and import it again (POST /v1/products/import)."


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an article cannot be in the feed."""

    sku: str
    column: str
    rule: str

    def __str__(self) -> str:
        return f"{self.sku}: {self.column} {self.rule}"

    @property
    def next_step(self) -> str:
        """What a person does about it."""
        return NEXT_STEPS.get(self.column, PRODUCT_STEP)

    def view(self) -> dict[str, str]:
        """As JSON."""
        return {"sku": self.sku, "column": self.column, "rule": self.rule, "next_step": self.next_step}


def shown(problems: Sequence[Problem]) -> tuple[str, ...]:
    """Problems as text, cut to what people read."""
    texts = tuple(str(problem) for problem in problems[:MAX_SHOWN])
    rest = len(problems) - len(texts)
    return (*texts, f"and {rest} more") if rest else texts


def as_text(problem: Mapping[str, Any]) -> str:
    """A marketplace's problem (`connector_kit.offers.Problem` as JSON) as one line, with what to do next."""
    row = f"row {problem['row']}: " if problem.get("row") else ""
    step = f" — {problem['next_step']}" if problem.get("next_step") else ""
    return f"{row}{problem.get('field', '')}: {problem.get('rule', '')}{step}"[:500]
