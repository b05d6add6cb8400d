"""Finding the one order that a person means by whatever name they have for it."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from hub_tools.client.errors import refused, usage
from hub_tools.client.hub import CONSOLE, Hub

NAMED = 5
"""Orders listed in the error when a name fits several."""


def is_uuid(text: str) -> bool:
    """Whether this is an id of ours."""
    try:
        UUID(text)
    except ValueError:
        return False
    return True


def an_id(name: str, text: str) -> str:
    """An id as the hub writes it. Raises `CommandError` (usage) naming the argument."""
    if not is_uuid(text.strip()):
        raise usage(f"{name}: must be an id such as 01890a5d-ac96-774b-bcce-b302099a8057")
    return str(UUID(text.strip()))


def order_id_of(hub: Hub, reference: str) -> str:
    """The id of an order by id, number, marketplace reference, SKU or tracking number.

    Raises `CommandError` (refused) when none or several fit; an exact number or reference goes before a part of one.
    """
    text = reference.strip()
    if is_uuid(text):
        return str(UUID(text))
    if not text:
        raise refused("REF: must be an order's id, number, reference or tracking number")
    found: list[dict[str, Any]] = hub.service(CONSOLE).get("/v1/orders", {"q": text, "limit": 50})["items"]
    exact = [row for row in found if text.lower() in (row["order_number"].lower(), row["reference"].lower())]
    fits = exact or found
    if not fits:
        raise refused(f"{text}: no order is known by this id, number, reference, SKU or tracking number")
    if len(fits) > 1:
        some = ", ".join(f"{row['reference']} ({row['order_id']})" for row in fits[:NAMED])
        raise refused(f"{text}: {len(fits)} orders fit, use an id: {some}{', …' if len(fits) > NAMED else ''}")
    return str(fits[0]["order_id"])
