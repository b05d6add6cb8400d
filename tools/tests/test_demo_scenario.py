"""The demo's shop: whatever the number of orders, each case that the ledger asks for comes up."""

from __future__ import annotations

import pytest

from hub_tools.demo.scenario import shop_script


@pytest.mark.parametrize("orders", [10, 20, 100, 300, 5000])
def test_every_case_comes_up_among_few_orders(orders: int) -> None:
    script = shop_script(orders)
    # The two special orders reach no shop, or late; a part of the others has one unit only and cannot be split.
    routed = orders - 2
    assert 1 <= script["return_every_n"] <= routed
    assert 1 <= script["unknown_carrier_every_n"] <= routed
    assert 1 <= script["partial_every_n"] <= routed / 2
