"""Matching the branches of two unions, so that "nullable" or "one more alternative" is told as what it is.

Comparing branches by position would call a reordered union a chain of type changes, and the real change would drown.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field

from hub_contracts.compat_refs import Document, Schema, canonical


@dataclass
class Pairing:
    """Which branch became which."""

    pairs: list[tuple[object, object]] = field(default_factory=list)
    removed: list[object] = field(default_factory=list)
    added: list[object] = field(default_factory=list)
    reordered: bool = False


def joined(words: Iterable[str]) -> str:
    """Words in alphabetical order for a message."""
    return ", ".join(sorted(words))


def split(schema: Schema, outside: Collection[str]) -> tuple[Schema, list[object]]:
    """A schema as keywords about the whole and a list of branches; one that is no union has one branch.

    Keywords that validate beside an `anyOf` stay with the whole, where the other side will be found to lack them.
    """
    if "anyOf" in schema:
        return {key: value for key, value in schema.items() if key != "anyOf"}, list(schema["anyOf"])
    whole = {key: value for key, value in schema.items() if key in outside}
    return whole, [{key: value for key, value in schema.items() if key not in outside}]


def plain_string(branch: object) -> bool:
    """True for a branch that takes any text: it makes the enum beside it open."""
    if not isinstance(branch, dict) or branch.get("type") != "string":
        return False
    return branch.keys() <= {"type", "title", "description"}


def pair_up(old: list[object], new: list[object], old_document: Document, new_document: Document) -> Pairing:
    """Pair branches: equal content first, then the same definition, then the same type. The rest came or went."""
    ways: tuple[Callable[[Document, object], str | None], ...] = (_content, _name, _type)
    left, right = list(range(len(old))), list(range(len(new)))
    matched: list[tuple[int, int]] = []
    for way in ways:
        for before in list(left):
            wanted = way(old_document, old[before])
            after = next((at for at in right if wanted is not None and way(new_document, new[at]) == wanted), None)
            if after is not None:
                matched.append((before, after))
                left.remove(before)
                right.remove(after)
    matched.sort()
    targets = [after for _, after in matched]
    return Pairing(
        pairs=[(old[before], new[after]) for before, after in matched],
        removed=[old[at] for at in left],
        added=[new[at] for at in right],
        reordered=targets != sorted(targets),
    )


def _content(document: Document, branch: object) -> str | None:
    return canonical(document.inlined(branch))


def _name(document: Document, branch: object) -> str | None:
    return document.resolve(branch)[0]


def _type(document: Document, branch: object) -> str | None:
    _, schema = document.resolve(branch)
    return canonical([schema["type"], "enum" in schema or "const" in schema]) if "type" in schema else None
