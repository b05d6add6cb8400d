"""Somebody changes an offer in the marketplace's own back office; the hub finds it, mends it and can prove both."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from hub_tools.run.api import Api
from hub_tools.run.cluster import SANDBOX

from .hub import Hub, eventually, key_of

pytestmark = [pytest.mark.stack, pytest.mark.timeout(240)]

SKU = "COQUE-NOIR"
LISTED = 4321
TYPED_IN = 7
CHANGE = "/manomano/api/v2/offer-information/offers"


def test_a_difference_is_found_repaired_and_stated(hub: Hub, contracts: Iterator[int]) -> None:
    contract = next(contracts)
    shop = hub.shop("compared", SKU, stock={SKU: LISTED})
    rules = {"settle_minutes": 0, "every_minutes": 600}
    connection_id = hub.manomano(contract, shop, reconciliation=rules)
    hub.has_stock(connection_id, SKU)
    eventually(lambda: _stock(hub, contract) == LISTED, "the marketplace shows the shop's stock")
    audit = hub.cluster.api("reconciliation")
    _compare(audit, connection_id)
    assert _differences(audit, connection_id, "all") == []

    _type_in(hub, contract, TYPED_IN)
    _compare(audit, connection_id)
    assert _differences(audit, connection_id, "all") == []
    _compare(audit, connection_id)
    [told] = eventually(lambda: _differences(audit, connection_id, "open"), "the difference is told")
    assert (told["kind"], told["offer_sku"], told["owner"]) == ("stock", SKU, "stock-sync")
    assert (told["hub_value"], told["marketplace_value"]) == (str(LISTED), str(TYPED_IN))
    eventually(lambda: _stock(hub, contract) == LISTED, "stock-sync sent the quantity again")

    def agreed() -> Any:
        _compare(audit, connection_id)
        return _differences(audit, connection_id, "resolved")

    [over] = eventually(agreed, "a later comparison shows that both agree")
    assert over["difference_id"] == told["difference_id"]
    statement = audit.post(f"/v1/connections/{connection_id}/statements", {})
    assert (statement["differences_found"], statement["differences_resolved"]) == (1, 1)
    assert (statement["differences_open"], statement["complete"]) == (0, True)
    assert statement["effects_by_kind"]["set_stock"] >= 2


def _stock(hub: Hub, contract: int) -> int:
    return int(hub.state("manomano")["offers"][f"{contract}:{SKU}"]["stock"])


def _type_in(hub: Hub, contract: int, quantity: int) -> None:
    """The change that a person makes at the marketplace: by its own interface, unknown to the hub."""
    body = {
        "content": [
            {"seller_contract_id": contract, "items": [{"sku": SKU, "stock": {"quantity": quantity}}]},
        ]
    }
    headers = {"x-api-key": key_of(contract), "x-thirdparty-name": "BackOffice_1.0"}
    answer = httpx.patch(hub.cluster.url(SANDBOX) + CHANGE, json=body, headers=headers)
    assert answer.is_success, answer.text


def _compare(audit: Api, connection_id: str) -> None:
    """Ask for a comparison and wait for one that began afterwards."""
    before = _round(audit, connection_id)
    audit.post(f"/v1/connections/{connection_id}/comparisons", {})

    def done() -> bool:
        row = _row(audit, connection_id)
        return bool(row) and row["phase"] == "idle" and (row["round"] or 0) > before and not row["requested_at"]

    eventually(done, "the comparison is finished")


def _row(audit: Api, connection_id: str) -> dict[str, Any]:
    rows = audit.get("/v1/comparisons?limit=1000")["items"]
    return next((row for row in rows if row["connection_id"] == connection_id), {})


def _round(audit: Api, connection_id: str) -> int:
    return int(_row(audit, connection_id).get("round") or 0)


def _differences(audit: Api, connection_id: str, state: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = audit.get(f"/v1/differences?connection_id={connection_id}&state={state}")["items"]
    return items
