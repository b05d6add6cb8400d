"""What the API takes. Unknown names are refused, because a misspelt setting would be silently off."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from catalog_feed.domain import COLUMNS, MANDATORY, FeedSettings
from hub_contracts.base import Currency

Sku = Annotated[str, Field(min_length=1, max_length=200)]
TemplateName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f](.*[^\s\x00-\x1f])?$")]


def _no_float(value: object) -> object:
    if isinstance(value, float):
        raise ValueError("must be a decimal string, never a binary float")
    return value


def _country(value: str) -> str:
    if len(value) != 2 or not value.isascii() or not value.isupper():
        raise ValueError("must be an ISO 3166-1 code of two capital letters")
    return value


def _column(value: str) -> str:
    if value not in COLUMNS:
        raise ValueError(f"must be one of {', '.join(COLUMNS)}")
    return value


ColumnName = Annotated[str, AfterValidator(_column)]
Cell = Annotated[str, Field(max_length=20_000)]


class Body(BaseModel):
    """Base of bodies."""

    model_config = ConfigDict(extra="forbid")


class ProfileBody(Body):
    """How the feed of a connection is written; what is left out has its default."""

    currency: Currency = "EUR"
    shrink_percent: int = Field(default=20, ge=0, le=100)
    bad_rows: Literal["block", "leave_out"] = "block"
    mandatory: list[ColumnName] = list(MANDATORY)
    one_of: list[ColumnName] = ["ean", "sku_manufacturer"]
    headers: dict[ColumnName, Annotated[str, Field(min_length=1, max_length=100)]] = {}
    option_separator: str = Field(default="|", min_length=1, max_length=3)
    shipping_time: str = Field(default="{min}-{max}", max_length=50)

    @model_validator(mode="after")
    def _unique_headers(self) -> ProfileBody:
        names = [self.headers.get(column, column) for column in COLUMNS]
        if len(set(names)) != len(names):
            raise ValueError("headers: two columns would have the same name")
        if "sku" not in self.mandatory:
            raise ValueError("mandatory: sku cannot be left out")
        return self

    def settings(self) -> FeedSettings:
        """As the feed keeps them."""
        return FeedSettings.model_validate(self.model_dump())


class TemplateBody(Body):
    """A shipping option as it was made in the marketplace's back office."""

    countries: list[Annotated[str, AfterValidator(_country)]] = Field(min_length=1, max_length=50)
    cost: Annotated[Decimal, BeforeValidator(_no_float), Field(ge=0, max_digits=10, decimal_places=2)]
    currency: Currency = "EUR"
    lead_days_min: int = Field(ge=0, le=365)
    lead_days_max: int = Field(ge=0, le=365)
    active: bool = True
    is_default: bool = False

    @model_validator(mode="after")
    def _days(self) -> TemplateBody:
        if self.lead_days_min >= self.lead_days_max:
            raise ValueError("lead_days_max: must be above lead_days_min (equal days get an offer refused)")
        return self


class AssignmentsBody(Body):
    """Templates per offer SKU; an empty list means the default ones again."""

    assignments: dict[Sku, list[TemplateName]] = Field(min_length=1, max_length=10_000)


class ForceBody(Body):
    """Why a withheld version is right."""

    reason: str = Field(min_length=3, max_length=500)


class ProductBody(Body):
    """One article. Checked by the same rules as a row of a CSV."""

    shop_connection_id: UUID
    shop_sku: str
    ean: str | None = None
    sku_manufacturer: Cell | None = None
    brand: Cell | None = None
    title: Cell | None = None
    description: Cell | None = None
    category: Cell | None = None
    condition: Cell | None = None
    images: list[str] = Field(default=[], max_length=5)
    weight: str | None = None
    min_quantity: int | None = None

    def cells(self) -> dict[str, str]:
        """As a row of the import."""
        given = self.model_dump(exclude={"images"}, exclude_none=True)
        return {name: str(value) for name, value in given.items()} | {
            f"image_{at}": address for at, address in enumerate(self.images, start=1)
        }


class ProductsBody(Body):
    """Articles, each replaced whole."""

    products: list[ProductBody] = Field(min_length=1, max_length=20_000)
