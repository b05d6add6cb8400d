"""What a connector declares about itself, as data: services and console decide from this, never from its name."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from connector_kit.profiles import OperatorProfile, profile_of
from hub_contracts.connections import ConnectionKind
from hub_contracts.orders import Environment
from hub_contracts.status import OrderStatus

NAME = re.compile(r"^[a-z][a-z0-9_]{1,40}$")


class Declared(BaseModel):
    """Base of manifest parts: unknown keys are an error, because a misspelt capability would be silently off."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Capability(StrEnum):
    """What a connector can do. A service uses a connector only through the protocol of the capability."""

    ORDERS = "orders"
    ACCEPT = "accept"
    SHIP = "ship"
    REFUND = "refund"
    CANCEL = "cancel"
    STOCK = "stock"
    PRICE = "price"
    INVOICE = "invoice"
    CARRIERS = "carriers"
    REASONS = "reasons"
    FEED = "feed"
    SHOP_ORDERS = "shop_orders"
    SHOP_INVOICES = "shop_invoices"
    OFFERS = "offers"
    PUBLISH_OFFERS = "publish_offers"
    RELEASE_OFFERS = "release_offers"
    PRODUCTS = "products"
    RETURNS = "returns"
    MESSAGES = "messages"
    DOCUMENTS = "documents"
    ORDER_EXPORT = "order_export"
    NOTICES = "notices"


class InputField(Declared):
    """A value a person types in: rendered by the console, validated before it is stored."""

    name: str
    title: str
    kind: Literal["text", "secret", "integer", "decimal", "boolean", "choice", "url"] = "text"
    required: bool = True
    choices: tuple[str, ...] = ()
    default: str | None = None
    help: str = ""

    def check(self, value: object) -> object:
        """Return the value in its proper type. Raises `ValueError` with the rule that it breaks."""
        if self.kind == "integer":
            if isinstance(value, bool) or not re.fullmatch(r"-?\d+", str(value)):
                raise ValueError("must be a whole number")
            return int(str(value))
        if self.kind == "boolean":
            if str(value).lower() not in ("true", "false"):
                raise ValueError("must be true or false")
            return str(value).lower() == "true"
        if self.kind == "decimal":
            if not re.fullmatch(r"-?\d+(\.\d+)?", str(value)):
                raise ValueError("must be a decimal number with a point")
            return str(value)
        if not isinstance(value, str) or not value.strip():
            raise ValueError("must be a non-empty text")
        if self.kind == "choice" and value not in self.choices:
            raise ValueError(f"must be one of {', '.join(self.choices)}")
        if self.kind == "url" and not re.fullmatch(r"https?://[^\s/@]+(/[^\s]*)?", value):
            raise ValueError("must be an http(s) address without user name")
        return value.strip()


class Budget(Declared):
    """Calls allowed for one operation of one credential, and the service that alone uses it."""

    operation: str
    calls: int = Field(gt=0)
    per_seconds: int = Field(gt=0)
    burst: int = Field(default=1, gt=0)
    owner: str
    """Service that makes these calls; a budget is never shared between services."""
    deadline_reserve: int = Field(default=0, ge=0)
    """Calls of the burst that only the deadline lane may use."""
    source: str = ""


class EffectPolicy(Declared):
    """How a kind of effect is sent and how it behaves when its answer is ambiguous."""

    operation: str
    """The budget that its calls draw on."""
    kinds: tuple[str, ...] = ()
    """Effect kinds it holds for (`set_stock`, `set_price`…); empty = the kind named like the operation."""
    batch_size: int = Field(default=1, gt=0)
    settle_seconds: float = Field(default=5, ge=0)
    """Wait before a probe believes that nothing was applied: a slow server may still be working on our call."""
    confirmations: int = Field(default=1, ge=1)
    """How many probes in a row must show "not applied" before it may be sent again."""
    on_undecided: Literal["operator", "retry"] = "operator"


class EnvironmentAddress(Declared):
    """Where the API lives. `base_url` None means that every connection must give its own."""

    environment: Environment
    base_url: str | None = None
    opening_hours: str | None = None
    """For people: when the environment answers at all."""


class OrderTraits(Declared):
    """How orders behave at this marketplace."""

    line_acceptance: bool = False
    partial_shipment: bool = False
    refund_level: Literal["none", "order", "line_quantity", "line_amount"] = "none"
    releases_on_accept: bool = True
    """False where a payment debit follows the acceptance and the order must not be shipped before."""
    accept_within_hours: int | None = None
    """Default accept-by window counted from the order's creation; changeable per connection."""
    requires_tracking_url: bool = False
    address_before_acceptance: bool = True
    """False where the marketplace may hide the address until the order is accepted."""
    carriers: Literal["codes", "names"] = "names"


