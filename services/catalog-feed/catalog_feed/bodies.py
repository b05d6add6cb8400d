"""What the API takes. Unknown names are refused, because a misspelt setting would be silently off."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal
from uuid import UUID

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from catalog_feed.domain import COLUMNS, COLUMNS_OF, MANDATORY, ONE_OF, FeedSettings
from catalog_feed.grids import GridRule
from hub_contracts.base import Currency

Sku = Annotated[str, Field(min_length=1, max_length=200)]
TemplateName = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\s\x00-\x1f](.*[^\s\x00-\x1f])?$")]


def no_float(value: object) -> object:
    """Refuse binary floats: they have lost cents before anybody looks."""
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
Bound = Annotated[Decimal, BeforeValidator(no_float), Field(ge=0, max_digits=12, decimal_places=6)]
Header = Annotated[str, Field(min_length=1, max_length=100)]
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
    one_of: list[ColumnName] = list(ONE_OF)
    columns: list[Header] | None = Field(default=None, min_length=1, max_length=100)
    """None = the usual ones of the feed."""
    constants: dict[Header, Annotated[str, Field(max_length=500)]] = {}
    separator: Literal[",", ";", "\t", "|"] = ","
    keep_versions: int | None = Field(default=None, ge=1, le=1000)
    headers: dict[ColumnName, Annotated[str, Field(min_length=1, max_length=100)]] = {}
    option_separator: str = Field(default="|", min_length=1, max_length=3)
    shipping_time: str = Field(default="{min}-{max}", max_length=50)

    @model_validator(mode="after")
    def _consistent(self) -> ProfileBody:
        used = self.columns if self.columns is not None else list(COLUMNS)
        for name in self.constants:
            if name in COLUMNS:
                raise ValueError(f"constants: {name} is a column of its own")
        for name in used:
            if name not in COLUMNS and name not in self.constants:
                raise ValueError(f"columns: {name} is neither a column nor one of constants")
        names = [self.headers.get(name, name) for name in (*used, *self._added())]
        if len(set(names)) != len(names):
            raise ValueError("headers: two columns would have the same name")
        if "sku" not in used:
            raise ValueError("columns: sku cannot be left out")
        if "sku" not in self.mandatory:
            raise ValueError("mandatory: sku cannot be left out")
        return self

    def _added(self) -> tuple[str, ...]:
        """Constants stand at the end unless `columns` gives them a place."""
        return tuple(self.constants) if self.columns is None else ()

    def settings(self, feed: str) -> FeedSettings:
        """As the feed keeps them."""
        columns = self.columns if self.columns is not None else (*COLUMNS_OF[feed], *self._added())
        return FeedSettings.model_validate(self.model_dump() | {"columns": tuple(columns)})


class TemplateBody(Body):
    """A shipping option as it was made in the marketplace's back office."""

    countries: list[Annotated[str, AfterValidator(_country)]] = Field(min_length=1, max_length=50)
    cost: Annotated[Decimal, BeforeValidator(no_float), Field(ge=0, max_digits=10, decimal_places=2)]
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


class GridRuleBody(Body):
    """Articles that match have these options. Lower bounds belong to the range, upper ones do not."""

    name: TemplateName
    grids: list[TemplateName] = Field(min_length=1, max_length=50)
    sku_prefix: Sku | None = None
    weight_from: Bound | None = None
    weight_below: Bound | None = None
    price_from: Bound | None = None
    price_below: Bound | None = None

    @model_validator(mode="after")
    def _ranges(self) -> GridRuleBody:
        for what in ("weight", "price"):
            least, below = getattr(self, f"{what}_from"), getattr(self, f"{what}_below")
            if least is not None and below is not None and least >= below:
                raise ValueError(f"{what}_below: must be above {what}_from")
        return self

    def rule(self) -> GridRule:
        """As feeds use it."""
        return GridRule(**(self.model_dump() | {"grids": tuple(self.grids)}))


class GridRulesBody(Body):
    """All rules, in order: the first that matches wins."""

    rules: list[GridRuleBody] = Field(max_length=500)

    @model_validator(mode="after")
    def _names(self) -> GridRulesBody:
        if len({rule.name for rule in self.rules}) != len(self.rules):
            raise ValueError("rules: two have the same name")
        return self


class TickBody(Body):
    """What a person says about an item of the checklist."""

    done: bool = True
    note: str = Field(default="", max_length=500)


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
