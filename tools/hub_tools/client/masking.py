"""Personal data behind a mask: what a terminal shows ends in scroll-back, screenshots and tickets.

The models of the events say which fields are personal. Bytes that no model explains are hidden whole on the topic that
carries personal data and on its dead-letter topic, and shown elsewhere, where by contract there are none.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from hub_contracts.base import EventData, Pii
from hub_contracts.registry import BY_TYPE
from hub_contracts.topics import TOPIC_BY_NAME

MASK = "***"
SECRETS = ("credentials", "api_key_hashes")
"""Sealed, and still nobody's business at a terminal."""


def is_personal(topic: str, prefix: str = "") -> bool:
    """Whether records of this topic may carry personal data."""
    declared = TOPIC_BY_NAME.get(topic.removeprefix(prefix).removesuffix(".dlq"))
    return declared is None or declared.personal_data


def readable(topic: str, kind: str, value: bytes | None, *, show: bool, prefix: str = "") -> Any:
    """A record's body for people: opened, personal fields masked unless `show`. None for a tombstone."""
    if value is None:
        return None
    model = BY_TYPE.get(kind)
    try:
        body = json.loads(value)
    except ValueError:
        body = value.decode(errors="backslashreplace")
    try:
        event = model.model_validate_json(value) if model is not None else None
    except ValidationError:
        event = None
    if isinstance(body, dict):
        for name in SECRETS:
            if name in body:
                body[name] = MASK
    if show:
        return body
    if isinstance(event, EventData) and isinstance(body, dict):
        return _masked(event, body)
    return f"{MASK} ({len(value)} bytes)" if is_personal(topic, prefix) else body


def _masked(model: BaseModel, body: dict[str, Any]) -> dict[str, Any]:
    """The body with the values of marked fields masked, at any depth; members that no field explains are dropped
    where the model has marked fields, because nobody can say that they are harmless."""
    shown = dict(body)
    for name, info in type(model).model_fields.items():
        if name not in shown:
            continue
        if any(isinstance(mark, Pii) for mark in info.metadata):
            shown[name] = MASK if shown[name] not in (None, "") else shown[name]
        else:
            shown[name] = _inside(getattr(model, name), shown[name])
    if _has_marks(type(model)):
        shown = {name: value for name, value in shown.items() if name in type(model).model_fields}
    return shown


def _inside(value: object, body: Any) -> Any:
    if isinstance(value, BaseModel) and isinstance(body, dict):
        return _masked(value, body)
    if isinstance(value, tuple | list) and isinstance(body, list):
        return [_inside(part, part_body) for part, part_body in zip(value, body, strict=False)]
    if isinstance(value, Mapping) and isinstance(body, dict):
        return {name: _inside(value.get(name), part) for name, part in body.items()}
    return body


def _has_marks(model: type[BaseModel]) -> bool:
    return any(isinstance(mark, Pii) for info in model.model_fields.values() for mark in info.metadata)