class ChecklistItem(Declared):
    """Something that must be true before a connection goes live."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{1,40}$")
    title: str
    help: str = ""
    check: Literal["feed_complete", "feed_fetched", "offers_listed", "products_taken"] | None = None
    """What the hub sees by itself; None = a person says so."""


class Manifest(Declared):
    """Everything about a connector that is not code."""

    name: str
    title: str
    kind: ConnectionKind
    version: str
    capabilities: frozenset[Capability]
    environments: tuple[EnvironmentAddress, ...]
    auth_fields: tuple[InputField, ...]
    settings_fields: tuple[InputField, ...] = ()
    status_map: Mapping[str, OrderStatus] = {}
    """The marketplace's word → hub status. A word that is not here parks the order."""
    orders: OrderTraits = OrderTraits()
    budgets: tuple[Budget, ...] = ()
    quota: Literal["per_operation", "shared"] = "per_operation"
    """`shared`: the budgets are shares of one quota, so a refusal of one operation silences the whole credential."""
    effects: tuple[EffectPolicy, ...] = ()
    profiles: tuple[OperatorProfile, ...] = ()
    """Operators of this platform by name; a connection names its own in the connector setting `operator_profile`."""
    go_live: tuple[ChecklistItem, ...] = ()
    """What to do before a connection goes live; empty = what its capabilities suggest."""
    poll_seconds: int = Field(default=60, gt=0)
    currency_default: str = "EUR"
    docs_url: str | None = None

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        if not NAME.match(value):
            raise ValueError("must be lower-case letters, digits and underscores")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Manifest:
        operations = {budget.operation for budget in self.budgets}
        if len(operations) != len(self.budgets):
            raise ValueError("budgets: an operation is declared twice, so its owner would be ambiguous")
        if len({item.name for item in self.go_live}) != len(self.go_live):
            raise ValueError("go_live: an item is declared twice")
        for policy in self.effects:
            if policy.operation not in operations:
                raise ValueError(f"effects: operation {policy.operation!r} has no budget")
        return self

    def budget(self, operation: str) -> Budget:
        """Budget of an operation. Raises `KeyError` when the manifest does not declare it."""
        for budget in self.budgets:
            if budget.operation == operation:
                return budget
        raise KeyError(f"connector {self.name} declares no budget for operation {operation!r}")

    def effect(self, kind: str) -> EffectPolicy:
        """Policy of an effect kind; the careful default when none is declared."""
        for policy in self.effects:
            if kind in (policy.kinds or (policy.operation,)):
                return policy
        return EffectPolicy(operation=kind)

    def profile(self, connector_settings: Mapping[str, Any]) -> OperatorProfile | None:
        """The operator's profile that a connection names, None without one."""
        return profile_of(self.profiles, connector_settings)

    def accept_within_hours(self, connector_settings: Mapping[str, Any]) -> int | None:
        """Hours from the order's creation within which it must be answered: the profile's, else the connector's."""
        profile = self.profile(connector_settings)
        own = profile.accept_within_hours if profile else None
        return self.orders.accept_within_hours if own is None else own

    def poll_every(self, connector_settings: Mapping[str, Any]) -> int:
        """Seconds between polls: the profile's, else the connector's."""
        profile = self.profile(connector_settings)
        return (profile.poll_seconds if profile else None) or self.poll_seconds

    def address(self, environment: Environment) -> str | None:
        """Base address of an environment, None when the connection must give it."""
        for entry in self.environments:
            if entry.environment == environment:
                return entry.base_url
        raise KeyError(f"connector {self.name} has no {environment} environment")

    def check_settings(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Validate connector settings; what is absent comes from the operator's profile, then from the fields' own
        defaults. Raises `FieldErrors` naming every wrong field."""
        profile = self.profile(given)
        return _check_fields(self.settings_fields, {**(profile.connector_settings if profile else {}), **given})

    def check_credentials(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Validate credentials. Raises `FieldErrors`; messages never contain the values."""
        return _check_fields(self.auth_fields, given)


class FieldErrors(ValueError):
    """Fields that break their rules: `{field: rule}`."""

    def __init__(self, errors: dict[str, str]) -> None:
        super().__init__("; ".join(f"{field}: {rule}" for field, rule in errors.items()))
        self.errors = errors


def _check_fields(fields: tuple[InputField, ...], given: Mapping[str, Any]) -> dict[str, Any]:
    checked: dict[str, Any] = {}
    errors = {name: "is not a known field" for name in given if name not in {field.name for field in fields}}
    for field in fields:
        value = given.get(field.name, field.default)
        if value is None:
            if field.required:
                errors[field.name] = "is required"
            continue
        try:
            checked[field.name] = field.check(value)
        except ValueError as error:
            errors[field.name] = str(error)
    if errors:
        raise FieldErrors(errors)
    return checked
