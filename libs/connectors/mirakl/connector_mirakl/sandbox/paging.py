"""Seek pagination of the simulated operator: the token holds everything, other parameters are ignored with it."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Sequence
from typing import Any

from starlette.requests import Request

from connector_mirakl.sandbox.desk import Problem, require

Filters = dict[str, list[str]]


def asked(request: Request, names: Sequence[str], default_limit: int) -> tuple[Filters, int, int]:
    """Filters, first row and number of rows. Raises `Problem` 400."""
    token = request.query_params.get("page_token")
    if token is not None:
        try:
            filters, start, limit = json.loads(base64.urlsafe_b64decode(token))
        except (ValueError, binascii.Error):
            raise Problem(400, "VALIDATION_ERROR", "page_token is malformed") from None
        return dict(filters), int(start), int(limit)
    given = request.query_params.get("limit", str(default_limit))
    require(given.isdigit() and 1 <= int(given) <= 100, "limit must be between 1 and 100")
    filters = {name: request.query_params.getlist(name) for name in names if name in request.query_params}
    return filters, 0, int(given)


def page_of(rows: list[dict[str, Any]], filters: Filters, start: int, limit: int) -> dict[str, Any]:
    """One page with the token of the next, which is absent at the end."""
    page: dict[str, Any] = {"data": rows[start : start + limit]}
    if start + limit < len(rows):
        token = json.dumps([filters, start + limit, limit]).encode()
        page["next_page_token"] = base64.urlsafe_b64encode(token).decode()
    return page
