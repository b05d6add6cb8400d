"""Reads the tracking field of a shop.

People type blanks, several numbers, "TBC" or a whole link into it. Sent on as it is, the marketplace shows the buyer a
dead link and counts the parcel as untracked; this module separates what can be a number from what cannot.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

MAX_NUMBER_LENGTH = 64
"""Longest known format has 28 characters; the cap also bounds the work of users' regular expressions."""

DEFAULT_PLACEHOLDERS = frozenset(
    {
        "NA",
        "N/A",
        "NIL",
        "NONE",
        "NULL",
        "UNDEFINED",
        "UNKNOWN",
        "PENDING",
        "TBA",
        "TBC",
        "TBD",
        "TEST",
        "NOTRACKING",
        "NONUMBER",
        "SANSSUIVI",
        "AUCUN",
        "INCONNU",
        "ACONFIRMER",
        "ENATTENTE",
        "PENDIENTE",
        "DESCONOCIDO",
        "SINSEGUIMIENTO",
        "KEINE",
        "UNBEKANNT",
        "NONDISPONIBILE",
        "SCONOSCIUTO",
        "GEEN",
        "ONBEKEND",
    }
)
"""Words seen or expected in place of a number, normalised. Only N/A and TBC are documented, hence a setting."""

_HARD_SEPARATORS = re.compile(r"[,;|\r\n\t\u2028\u2029]")
_LINK = re.compile(r"(?:https?://|www\.)[^\s|]+", re.IGNORECASE)
_BARE_LINK = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z]{2,}/\S*", re.IGNORECASE)
_SHORTEST_OF_SEVERAL = 8
"""Blank-separated pieces are several numbers only when each has at least this length (the shortest known formats,
GLS Track-ID and Mondial Relay, have 8); shorter pieces are one number printed in groups ("1Z 999 AA1 01 …")."""
_DROPPED_CATEGORIES = frozenset({"Pd", "Zs", "Zl", "Zp", "Cc", "Cf", "Mn", "Me", "Mc"})


class RejectReason(StrEnum):
    """Why a value of the tracking field is not used."""

    PLACEHOLDER = "placeholder"
    ORDER_NUMBER = "order_number"
    URL = "url"
    TOO_LONG = "too_long"


@dataclass(frozen=True, slots=True)
class TrackingNumber:
    """One number: `original` as the shop wrote it (trimmed), `normalised` for comparison."""

    original: str
    normalised: str


@dataclass(frozen=True, slots=True)
class RejectedValue:
    """A value that is not a tracking number, kept to show why."""

    original: str
    reason: RejectReason


@dataclass(frozen=True, slots=True)
class TrackingField:
    """What one tracking field holds: usable numbers in order without repeats, and rejected values."""

    numbers: tuple[TrackingNumber, ...]
    rejected: tuple[RejectedValue, ...]


def normalise_tracking(raw: str) -> str:
    """Upper case (ASCII), without blanks, dots, dashes and invisible characters; full-width forms become plain ones."""
    compatible = unicodedata.normalize("NFKC", raw)
    kept = (c for c in compatible if c != "." and unicodedata.category(c) not in _DROPPED_CATEGORIES)
    return "".join(c.upper() if c.isascii() else c for c in kept)


def parse_tracking_field(
    raw: str | None,
    order_references: Iterable[str] = (),
    placeholders: frozenset[str] = DEFAULT_PLACEHOLDERS,
    max_length: int = MAX_NUMBER_LENGTH,
) -> TrackingField:
    """Splits the field and rejects what is no number: placeholders, the order's own references, links.

    `placeholders` are compared normalised. Never raises; an empty field gives no numbers and no rejections.
    """
    text = (raw or "").strip()
    references = {_alnum(r) for r in order_references} - {""}
    rejected = [RejectedValue(link, RejectReason.URL) for link in _LINK.findall(text)]
    numbers: dict[str, TrackingNumber] = {}
    for piece in _pieces(_LINK.sub(" ", text), placeholders):
        reason = _reject_reason(piece, references, placeholders, max_length)
        if reason is not None:
            rejected.append(RejectedValue(piece, reason))
            continue
        normalised = normalise_tracking(piece)
        numbers.setdefault(normalised, TrackingNumber(piece, normalised))
    return TrackingField(tuple(numbers.values()), tuple(rejected))


def _pieces(text: str, placeholders: frozenset[str]) -> list[str]:
    chunks = [chunk.strip() for chunk in _HARD_SEPARATORS.split(text)]
    return [piece for chunk in chunks if chunk for piece in _split_on_blanks(chunk, placeholders)]


def _split_on_blanks(chunk: str, placeholders: frozenset[str]) -> list[str]:
    if normalise_tracking(chunk) in placeholders:
        return [chunk]
    words = chunk.split()
    marked = [word for word in words if _alnum(word)]
    if len(marked) > 1 and all(_stands_alone(word) for word in marked):
        return marked
    return [chunk]


def _stands_alone(word: str) -> bool:
    return _BARE_LINK.fullmatch(word) is not None or (
        len(_alnum(word)) >= _SHORTEST_OF_SEVERAL and any(c.isdigit() for c in word)
    )


def _reject_reason(
    piece: str, references: set[str], placeholders: frozenset[str], max_length: int
) -> RejectReason | None:
    normalised, bare = normalise_tracking(piece), _alnum(piece)
    if not bare or not bare.strip("0") or normalised in placeholders:
        return RejectReason.PLACEHOLDER
    if _BARE_LINK.fullmatch(piece):
        return RejectReason.URL
    if bare in references:
        return RejectReason.ORDER_NUMBER
    if len(normalised) > max_length:
        return RejectReason.TOO_LONG
    return None


def _alnum(value: str) -> str:
    return "".join(c for c in normalise_tracking(value) if c.isalnum())
