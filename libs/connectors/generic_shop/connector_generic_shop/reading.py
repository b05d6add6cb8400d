"""From bytes of a shop to a checked post, or to errors that name each field and its rule.

Whatever a shop sends, this raises `BadPost` or `UnknownPostType` and nothing else: an unforeseen exception here would
answer 500 and make a well-meaning sender repeat the same bytes for days. Error texts never repeat what was sent.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from connector_generic_shop.fields import When
from connector_generic_shop.posts import (
    Acknowledgement,
    CancellationPost,
    Post,
    PricePost,
    ReturnPost,
    ReturnStage,
    ShipmentPost,
    StockPost,
)

POST_TYPES: MappingProxyType[str, type[Post]] = MappingProxyType(
    {
        "order.acknowledged": Acknowledgement,
        "shipment.created": ShipmentPost,
        "return.created": ReturnPost,
        "return.received": ReturnPost,
        "return.inspected": ReturnPost,
        "order.cancel_requested": CancellationPost,
        "stock.changed": StockPost,
        "price.changed": PricePost,
    }
)
"""Webhook type → body."""

REST_POSTS: MappingProxyType[str, type[Post]] = MappingProxyType(
    {
        "acknowledgements": Acknowledgement,
        "shipments": ShipmentPost,
        "returns": ReturnPost,
        "cancellations": CancellationPost,
        "stock": StockPost,
        "prices": PricePost,
    }
)
"""Last segment of the REST address → body."""

ModelT = TypeVar("ModelT", bound=BaseModel)

RETURN_STAGES = {f"return.{stage.value}": stage for stage in ReturnStage}


class ShopMessage(BaseModel):
    """Body of a signed webhook from a shop: one of the REST bodies in `data`, named by `type`."""

    model_config = ConfigDict(frozen=True, extra="ignore")
    type: str
    timestamp: When
    """When it happened. Stands in for an absent `reported_at`, `requested_at` or `acknowledged_at`."""
    data: dict[str, Any]


@dataclass(frozen=True, slots=True)
class FieldError:
    """One broken rule; `pointer` is a JSON pointer as a URI fragment (`#/lines/0/quantity`)."""

    pointer: str
    rule: str


class BadPost(ValueError):
    """A body that breaks rules, all of them in `errors`. Answer 422 (REST) or 400 (webhook)."""

    def __init__(self, errors: tuple[FieldError, ...]) -> None:
        super().__init__("; ".join(f"{error.pointer}: {error.rule}" for error in errors))
        self.errors = errors


class UnknownPostType(ValueError):
    """A webhook type that the hub does not know. Answer 2xx and keep it aside: senders may offer more than we use."""


def parse_post(post_type: str, data: object, *, occurred_at: datetime | None = None, at: str = "#") -> Post:
    """Check `data` (parsed JSON) as the body of `post_type`.

    A return's stage is that of its type. `occurred_at` (aware) fills the post's own moment when it gives none; the
    moment of hand-over is never filled in. `at` is where `data` stands in the whole body. Raises `BadPost`,
    `UnknownPostType`.
    """
    model = POST_TYPES.get(post_type)
    if model is None:
        raise UnknownPostType("type: is not one of " + ", ".join(POST_TYPES))
    if not isinstance(data, dict):
        raise BadPost((FieldError(at, "must be a JSON object"),))
    body = dict(data)
    stage = RETURN_STAGES.get(post_type)
    if stage is not None and body.setdefault("stage", stage.value) != stage.value:
        raise BadPost((FieldError(f"{at}/stage", f"must be {stage.value}, as the type says"),))
    if occurred_at is not None and model.MOMENT is not None and body.get(model.MOMENT) is None:
        body[model.MOMENT] = occurred_at
    return _checked(model, body, at)


def parse_body(resource: str, body: bytes) -> Post:
    """Check the body of a REST post. Raises `BadPost`; `KeyError` for a resource that is not in `REST_POSTS`."""
    return _checked(REST_POSTS[resource], parse_json(body), "#")


def parse_webhook(body: bytes) -> tuple[ShopMessage, Post]:
    """Check the body of a webhook whose signature was verified before. Raises `BadPost`, `UnknownPostType`."""
    message = _checked(ShopMessage, parse_json(body), "#")
    return message, parse_post(message.type, message.data, occurred_at=message.timestamp, at="#/data")


def parse_json(body: bytes) -> Any:
    """Parse JSON with exact decimals. Raises `BadPost`, also for NaN, absurd numbers and bottomless nesting."""
    try:
        return json.loads(body.decode(), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, ArithmeticError, RecursionError):
        raise BadPost((FieldError("#", "must be JSON in UTF-8"),)) from None


def errors_of(error: ValidationError, at: str = "#") -> tuple[FieldError, ...]:
    """Pydantic's findings as pointers and rules, without the values that were sent."""
    found = error.errors(include_url=False, include_context=False, include_input=False)
    return tuple(FieldError(at + "".join(f"/{_escape(part)}" for part in e["loc"]), _rule(e)) for e in found)


def _checked(model: type[ModelT], value: object, at: str) -> ModelT:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        raise BadPost(errors_of(error, at)) from None


def _rule(error: Any) -> str:
    """Parsers quote the offending text; for those the rule alone is told."""
    if error["type"] == "uuid_parsing":
        return "must be a UUID"
    return str(error["msg"]).removeprefix("Value error, ")


def _escape(part: int | str) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not a JSON number")
