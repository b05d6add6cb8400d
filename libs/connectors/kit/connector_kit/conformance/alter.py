"""One item of a true answer changed on the way, and what a reading makes of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from connector_kit.conformance import mutate
from connector_kit.conformance.readings import Reading
from connector_kit.conformance.subject import Held
from connector_kit.conformance.world import World
from connector_kit.http import Answer, CallError
from connector_kit.testing.interference import Interference, Trouble

WHOLE: tuple[Any, ...] = (None, [], {}, 7, "odd")
"""Put in place of an item."""
ODD: tuple[Any, ...] = (None, mutate.GONE, [], {}, "odd", -1, True)
"""Put in place of every value of an item."""

Change = tuple[mutate.Path, Any]
"""What is put where."""


@dataclass
class Read:
    """What a reading gave before it ended, and how it ended."""

    items: list[Any]
    error: Exception | None


@dataclass(frozen=True)
class Place:
    """Where an item stands: in the answer to which call of the reading, and where in it."""

    call: int
    path: mutate.Path
    item: Any


async def read(world: World, reading: Reading, asked: Any) -> Read:
    """Read to the end, or to the error."""
    found: list[Any] = []

    async def collect() -> None:
        async for page in reading.pages(world, asked):
            found.extend(page)

    return Read(found, await world.error_of(collect()))


def references(reading: Reading, items: Sequence[Any]) -> set[str]:
    """What was read, by name."""
    return {reading.reference(item) for item in items}


async def place_of(world: World, reading: Reading, asked: Any, held: Sequence[Held], which: int = 1) -> Place:
    """The item that is about one of the things. Other calls are counted from here."""
    world.forget()
    clean = await read(world, reading, asked)
    assert clean.error is None, f"{reading.name} in good order raised {clean.error!r}"
    others = {each.reference for at, each in enumerate(held) if at != which}
    for number, (_, answer) in enumerate(world.http.answers):
        document = _document(answer)
        for path, value in mutate.paths(document):
            if isinstance(value, bool) or str(value) != held[which].reference:
                continue
            for length in range(1, len(path) + 1):
                item = _at(document, path[:length])
                alone = not any(str(leaf) in others for _, leaf in mutate.paths([item]))
                if isinstance(path[length - 1], int) and alone:
                    return Place(number, path[:length], item)
    raise AssertionError(
        f"{held[which].reference!r} stands in no list of a JSON answer, so nothing can be tried on it: "
        "say so in not_applicable, and try it in a test of the connector's own"
    )


def _document(answer: Answer | None) -> Any:
    try:
        return None if answer is None else mutate.load(answer.body)
    except (ValueError, RecursionError):
        return None


def _at(document: Any, path: mutate.Path) -> Any:
    for name in path:
        document = document[name]
    return document


def changes(place: Place, odd: Sequence[Any] = ODD) -> Iterator[Change]:
    """Every value of the item in turn, with each odd value, as paths in the answer."""
    for path, value in mutate.paths(place.item):
        for wrong in odd:
            if not (wrong == value and type(wrong) is type(value)):
                yield (*place.path, *path), wrong


def altered(reading: Reading, place: Place) -> Iterator[Change]:
    """Changes of every value; of items that are handed on as they came, of those on their first level only."""
    deep = None if not reading.raw else len(place.path) + 1
    return (change for change in changes(place) if deep is None or len(change[0]) <= deep)


async def read_altered(world: World, reading: Reading, asked: Any, place: Place, path: mutate.Path, value: Any) -> Read:
    """Read while one value of one answer is another one."""

    def alter(answer: Answer) -> Answer:
        changed = mutate.put(mutate.load(answer.body), path, value)
        return Answer(answer.status, answer.headers, mutate.dump(changed))

    world.forget()
    world.http.interference = [Interference(Trouble.ALTERED, alter=alter, skip=place.call, times=1)]
    found = await read(world, reading, asked)
    world.calm()
    what = mutate.describe(path, value)
    assert found.error is None or isinstance(found.error, CallError), f"{what}: raised {found.error!r}"
    return found
