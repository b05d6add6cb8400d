"""The table of known carriers: names per platform, number formats, links.

It warns ("this number is not valid for that carrier") and translates names; it never decides by a number's shape alone,
because several carriers share formats. Loaded from data so that a changed link or name needs no release.
"""

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from carrier_mapper.checkdigits import CheckScheme, check_passes
from carrier_mapper.folding import fold_name
from carrier_mapper.links import template_problem
from carrier_mapper.regex_guard import compile_pattern


class Confidence(StrEnum):
    """Where a format comes from: the carrier's documentation, public clients, or plausible only."""

    DOC = "doc"
    CLIENT = "client"
    ASSUMED = "assumed"


class Fit(StrEnum):
    """How a number fits a carrier. SHAPE: format matches and nothing more can be checked."""

    CHECKED = "checked"
    SHAPE = "shape"
    CHECK_FAILED = "check_failed"
    NO_MATCH = "no_match"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class NumberPattern:
    """One format; `check` is None when the format has no known check digit."""

    regex: re.Pattern[str]
    check: CheckScheme | None
    confidence: Confidence


@dataclass(frozen=True, slots=True)
class KnownCarrier:
    """One carrier. `aliases`: platform → names as that platform spells them. `parent`: carrier this is a variant of."""

    code: str
    name: str
    parent: str | None = None
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    patterns: tuple[NumberPattern, ...] = ()
    link: str | None = None
    links: Mapping[str, str] = field(default_factory=dict)

    def fit(self, normalised: str) -> Fit:
        """Best fit over all formats; UNKNOWN when no format is known for this carrier."""
        if not self.patterns:
            return Fit.UNKNOWN
        best = Fit.NO_MATCH
        for pattern in self.patterns:
            if pattern.regex.fullmatch(normalised) is None:
                continue
            passed = check_passes(pattern.check, normalised) if pattern.check else None
            if passed:
                return Fit.CHECKED
            if passed is None:
                best = Fit.SHAPE
            elif best is Fit.NO_MATCH:
                best = Fit.CHECK_FAILED
        return best

    def link_for(self, country: str | None) -> str | None:
        """Link template for a destination (ISO alpha-2), else the general one."""
        return self.links.get(country or "", self.link)


class KnownCarriers:
    """Look-ups over the table. A folded name that belongs to two families gives both: the caller must not pick."""

    def __init__(self, carriers: Iterable[KnownCarrier], links_as_of: date) -> None:
        """Raises ValueError when a code repeats or a parent is absent."""
        self.links_as_of = links_as_of
        self._by_code: dict[str, KnownCarrier] = {}
        self._by_name: dict[str, set[str]] = {}
        self._by_platform: dict[tuple[str, str], set[str]] = {}
        for carrier in carriers:
            if carrier.code in self._by_code:
                raise ValueError(f"carrier {carrier.code!r} is listed twice")
            self._by_code[carrier.code] = carrier
            for platform, name in _names(carrier):
                self._by_name.setdefault(fold_name(name), set()).add(carrier.code)
                self._by_platform.setdefault((platform, fold_name(name)), set()).add(carrier.code)
        for carrier in self._by_code.values():
            if carrier.parent is not None and carrier.parent not in self._by_code:
                raise ValueError(f"carrier {carrier.code!r} names an unknown parent {carrier.parent!r}")

    def __iter__(self) -> Iterator[KnownCarrier]:
        return iter(self._by_code.values())

    def family(self, carrier: KnownCarrier) -> KnownCarrier:
        """The carrier itself, or the one it is a variant of."""
        return self._by_code[carrier.parent] if carrier.parent else carrier

    def with_family_formats(self, carrier: KnownCarrier) -> KnownCarrier:
        """The carrier whose formats apply: a variant without own formats uses its parent's."""
        return carrier if carrier.patterns else self.family(carrier)

    def named(self, name: str | None, platform: str | None) -> tuple[KnownCarrier, ...]:
        """Carriers that go by this name (folded): on that platform if it knows the name, else anywhere."""
        folded = fold_name(name)
        if not folded:
            return ()
        codes = self._by_platform.get((platform or "", folded)) or self._by_name.get(folded, set())
        return tuple(self._by_code[code] for code in sorted(codes))

    def names_at(self, carrier: KnownCarrier, platform: str | None) -> frozenset[str]:
        """Folded names under which a marketplace may list this carrier.

        Its own names on that platform if the table has them, else every name no other family shares.
        """
        family = self.family(carrier)
        members = {c.code for c in self._by_code.values() if self.family(c) is family}
        if platform is not None and platform in family.aliases:
            return frozenset(fold_name(name) for name in family.aliases[platform])
        return frozenset(name for name, codes in self._by_name.items() if codes <= members)


def load_known_carriers(text: str) -> KnownCarriers:
    """Reads the TOML form (see known_carriers.toml). Raises ValueError naming the carrier and what is wrong."""
    document = tomllib.loads(text)
    return KnownCarriers((_carrier(entry) for entry in document["carrier"]), document["links_as_of"])


@lru_cache(maxsize=1)
def built_in_carriers() -> KnownCarriers:
    """The table shipped with this package."""
    return load_known_carriers(files("carrier_mapper").joinpath("known_carriers.toml").read_text("utf-8"))


def _names(carrier: KnownCarrier) -> list[tuple[str, str]]:
    own = [("any", carrier.code), ("any", carrier.name)]
    return own + [(platform, name) for platform, names in carrier.aliases.items() for name in names]


def _carrier(entry: dict[str, object]) -> KnownCarrier:
    code = str(entry["code"])
    try:
        carrier = KnownCarrier(
            code=code,
            name=str(entry["name"]),
            parent=str(entry["parent"]) if "parent" in entry else None,
            aliases=_aliases(entry.get("aliases", {})),
            patterns=_patterns(entry.get("patterns", [])),
            link=str(entry["link"]) if "link" in entry else None,
            links=_links(entry.get("links", {})),
        )
    except (KeyError, ValueError, TypeError) as error:
        raise ValueError(f"carrier {code!r}: {error}") from error
    for template in filter(None, (carrier.link, *carrier.links.values())):
        problem = template_problem(template)
        if problem:
            raise ValueError(f"carrier {code!r}: link {template!r}: {problem}")
    return carrier


def _aliases(value: object) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise TypeError("aliases must be a table of platform = [names]")
    return {str(platform): tuple(str(name) for name in names) for platform, names in value.items()}


def _links(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError("links must be a table of country = template")
    return {str(country).upper(): str(template) for country, template in value.items()}


def _patterns(value: object) -> tuple[NumberPattern, ...]:
    if not isinstance(value, list):
        raise TypeError("patterns must be a list of [expression, check, confidence]")
    return tuple(
        NumberPattern(compile_pattern(regex), CheckScheme(check) if check else None, Confidence(sure))
        for regex, check, sure in value
    )
