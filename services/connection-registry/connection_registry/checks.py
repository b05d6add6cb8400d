"""Checks a connection as a person gave it, against its connector's manifest. All that is wrong is said at once.

The connector is only ever asked for data: nothing here knows one by name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import SecretStr, ValidationError

from connection_registry.setting_rules import Broken, broken_limits, escape, merge, suggestion, unknown_names
from connector_kit.discovery import UnknownConnector, connector
from connector_kit.manifest import FieldErrors, Manifest
from hub_common.http import AddressPolicy, AddressRefused, check_url
from hub_common.web import FieldError, Problem
from hub_contracts.connections import ConnectionKind, HubSettings
from hub_contracts.orders import Environment

MAX_SECRET = 4096
"""Longest credential; keys and certificates of every service we know are shorter."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


@dataclass
class Form:
    """Collects errors of one request; `finish` raises them all as one problem."""

    manifest: Manifest
    policy: AddressPolicy
    errors: list[FieldError] = field(default_factory=list)

    def add(self, pointer: str, rule: str) -> None:
        """One rule broken by one member of the body."""
        self.errors.append(FieldError(f"#/{pointer}", rule))

    def finish(self) -> None:
        """Raises `Problem` 422 when anything was wrong."""
        if self.errors:
            detail = f"{len(self.errors)} rule(s) broken; see errors."
            raise Problem("invalid-connection", "Invalid connection", 422, detail, errors=self.errors)

    def settings(self, stored: HubSettings, patch: Mapping[str, Any]) -> HubSettings:
        """Hub settings after `patch`; unknown names, wrong types and broken limits become errors."""
        wrong = unknown_names(HubSettings, patch)
        if not wrong:
            try:
                settings = HubSettings.model_validate(merge(stored.model_dump(mode="json"), patch))
            except ValidationError as error:
                wrong = [_broken(item) for item in error.errors(include_input=False, include_url=False)]
            else:
                wrong = broken_limits(settings, {each.value for each in self.manifest.capabilities})
                if not wrong:
                    return settings
        for broken in wrong:
            self.add(f"settings{broken.pointer}", broken.rule)
        return stored

    def connector_settings(self, stored: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
        """The connector's own settings after `patch`, with defaults, in their proper types."""
        known = {each.name: each for each in self.manifest.settings_fields}
        merged = {name: value for name, value in stored.items() if name in known} | dict(patch)
        merged = {name: value for name, value in merged.items() if value is not None or name not in known}
        checked: dict[str, Any] = {}
        try:
            checked = self.manifest.check_settings(merged)
        except FieldErrors as error:
            for name, rule in error.errors.items():
                hint = suggestion(name, known) if name not in known else ""
                self.add(f"connector_settings/{escape(name)}", rule + hint)
        for name, value in checked.items():
            if known[name].kind == "url":
                self._address(f"connector_settings/{escape(name)}", str(value))
        return checked

    def credentials(self, given: Mapping[str, SecretStr]) -> dict[str, str]:
        """Credentials in the form in which they are sealed. Errors never quote them."""
        plain = {name: value.get_secret_value() for name, value in given.items()}
        usable: dict[str, str] = {}
        for name, value in plain.items():
            if _CONTROL.search(value.strip()):
                self.add(f"credentials/{escape(name)}", "must not hold line breaks or control characters")
            elif len(value) > MAX_SECRET:
                self.add(f"credentials/{escape(name)}", f"must have {MAX_SECRET} characters at most")
            else:
                usable[name] = value
        if len(usable) < len(plain):
            return {}
        try:
            return {name: str(value) for name, value in self.manifest.check_credentials(usable).items()}
        except FieldErrors as error:
            for name, rule in error.errors.items():
                self.add(f"credentials/{escape(name)}", rule)
            return {}

    def base_url(self, value: str | None) -> str | None:
        """An address of the connection's own, without trailing slash."""
        if value is None or not value.strip():
            return None
        self._address("base_url", value.strip())
        return value.strip().rstrip("/")

    def budgets(self, stored: Mapping[str, int], patch: Mapping[str, int | None]) -> dict[str, int]:
        """Overrides after `patch` (calls per hour; null takes one back)."""
        known = {budget.operation for budget in self.manifest.budgets}
        for operation, calls in patch.items():
            if operation not in known:
                rule = "is not an operation of this connector" + suggestion(operation, known)
                self.add(f"budgets/{escape(operation)}", rule)
            elif calls is not None and calls < 1:
                self.add(f"budgets/{escape(operation)}", "must be 1 call per hour or more")
        return {name: value for name, value in merge(stored, patch).items() if name in known}

    def _address(self, pointer: str, url: str) -> None:
        try:
            check_url(url, self.policy)
        except AddressRefused as error:
            self.add(pointer, str(error))


def manifest_of(name: str) -> Manifest:
    """Manifest of an installed connector. Raises `Problem` 422 naming those that are installed."""
    try:
        return connector(name).manifest
    except UnknownConnector as error:
        detail = "1 rule(s) broken; see errors."
        errors = [FieldError("#/connector", str(error))]
        raise Problem("invalid-connection", "Invalid connection", 422, detail, errors=errors) from None


def fixed_address(manifest: Manifest, environment: Environment) -> str | None:
    """The manifest's address of an environment. Raises `KeyError` when the connector has no such environment."""
    return manifest.address(environment)


def needs_base_url(manifest: Manifest, environment: Environment, base_url: str | None) -> bool:
    """Whether the connection lacks an address: none is fixed, none is given, and no setting holds one."""
    has_own = any(each.kind == "url" for each in manifest.settings_fields)
    return base_url is None and fixed_address(manifest, environment) is None and not has_own


def missing_credentials(manifest: Manifest, given: Mapping[str, object]) -> tuple[str, ...]:
    """Required credentials that are not set."""
    return tuple(each.name for each in manifest.auth_fields if each.required and each.name not in given)


def delivery_of(manifest: Manifest, settings: Mapping[str, Any]) -> Literal["webhook", "pull", "open", "fixed"]:
    """How a shop gets its orders, read from its settings: an address, or the choice `delivery: pull`."""
    addresses = [each.name for each in manifest.settings_fields if each.kind == "url"]
    if manifest.kind is not ConnectionKind.SHOP or not addresses:
        return "fixed"
    if settings.get("delivery") == "pull":
        return "pull"
    return "webhook" if any(settings.get(name) for name in addresses) else "open"


def resolve_budgets(
    manifest: Manifest, overrides: Mapping[str, int], connector_settings: Mapping[str, Any]
) -> dict[str, int]:
    """Calls per hour of every operation: the connection's own, else its operator profile's, else the manifest's.

    A value equal to the manifest's keeps the manifest's finer window.
    """
    profile = manifest.profile(connector_settings)
    given = {**(profile.calls_per_hour if profile else {}), **overrides}
    return {
        budget.operation: given.get(budget.operation, budget.calls * 3600 // budget.per_seconds)
        for budget in manifest.budgets
    }


def least_budgets(each: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """One quota for several connections: of every operation the fewest calls that any of them may make."""
    least: dict[str, int] = {}
    for budgets in each:
        for operation, calls in budgets.items():
            least[operation] = min(calls, least.get(operation, calls))
    return least


def _broken(item: Mapping[str, Any]) -> Broken:
    rule = str(item["msg"]).removeprefix("Value error, ")
    return Broken("".join(f"/{escape(part)}" for part in item["loc"]), rule)
