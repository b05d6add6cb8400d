"""Pure decisions about a connection: which state may follow which, and whether it may be switched on.

A connection that is activated half configured fetches orders that nobody can route and answers with parcels that no
carrier is known for; the gate names everything that is missing at once, with what to do about it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal
from uuid import UUID

from hub_contracts.connections import ConnectionKind, ConnectionState, HubSettings
from hub_contracts.orders import Environment


class Step(StrEnum):
    """What a person asks for."""

    ACTIVATE = "activate"
    PAUSE = "pause"
    RESUME = "resume"
    DEACTIVATE = "deactivate"


_MOVES: Mapping[Step, tuple[Collection[ConnectionState], ConnectionState]] = {
    Step.ACTIVATE: ((ConnectionState.INACTIVE,), ConnectionState.ACTIVE),
    Step.PAUSE: ((ConnectionState.ACTIVE,), ConnectionState.PAUSED),
    Step.RESUME: ((ConnectionState.PAUSED,), ConnectionState.ACTIVE),
    Step.DEACTIVATE: ((ConnectionState.ACTIVE, ConnectionState.PAUSED), ConnectionState.INACTIVE),
}
STATE_AFTER = {step: target for step, (_, target) in _MOVES.items()}
PAST = {Step.ACTIVATE: "activated", Step.PAUSE: "paused", Step.RESUME: "resumed", Step.DEACTIVATE: "deactivated"}
"""Word of the audit for each step."""


class StepRefused(ValueError):
    """The step does not lead on from the present state."""


def next_state(state: ConnectionState, step: Step) -> ConnectionState | None:
    """The state after `step`; None when it is there already. Raises `StepRefused` saying what is possible."""
    sources, target = _MOVES[step]
    if state is target:
        return None
    if state not in sources:
        possible = ", ".join(each.value for each, (froms, _) in _MOVES.items() if state in froms)
        raise StepRefused(f"a connection that is {state.value} cannot {step.value}; possible: {possible}")
    return target


@dataclass(frozen=True, slots=True)
class ShopSeen:
    """A shop that links or routing rules of a marketplace connection point to; None = it is not known (any more)."""

    shop_connection_id: UUID
    tenant: str | None
    environment: Environment | None
    is_shop: bool = True


@dataclass(frozen=True, slots=True)
class Situation:
    """Everything that the gate looks at."""

    kind: ConnectionKind
    tenant: str
    environment: Environment
    settings: HubSettings
    verified: bool
    verification_detail: str
    """What the last verification said, "" when there was none."""
    credentials_missing: tuple[str, ...]
    needs_base_url: bool
    links: int
    shops: tuple[ShopSeen, ...] = ()
    delivery: Literal["webhook", "pull", "open", "fixed"] = "fixed"
    """How a shop gets its orders; `fixed`: its connector leaves no choice."""
    api_keys: int = 0


@dataclass(frozen=True, slots=True)
class Item:
    """One condition of activation. `next_step` is "" when it is met."""

    name: str
    met: bool
    detail: str
    next_step: str = ""

    @property
    def state(self) -> str:
        """`done` or `open`."""
        return "done" if self.met else "open"


def _item(name: str, met: bool, done: str, missing: str, next_step: str) -> Item:
    return Item(name, True, done) if met else Item(name, False, missing, next_step)


def checklist(situation: Situation) -> tuple[Item, ...]:
    """All conditions of activation in the order in which they are best dealt with."""
    return (*_access(situation), *(_marketplace(situation) if _is_marketplace(situation) else _shop(situation)))


def unmet(items: Collection[Item]) -> tuple[Item, ...]:
    """What still stands in the way."""
    return tuple(item for item in items if not item.met)


def _is_marketplace(situation: Situation) -> bool:
    return situation.kind is ConnectionKind.MARKETPLACE


def _access(s: Situation) -> tuple[Item, ...]:
    missing = ", ".join(s.credentials_missing)
    said = f"the last check said: {s.verification_detail}" if s.verification_detail else "never checked"
    return (
        _item(
            "address_set",
            not s.needs_base_url,
            "the address is known",
            "this connector has no fixed address",
            "set base_url",
        ),
        _item("credentials_set", not missing, "all are set", f"missing: {missing}", "enter the credentials"),
        _item(
            "credentials_verified",
            s.verified,
            "a cheap read succeeded",
            said,
            "run the verification; if it fails, correct credentials, address or settings as it says",
        ),
    )


def _marketplace(s: Situation) -> tuple[Item, ...]:
    mode, carriers = s.settings.sku.link_mode, s.settings.carriers.default_carriers
    routed = s.links > 0 or bool(s.settings.routing)
    return (
        _item(
            "default_carrier",
            bool(carriers),
            f"{len(carriers)} set",
            "no default carrier: parcels that no rule matches could not be told to the marketplace",
            "choose a default carrier (settings.carriers.default_carriers)",
        ),
        _item(
            "sku_link_mode",
            mode == "pass_through" or (mode == "linked" and s.links > 0),
            "SKUs are equal on both sides" if mode == "pass_through" else f"{s.links} SKU link(s)",
            "not chosen" if mode == "unset" else "explicit links are demanded and there is none",
            "choose settings.sku.link_mode: linked or pass_through"
            if mode == "unset"
            else "add SKU links, or choose pass_through if SKUs are equal on both sides",
        ),
        _item(
            "shop_chosen",
            routed,
            "links or routing rules name a shop",
            "nothing says which shop serves the orders",
            "add a routing rule (settings.routing), or SKU links",
        ),
        _item(
            "import_from",
            s.settings.orders.import_from is not None,
            "set",
            "not said from which date on open orders flow",
            "set settings.orders.import_from",
        ),
        _environment(s),
    )


def _environment(s: Situation) -> Item:
    wrong = [f"{shop.shop_connection_id} {problem}" for shop in s.shops if (problem := shop_problem(s, shop))]
    return _item(
        "environment_consistent",
        not wrong,
        f"everything is {s.environment.value}",
        "; ".join(wrong),
        "link and route to shops of the same tenant and environment only",
    )


def shop_problem(where: Situation | ShopSeen, shop: ShopSeen) -> str:
    """Why a shop must not serve a marketplace connection, "" when it may."""
    if shop.environment is None:
        return "is not a known connection"
    if not shop.is_shop:
        return "is not a shop"
    if shop.tenant != where.tenant:
        return "belongs to another tenant"
    if shop.environment is not where.environment:
        expected = where.environment.value if where.environment else "unknown"
        return f"is a {shop.environment.value} shop, this connection is {expected}"
    return ""


def _shop(s: Situation) -> tuple[Item, ...]:
    items = [
        _item(
            "delivery_chosen",
            s.delivery != "open",
            {"webhook": "orders are posted to the shop", "pull": "the shop pulls its orders"}.get(s.delivery, "fixed"),
            "neither a webhook address nor pulling is set",
            "set the webhook address, or choose delivery pull",
        )
    ]
    if s.delivery == "pull":
        items.append(
            _item(
                "api_key",
                s.api_keys > 0,
                f"{s.api_keys} live",
                "a shop that pulls needs an API key",
                "create an API key and give it to the shop",
            )
        )
    return tuple(items)
