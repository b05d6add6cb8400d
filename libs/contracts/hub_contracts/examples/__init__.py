"""One believable event of every type, all from the life of one invented seller.

They become the golden samples and the samples in the event catalogue. A type without an example cannot be published:
nobody could later prove that its oldest form is still read.
"""

from __future__ import annotations

from hub_contracts.examples import (
    aftersales,
    answers,
    money,
    offers,
    orders,
    reconciliations,
    settings,
    shops,
    work,
)
from hub_contracts.examples.world import Example

EXAMPLES: tuple[Example, ...] = (
    *settings.EXAMPLES,
    *orders.EXAMPLES,
    *answers.EXAMPLES,
    *shops.EXAMPLES,
    *money.EXAMPLES,
    *offers.EXAMPLES,
    *aftersales.EXAMPLES,
    *reconciliations.EXAMPLES,
    *work.EXAMPLES,
)

EXAMPLE_BY_TYPE: dict[str, Example] = {example.data.TYPE: example for example in EXAMPLES}
