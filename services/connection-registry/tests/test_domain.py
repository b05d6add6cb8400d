"""States and the activation gate, pure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from connection_registry.domain import ShopSeen, Situation, Step, StepRefused, checklist, next_state, unmet
from hub_contracts.connections import (
    CarrierSettings,
    ConnectionKind,
    ConnectionState,
    DefaultCarrier,
    HubSettings,
    ImportSettings,
    SkuSettings,
)
from hub_contracts.orders import Environment

INACTIVE, ACTIVE, PAUSED = ConnectionState.INACTIVE, ConnectionState.ACTIVE, ConnectionState.PAUSED
SHOP = UUID(int=7)
LINKED = ShopSeen(SHOP, "t", Environment.SANDBOX)
COMPLETE = Situation(
    kind=ConnectionKind.MARKETPLACE,
    tenant="t",
    environment=Environment.SANDBOX,
    settings=HubSettings(
        carriers=CarrierSettings(default_carriers=(DefaultCarrier(carrier_name="DPD"),)),
        sku=SkuSettings(link_mode="linked"),
        orders=ImportSettings(import_from=datetime(2026, 1, 1, tzinfo=UTC)),
    ),
    verified=True,
    verification_detail="",
    credentials_missing=(),
    needs_base_url=False,
    links=1,
    shops=(LINKED,),
)
SHOP_SIDE = replace(COMPLETE, kind=ConnectionKind.SHOP, settings=HubSettings(), links=0, shops=(), delivery="webhook")


@pytest.mark.parametrize(
    ("state", "step", "after"),
    [
        (INACTIVE, Step.ACTIVATE, ACTIVE),
        (ACTIVE, Step.ACTIVATE, None),
        (ACTIVE, Step.PAUSE, PAUSED),
        (PAUSED, Step.PAUSE, None),
        (PAUSED, Step.RESUME, ACTIVE),
        (ACTIVE, Step.RESUME, None),
        (ACTIVE, Step.DEACTIVATE, INACTIVE),
        (PAUSED, Step.DEACTIVATE, INACTIVE),
        (INACTIVE, Step.DEACTIVATE, None),
    ],
)
def test_steps_that_lead_on_or_change_nothing(
    state: ConnectionState, step: Step, after: ConnectionState | None
) -> None:
    assert next_state(state, step) == after


@pytest.mark.parametrize(("state", "step"), [(INACTIVE, Step.PAUSE), (INACTIVE, Step.RESUME), (PAUSED, Step.ACTIVATE)])
def test_other_steps_say_what_is_possible(state: ConnectionState, step: Step) -> None:
    with pytest.raises(StepRefused, match="possible: "):
        next_state(state, step)


def test_nothing_is_unmet_when_all_is_set() -> None:
    assert unmet(checklist(COMPLETE)) == ()
    assert unmet(checklist(SHOP_SIDE)) == ()


@pytest.mark.parametrize(
    ("changes", "settings", "expected"),
    [
        ({"verified": False, "verification_detail": "HTTP 401"}, {}, {"credentials_verified"}),
        ({"credentials_missing": ("api_key",)}, {}, {"credentials_set"}),
        ({"needs_base_url": True}, {}, {"address_set"}),
        ({}, {"carriers": CarrierSettings()}, {"default_carrier"}),
        ({}, {"sku": SkuSettings()}, {"sku_link_mode"}),
        ({}, {"orders": ImportSettings()}, {"import_from"}),
        ({"links": 0, "shops": ()}, {}, {"sku_link_mode", "shop_chosen"}),
        ({"links": 0, "shops": ()}, {"sku": SkuSettings(link_mode="pass_through")}, {"shop_chosen"}),
        ({"shops": (ShopSeen(SHOP, None, None),)}, {}, {"environment_consistent"}),
        ({"shops": (LINKED, ShopSeen(SHOP, "t", Environment.PRODUCTION))}, {}, {"environment_consistent"}),
        ({"shops": (ShopSeen(SHOP, "other", Environment.SANDBOX),)}, {}, {"environment_consistent"}),
        ({"shops": (ShopSeen(SHOP, "t", Environment.SANDBOX, is_shop=False),)}, {}, {"environment_consistent"}),
    ],
)
def test_each_missing_condition_is_named_with_what_to_do(
    changes: dict[str, Any], settings: dict[str, Any], expected: set[str]
) -> None:
    situation = replace(COMPLETE, settings=COMPLETE.settings.model_copy(update=settings), **changes)
    items = unmet(checklist(situation))
    assert {item.name for item in items} == expected
    assert all(item.detail and item.next_step for item in items)


def test_a_sandbox_shop_is_named_when_the_connection_is_production() -> None:
    items = unmet(checklist(replace(COMPLETE, environment=Environment.PRODUCTION)))
    assert [item.name for item in items] == ["environment_consistent"]
    assert "is a sandbox shop, this connection is production" in items[0].detail


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"delivery": "open"}, {"delivery_chosen"}),
        ({"delivery": "pull"}, {"api_key"}),
        ({"delivery": "pull", "api_keys": 1}, set()),
        ({"delivery": "fixed"}, set()),
    ],
)
def test_shops_need_a_way_to_get_their_orders(changes: dict[str, Any], expected: set[str]) -> None:
    assert {item.name for item in unmet(checklist(replace(SHOP_SIDE, **changes)))} == expected
