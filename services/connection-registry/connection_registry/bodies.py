"""Bodies of the API. Unknown members are refused, because a misspelt one would silently do nothing."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from connection_registry.links import MAX_LINKS
from hub_contracts.base import Instant
from hub_contracts.orders import Environment

LABEL = r"^[^\x00-\x1f\x7f]*[^\x00-\x20\x7f][^\x00-\x1f\x7f]*$"
"""No control characters, and something beside spaces."""
Label = Annotated[str, Field(min_length=1, max_length=120, pattern=LABEL)]
Tenant = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
NoteText = Annotated[str, Field(max_length=2000, pattern=r"^[^\x00]*$")]
Country = Annotated[str, Field(pattern=r"^[A-Z]{2}$")]
FIXED = ("tenant", "connector", "environment", "kind")


class Body(BaseModel):
    """Base of all bodies."""

    model_config = ConfigDict(extra="forbid")


class Contact(Body):
    """Somebody to call about a connection. Personal data: shown here, never told on a topic."""

    name: Label
    role: str = Field(default="", max_length=120)
    email: str = Field(default="", max_length=254)
    phone: str = Field(default="", max_length=40)


class CreateBody(Body):
    """A new connection. It starts inactive: nothing is fetched or sent."""

    tenant: Tenant
    connector: str = Field(min_length=1, max_length=60)
    label: Label
    environment: Environment
    base_url: str | None = Field(default=None, max_length=2000)
    connector_settings: dict[str, Any] = {}
    settings: dict[str, Any] = {}
    credentials: dict[str, SecretStr] = {}
    budgets: dict[str, int | None] = {}
    """Calls per hour and operation, where they differ from the connector's."""
    note: NoteText = ""
    contacts: list[Contact] = Field(default=[], max_length=50)


class ChangeBody(Body):
    """A change. `settings` and `connector_settings` are merged into what is stored; null takes a value back."""

    label: Label | None = None
    base_url: str | None = Field(default=None, max_length=2000)
    connector_settings: dict[str, Any] | None = None
    settings: dict[str, Any] | None = None
    note: NoteText | None = None
    contacts: list[Contact] | None = Field(default=None, max_length=50)
    expected_version: int | None = None
    """Refuse the change unless the connection is at this version."""
    unchecked: bool = False
    """Do not try a running connection's new address or settings before they are used."""

    @model_validator(mode="before")
    @classmethod
    def _fixed(cls, data: Any) -> Any:
        for name in FIXED:
            if isinstance(data, dict) and name in data:
                raise ValueError(f"{name} cannot be changed: orders belong to it; create another connection")
        return data


class CredentialsBody(Body):
    """New credentials, whole."""

    credentials: dict[str, SecretStr] = Field(min_length=1)
    all_sharing: bool = False
    """Replace them for every connection of the tenant that has the same credentials now."""
    unchecked: bool = False


class BudgetsBody(Body):
    """Calls per hour and operation; null takes an override back. Holds for all connections of the credential."""

    budgets: dict[str, int | None] = Field(min_length=1)


class ApiKeyBody(Body):
    """A new API key for a shop."""

    label: Label


class LinkBody(Body):
    """An offer's SKU and the shop's SKU that serves it."""

    offer_sku: str
    shop_connection_id: str
    shop_sku: str


class LinksBody(Body):
    """SKU links to set. `replace` removes all that are not in the list."""

    links: list[LinkBody] = Field(max_length=MAX_LINKS)
    replace: bool = False


class TestOrderBody(Body):
    """A test order. Without `quantity` it is drawn, 1 to 4."""

    __test__ = False
    offer_sku: str = Field(min_length=1, max_length=255)
    country: Country
    quantity: int | None = Field(default=None, ge=1, le=1000)


class BackfillBody(Body):
    """Fetch the orders created in a past window, `created_from` included, `created_until` not."""

    created_from: Instant
    created_until: Instant
