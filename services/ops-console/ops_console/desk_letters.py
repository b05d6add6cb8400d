"""Dead letters of all services for one person: grouped, paged, masked, and worked on in bounded steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson

from hub_common.web import Problem
from hub_contracts.listeners import CONSOLE, LISTENERS
from hub_contracts.registry import BY_TYPE
from hub_contracts.schemas import personal_fields, schema_for
from hub_contracts.topics import TOPIC_BY_NAME, TOPICS
from ops_console.accounts import User
from ops_console.services import Services

BASE = "/v1/operations/dead-letters"
STEP = 500
"""Letters per call: one transaction of the owning service each, short enough to hold nobody up."""
SHOWN = 100
OWNERS = tuple(
    sorted({topic.writer for topic in TOPICS} | {name for names in LISTENERS.values() for name in names} | {CONSOLE})
)
"""Every service that can have dead letters."""


def tenants_of(user: User) -> str | None:
    """The `tenants` parameter of the services' lists."""
    return None if user.tenants is None else ",".join(user.tenants)


@dataclass(frozen=True, slots=True)
class Group:
    """Which dead letters of one service are meant."""

    service: str
    cause: str
    topic: str
    group: str
    """Digest of the error's first line."""

    @property
    def query(self) -> dict[str, str]:
        """As parameters of an address."""
        return {"service": self.service, "cause": self.cause, "topic": self.topic, "group": self.group}


@dataclass(slots=True)
class Plan:
    """What a redrive would do."""

    go: int = 0
    stay: int = 0
    """Without an id to recognise them by."""
    until: str = ""
    """When the newest of them died, by its owner's clock: what dies later was not seen."""
    types: dict[str, int] = field(default_factory=dict)
    sample: list[dict[str, Any]] = field(default_factory=list)

    def note(self, letters: list[dict[str, Any]], going: set[str]) -> None:
        """Count a page of letters, of which some would go."""
        for letter in letters:
            if letter["dead_letter_id"] in going:
                self.go += 1
                kind = type_of(letter)
                self.types[kind] = self.types.get(kind, 0) + 1
            else:
                self.stay += 1
            if len(self.sample) < SHOWN:
                self.sample.append(letter | {"goes": letter["dead_letter_id"] in going})


def owner_named(service: str) -> str:
    """A service of ours. Raises `Problem` 404: nobody shall make the console call other addresses."""
    if service not in OWNERS:
        raise Problem("service-unknown", "No such service", 404, "The hub has no service of this name.")
    return service


def type_of(letter: Mapping[str, Any]) -> str:
    """The event type that a letter's headers name."""
    return str(letter["headers"].get("ce_type") or "no type")


def topic_of(letter: Mapping[str, Any]) -> str:
    """The topic's own name, without a deployment's prefix."""
    return next((name for name in TOPIC_BY_NAME if str(letter["topic"]).endswith(name)), str(letter["topic"]))


def is_personal(letter: Mapping[str, Any]) -> bool:
    """Whether the bytes may hold a buyer's data: by topic, or by the type's schema."""
    topic, model = TOPIC_BY_NAME.get(topic_of(letter)), BY_TYPE.get(type_of(letter))
    return topic is None or topic.personal_data or (model is not None and bool(personal_fields(schema_for(model))))


async def page_of(
    services: Services, user: User, group: Group, *, before: str | None, until: str | None, limit: int
) -> list[dict[str, Any]]:
    """One page of a group's open letters, newest first. Raises `Problem`."""
    asked = {"cause": group.cause, "topic": group.topic, "group": group.group, "before": before, "limit": limit}
    answer = await services.get(user, group.service, BASE, tenants=tenants_of(user), until=until, **asked)
    letters: list[dict[str, Any]] = [one for one in answer["items"] if _seen(user, one)]
    return letters


def _seen(user: User, letter: Mapping[str, Any]) -> bool:
    """Asked again here: a service of an older release ignores the filter. No tenant = for who sees all of them."""
    tenant = letter["headers"].get("tenant")
    return user.tenants is None or (isinstance(tenant, str) and user.sees(tenant))


