"""Checks of a manifest as a whole, in words that its author can act on.

Each part of a manifest is validated when it is made. What slips through are contradictions between parts: an effect
that nothing says how to send is found by the first order that needs it, in production.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from connector_kit.manifest import Capability, FieldErrors, Manifest
from hub_contracts.connections import ConnectionKind

EFFECTS_OF: Mapping[Capability, tuple[str, ...]] = {
    Capability.ACCEPT: ("accept", "refuse"),
    Capability.SHIP: ("ship",),
    Capability.REFUND: ("refund",),
    Capability.CANCEL: ("cancel",),
    Capability.STOCK: ("set_stock",),
    Capability.PRICE: ("set_price",),
    Capability.INVOICE: ("upload_invoice",),
    Capability.PUBLISH_OFFERS: ("publish_offer",),
    Capability.RELEASE_OFFERS: ("release_offer",),
    Capability.PRODUCTS: ("import_products",),
    Capability.RETURNS: ("answer_return",),
    Capability.MESSAGES: ("send_message",),
    Capability.SHOP_ORDERS: ("create_order", "cancel_order"),
}
"""Effect kinds that a service plans when a connector has the capability."""


def check_manifest(manifest: Manifest) -> list[str]:
    """What is wrong with a manifest although each part of it is valid, in words; empty when nothing is."""
    problems = [
        *_check_effects(manifest),
        *_check_budgets(manifest),
        *_check_inputs(manifest),
    ]
    if not manifest.environments:
        problems.append("environments: at least one is needed, else no connection can be made")
    if Capability.ORDERS in manifest.capabilities and not manifest.status_map:
        problems.append("status_map: empty, so every order would be parked")
    if manifest.kind is ConnectionKind.SHOP and Capability.SHOP_ORDERS not in manifest.capabilities:
        problems.append("capabilities: a shop needs shop_orders, else nothing can be routed to it")
    if manifest.kind is ConnectionKind.MARKETPLACE and Capability.ORDERS not in manifest.capabilities:
        problems.append("capabilities: a marketplace needs orders, else nothing can be read from it")
    if Capability.REFUND in manifest.capabilities and manifest.orders.refund_level == "none":
        problems.append("orders.refund_level: none, and the capability refund is declared")
    return problems


def _check_effects(manifest: Manifest) -> list[str]:
    problems = []
    planned = {kind for one in manifest.capabilities for kind in EFFECTS_OF.get(one, ())}
    known = {kind for kinds in EFFECTS_OF.values() for kind in kinds}
    covered: dict[str, str] = {}
    for policy in manifest.effects:
        for kind in policy.kinds or (policy.operation,):
            if kind in covered:
                problems.append(f"effects: kind {kind} is declared twice ({covered[kind]}, {policy.operation})")
            elif kind not in known:
                problems.append(
                    f"effects: {kind!r} is no effect kind; name the kinds of operation {policy.operation!r}"
                )
            elif kind not in planned:
                problems.append(f"effects: kind {kind} is declared, and no capability of the connector plans it")
            covered[kind] = policy.operation
    problems += [
        f"effects: nothing says how {kind} is sent; add an EffectPolicy with its operation"
        for kind in sorted(planned - covered.keys())
    ]
    return problems


def _check_budgets(manifest: Manifest) -> list[str]:
    problems = [f"budgets: {one.operation}: owner is empty" for one in manifest.budgets if not one.owner.strip()]
    problems += [
        f"budgets: {one.operation}: deadline_reserve {one.deadline_reserve} leaves nothing of a burst of {one.burst}"
        for one in manifest.budgets
        if one.deadline_reserve >= one.burst
    ]
    operations = {one.operation for one in manifest.budgets}
    for profile in manifest.profiles:
        problems += [
            f"profiles: {profile.name}: operation {name!r} has no budget"
            for name in profile.calls_per_hour
            if name not in operations
        ]
    return problems


def _check_inputs(manifest: Manifest) -> list[str]:
    problems = []
    for where, fields in (("auth_fields", manifest.auth_fields), ("settings_fields", manifest.settings_fields)):
        names = [field.name for field in fields]
        problems += [f"{where}: {name} is declared twice" for name in sorted({n for n in names if names.count(n) > 1})]
        for field in fields:
            if field.kind == "choice" and not field.choices:
                problems.append(f"{where}: {field.name}: a choice without choices")
            if field.default is not None:
                try:
                    field.check(field.default)
                except ValueError as error:
                    problems.append(f"{where}: {field.name}: its default {error}")
    for profile in manifest.profiles:
        try:
            manifest.check_settings({"operator_profile": profile.name, **_demanded(manifest)})
        except FieldErrors as error:
            problems.append(f"profiles: {profile.name}: connector_settings: {error}")
    return problems


def _demanded(manifest: Manifest) -> dict[str, Any]:
    """Something in every required setting, so that only a profile's own values are judged."""
    made: dict[str, Any] = {}
    for field in manifest.settings_fields:
        if field.required and field.default is None:
            made[field.name] = {"integer": "1", "decimal": "1", "boolean": "true", "url": "https://x.example"}.get(
                field.kind, field.choices[0] if field.choices else "x"
            )
    return made
