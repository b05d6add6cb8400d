"""Dead letters of all services, page by page, so that "all" means all and not the first thousand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from hub_tools.client.errors import ExitCode, refused
from hub_tools.client.http import ServiceClient
from hub_tools.client.hub import Hub
from hub_tools.client.masking import is_personal
from hub_tools.client.orders import an_id

BASE = "/v1/operations/dead-letters"
PAGE = 1000
CHUNK = 200
"""Letters per redrive or discard: one transaction of the owning service each, short enough to hold nobody up."""


@dataclass(frozen=True)
class Wanted:
    """Which open letters are meant; None = any."""

    cause: str | None
    topic: str | None
    service: str | None

    def fits(self, letter: dict[str, Any]) -> bool:
        """Asked again here: a service that ignores a filter must not widen what is redriven."""
        return self.cause in (None, letter["cause"]) and self.topic in (None, letter["topic"])


@dataclass
class Letters:
    """Letters found, newest first per service, and the services that did not answer."""

    items: list[dict[str, Any]]
    unreachable: list[dict[str, str]] = field(default_factory=list)
    exit_code: ExitCode = ExitCode.DONE

    def ids_by_service(self) -> dict[str, list[str]]:
        """Ids in the order of `items`."""
        found: dict[str, list[str]] = {}
        for item in self.items:
            found.setdefault(item["service"], []).append(item["dead_letter_id"])
        return found

    def counts(self) -> dict[str, int]:
        """How many per service."""
        return {name: len(ids) for name, ids in self.ids_by_service().items()}


def collect(hub: Hub, wanted: Wanted, limit: int | None, ids: Sequence[str] | None = None) -> Letters:
    """Open letters that are wanted, or exactly those named. Raises `CommandError` (refused) for an unknown id."""
    names = [wanted.service] if wanted.service else None
    named = {an_id("ID", text) for text in ids or ()}
    found = hub.gather(lambda one: _pages(one, wanted, limit, named), names)
    items = [{"service": name, **_harmless(letter)} for name, letters in found.items() for letter in letters]
    unknown = sorted(named - {item["dead_letter_id"] for item in items})
    if unknown:
        where = "" if not found.missing else f" ({len(found.missing)} services did not answer)"
        raise refused(f"{unknown[0]}: no open dead letter has this id{where}; see: hub dlq list --each")
    return Letters(items, found.unreachable(), found.exit_code())


def _harmless(letter: dict[str, Any]) -> dict[str, Any]:
    """Beyond its first line an error may quote the body, which on some topics is personal data."""
    hide = is_personal(str(letter["topic"]))
    return {**letter, "error": str(letter["error"]).partition("\n")[0] if hide else letter["error"]}


def _pages(client: ServiceClient, wanted: Wanted, limit: int | None, named: set[str]) -> list[dict[str, Any]]:
    letters: dict[str, dict[str, Any]] = {}
    seen: set[str] = set()
    before: str | None = None
    while limit is None or len(letters) < limit:
        query = {"cause": wanted.cause, "topic": wanted.topic, "before": before, "limit": PAGE}
        page: list[dict[str, Any]] = client.get(BASE, query)["items"]
        fresh = [letter for letter in page if letter["dead_letter_id"] not in seen]
        seen |= {letter["dead_letter_id"] for letter in fresh}
        for letter in fresh:
            if wanted.fits(letter) and (not named or letter["dead_letter_id"] in named):
                letters[letter["dead_letter_id"]] = letter
        # A page that begins again would go on for ever.
        if len(page) < PAGE or not fresh or (named and named <= set(letters)):
            break
        before = page[-1]["dead_letter_id"]
    return list(letters.values())[:limit]


def one_letter(hub: Hub, letter_id: str, service: str | None) -> dict[str, Any]:
    """One letter with its bytes as text. Raises `CommandError`."""
    wanted = an_id("ID", letter_id)
    client, found = hub.owner_of(wanted, f"{BASE}/{wanted}", service)
    return {"service": client.name, **found}