async def letter_of(services: Services, user: User, service: str, letter_id: UUID) -> dict[str, Any]:
    """One letter with its bytes. Raises `Problem` 404, also for another tenant's."""
    letter: dict[str, Any] = await services.get(user, owner_named(service), f"{BASE}/{letter_id}")
    if not _seen(user, letter):
        raise Problem("dead-letter-unknown", "No such dead letter", 404, f"{service} has no dead letter {letter_id}.")
    return letter


async def newest(services: Services, user: User, group: Group) -> str | None:
    """When the newest letter of a group died; None when it has none. Raises `Problem`."""
    letters = await page_of(services, user, group, before=None, until=None, limit=1)
    return str(letters[0]["died_at"]) if letters else None


async def plan_of(services: Services, user: User, group: Group, ids: list[UUID]) -> Plan:
    """A dry run over the whole group, or over the letters named. Raises `Problem`."""
    plan, before = Plan(until=await newest(services, user, group) or ""), None
    while True:
        letters = await page_of(services, user, group, before=before, until=plan.until or None, limit=STEP)
        chosen = [one for one in letters if not ids or UUID(one["dead_letter_id"]) in ids]
        if chosen:
            body = {"ids": [one["dead_letter_id"] for one in chosen], "dry_run": True, "tenants": user.tenant_filter}
            answer = await services.post(user, group.service, f"{BASE}/redrive", body)
            plan.note(chosen, {str(one) for one in answer["redriven"]})
        if len(letters) < STEP:
            return plan
        before = letters[-1]["dead_letter_id"]


@dataclass(frozen=True, slots=True)
class Step:
    """What one step of a bulk action came to."""

    done: list[str]
    before: str | None
    """Where the next step goes on; None = nothing is left."""


async def step(
    services: Services,
    user: User,
    group: Group,
    ids: list[UUID],
    *,
    until: str | None,
    before: str | None,
    reason: str | None,
) -> Step:
    """Redrive (or with a reason discard) the next letters. What died after `until` is left alone: a letter that comes
    back because it failed again must not be sent round and round. Raises `Problem`."""
    letters = await page_of(services, user, group, before=before, until=until, limit=STEP)
    chosen = [one["dead_letter_id"] for one in letters if not ids or UUID(one["dead_letter_id"]) in ids]
    done: list[str] = []
    if chosen:
        body: dict[str, Any] = {"ids": chosen, "tenants": user.tenant_filter}
        verb, told = ("redrive", "redriven") if reason is None else ("discard", "discarded")
        answer = await services.post(
            user, group.service, f"{BASE}/{verb}", body | ({"reason": reason} if reason else {})
        )
        done = [str(one) for one in answer[told]]
    return Step(done, letters[-1]["dead_letter_id"] if len(letters) == STEP else None)


def copy_of(letter: Mapping[str, Any]) -> str:
    """The corrected copy that was sent instead of this letter; empty = none."""
    words = str(letter.get("settled_reason") or "")
    return words.removeprefix("edited as ").partition(":")[0] if words.startswith("edited as ") else ""


def indented(value: str) -> str:
    """JSON text for a form; text that is none stays as it is."""
    try:
        return orjson.dumps(orjson.loads(value), option=orjson.OPT_INDENT_2).decode()
    except orjson.JSONDecodeError:
        return value


@dataclass(frozen=True, slots=True)
class Change:
    """One place at which an edited value differs."""

    path: str
    before: str
    after: str


def changes(before: str | None, after: str) -> list[Change]:
    """What an edit changes, leaf by leaf. Raises `ValueError` when the new value is no JSON."""
    new = dict(_leaves(orjson.loads(after)))
    try:
        old = dict(_leaves(orjson.loads(before or "")))
    except orjson.JSONDecodeError:
        return [Change("everything", "not readable as JSON", "readable")]
    return [
        Change(path, old.get(path, "–"), new.get(path, "–"))
        for path in [*old, *(path for path in new if path not in old)]
        if old.get(path) != new.get(path)
    ]


def _leaves(value: Any, prefix: str = "") -> Iterator[tuple[str, str]]:
    parts = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else None
    if not parts:
        yield prefix or "value", orjson.dumps(value).decode()
        return
    for name, part in parts:
        yield from _leaves(part, f"{prefix}/{name}" if prefix else str(name))
