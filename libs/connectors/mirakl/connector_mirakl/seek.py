"""Seek pagination (RT11, M11): a token leads from page to page, and with it every other parameter is ignored."""

from __future__ import annotations

from collections.abc import AsyncIterator

from connector_kit.http import BadAnswer
from connector_mirakl.client import MiraklClient, Params
from connector_mirakl.wire import Json, objects, text

PAGE = "100"
"""Mirakl General Notes: seek pagination allows `limit` up to 100."""
PAGES = 1_000
"""A token that never ends must not keep a reader for ever."""


async def seek(
    client: MiraklClient, operations: tuple[str, str], path: str, params: Params
) -> AsyncIterator[list[Json]]:
    """Pages of objects. The first page draws on the first operation, the following ones on the second.

    Raises `CallError`; an answer without its list is one that cannot be understood, never an empty page. Members that
    are no objects are told at the end, when all others were given.
    """
    asked: Params = [*params, ("limit", PAGE)]
    odd = 0
    for page in range(PAGES):
        told = await client.read_object(operations[0 if page == 0 else 1], path, asked)
        if not isinstance(told.get("data"), list):
            raise BadAnswer(f"{operations[0]}: the answer has no list 'data'")
        yield objects(told["data"])
        odd += len(told["data"]) - len(objects(told["data"]))
        token = text(told.get("next_page_token"))
        if token is None and odd:
            raise BadAnswer(f"{operations[0]}: {odd} member(s) of the list are no objects; all others were given")
        if token is None:
            return
        asked = [("page_token", token)]
    raise BadAnswer(f"{operations[0]}: the list does not end")
