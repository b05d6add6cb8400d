"""Contradictions between parts of a manifest are named in words."""

from __future__ import annotations

from typing import Any

import pytest

from connector_kit.manifest import Budget, Capability, EffectPolicy, InputField, OrderTraits
from connector_kit.manifest_check import check_manifest
from connector_kit.profiles import OperatorProfile
from hub_contracts.connections import ConnectionKind

from .toy import MANIFEST

ORDERS_ONLY = frozenset({Capability.ORDERS})
POLICY = EffectPolicy(operation="ship")


def budget(**changes: Any) -> Budget:
    return Budget(**{"operation": "ship", "calls": 1, "per_seconds": 1, "owner": "shipment-notifier", **changes})


def choice(**changes: Any) -> InputField:
    return InputField(**{"name": "country", "title": "Country", "kind": "choice", "choices": ("FR",), **changes})


def test_good_manifest_has_no_problems() -> None:
    assert check_manifest(MANIFEST) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"effects": ()}, "nothing says how accept is sent"),
        ({"effects": (*MANIFEST.effects, POLICY)}, "kind ship is declared twice"),
        ({"effects": (*MANIFEST.effects, EffectPolicy(operation="verify"))}, "'verify' is no effect kind"),
        ({"capabilities": ORDERS_ONLY}, "kind ship is declared, and no capability"),
        ({"budgets": (*MANIFEST.budgets, budget(operation="x", owner=" "))}, "x: owner is empty"),
        ({"budgets": (*MANIFEST.budgets, budget(operation="x", deadline_reserve=1))}, "leaves nothing of a burst of 1"),
        ({"environments": ()}, "environments: at least one"),
        ({"status_map": {}}, "every order would be parked"),
        ({"kind": ConnectionKind.SHOP}, "a shop needs shop_orders"),
        ({"capabilities": frozenset({Capability.ACCEPT})}, "a marketplace needs orders"),
        ({"capabilities": ORDERS_ONLY | {Capability.REFUND}}, "orders.refund_level: none"),
        ({"settings_fields": (choice(), choice())}, "country is declared twice"),
        ({"settings_fields": (choice(choices=()),)}, "a choice without choices"),
        ({"settings_fields": (choice(default="DE"),)}, "its default must be one of FR"),
        (
            {"profiles": (OperatorProfile(name="x1", title="X", source="s", calls_per_hour={"none": 1}),)},
            "operation 'none' has no budget",
        ),
        (
            {"profiles": (OperatorProfile(name="x1", title="X", source="s", connector_settings={"a": "b"}),)},
            "x1: connector_settings: ",
        ),
    ],
)
def test_contradiction_is_named(changes: dict[str, Any], said: str) -> None:
    problems = check_manifest(MANIFEST.model_copy(update=changes))
    assert any(said in problem for problem in problems), problems


def test_refund_level_is_enough() -> None:
    manifest = MANIFEST.model_copy(update={"orders": OrderTraits(refund_level="order")})
    assert check_manifest(manifest) == []
