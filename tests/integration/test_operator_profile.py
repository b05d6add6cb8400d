"""An operator's rules are data: the profile that a connection names puts invoices at shipment."""

from __future__ import annotations

from collections import Counter

import pytest

from .hub import Hub, eventually, of_type

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SKU = "TEL-PRO-128"


def test_a_shipped_order_has_its_invoice_at_the_marketplace_once(hub: Hub) -> None:
    connection_id = hub.setting.connections["mirakl"]
    [reference] = hub.buy("mirakl", (SKU, 1))
    row = hub.shows(connection_id, reference, "SHIPPED")

    def invoices() -> list[str]:
        entries = [entry for entry in hub.record("mirakl") if entry["kind"] == "invoice"]
        return [entry["reference"] for entry in entries if entry["reference"].startswith(f"{reference}/")]

    eventually(invoices, "the invoice is at the marketplace")
    told = eventually(lambda: of_type(hub.story(connection_id, reference), "invoice.uploaded.v1"), "and it is told")
    effects = Counter(effect["kind"] for effect in hub.effects(row["order_id"]))
    assert (len(invoices()), len(told), effects["upload_invoice"]) == (1, 1, 1)


def test_a_marketplace_whose_profile_asks_for_none_gets_no_invoice(hub: Hub) -> None:
    connection_id = hub.setting.connections["manomano"]
    [reference] = hub.buy("manomano", (SKU, 1))
    row = hub.shows(connection_id, reference, "SHIPPED")
    assert "upload_invoice" not in {effect["kind"] for effect in hub.effects(row["order_id"])}
