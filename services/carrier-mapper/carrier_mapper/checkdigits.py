"""Check digits of tracking numbers.

They tell a mistyped number from a real one before the marketplace counts it as invalid tracking. They only warn:
several schemes overlap (a DHL number of 12 digits may pass FedEx's), so a passed check never proves the carrier.
"""

import re
from collections.abc import Callable
from enum import StrEnum
from itertools import cycle

_ALPHABET_36 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class CheckScheme(StrEnum):
    """Known schemes; the value is what the carrier table writes."""

    S10 = "s10"
    UPS_1Z = "ups_1z"
    DPD = "dpd"
    GLS = "gls"
    DHL_PAKET_20 = "dhl_paket_20"
    DHL_PAKET_12 = "dhl_paket_12"
    DHL_EXPRESS = "dhl_express"
    HERMES = "hermes"
    COLISSIMO = "colissimo"
    FEDEX_12 = "fedex_12"


def check_passes(scheme: CheckScheme, normalised: str) -> bool | None:
    """Whether the check digit fits; None when the number has no shape this scheme covers (nothing can be said)."""
    shape, rule = _SCHEMES[scheme]
    found = shape.fullmatch(normalised)
    return None if found is None else rule(found["body"]) == found["check"]


def check_character(scheme: CheckScheme, body: str) -> str:
    """The check character for the part it protects (for S10 the 8 digits, for 1Z the 15 characters after `1Z`).

    Raises ValueError when a character of `body` is not in the scheme's alphabet.
    """
    return _SCHEMES[scheme][1](body)


def _weighted(body: str, weights: tuple[int, ...]) -> int:
    return sum(int(digit) * weight for digit, weight in zip(body, cycle(weights), strict=False))


def _complement(total: int) -> str:
    return str(-total % 10)


def _s10(body: str) -> str:
    rest = 11 - _weighted(body, (8, 6, 4, 2, 3, 5, 9, 7)) % 11
    return {10: "0", 11: "5"}.get(rest, str(rest))


def _ups(body: str) -> str:
    digits = "".join(c if c.isdigit() else str((ord(c) - 3) % 10) for c in body)
    return _complement(_weighted(digits, (1, 2)))


def _mod_37_36(body: str) -> str:
    """ISO 7064 MOD 37,36 (hybrid system): the check character is one of 36."""
    product = 36
    for character in body:
        total = (product + _ALPHABET_36.index(character)) % 36 or 36
        product = total * 2 % 37
    return _ALPHABET_36[(37 - product) % 36]


def _gls(body: str) -> str:
    return _complement(_weighted(body, (3, 1)) + 1)


def _three_one(body: str) -> str:
    return _complement(_weighted(body, (3, 1)))


def _identcode(body: str) -> str:
    return _complement(_weighted(body, (4, 9)))


def _colissimo(body: str) -> str:
    return _complement(_weighted(body[::-1], (3, 1)))


def _mod_7(body: str) -> str:
    return str(int(body) % 7)


def _fedex(body: str) -> str:
    return str(_weighted(body, (3, 1, 7)) % 11 % 10)


_Rule = tuple[re.Pattern[str], Callable[[str], str]]


def _scheme(shape: str, rule: Callable[[str], str]) -> _Rule:
    return re.compile(shape, re.ASCII), rule


_SCHEMES: dict[CheckScheme, _Rule] = {
    CheckScheme.S10: _scheme(r"[A-Z]{2}(?P<body>\d{8})(?P<check>\d)[A-Z]{2}", _s10),
    CheckScheme.UPS_1Z: _scheme(r"1Z(?P<body>[0-9A-Z]{15})(?P<check>\d)", _ups),
    CheckScheme.DPD: _scheme(r"(?P<body>\d{14}|\d{27})(?P<check>[0-9A-Z])", _mod_37_36),
    CheckScheme.GLS: _scheme(r"(?P<body>\d{11})(?P<check>\d)", _gls),
    CheckScheme.DHL_PAKET_20: _scheme(r"(?P<body>\d{19})(?P<check>\d)", _three_one),
    CheckScheme.DHL_PAKET_12: _scheme(r"(?P<body>\d{11})(?P<check>\d)", _identcode),
    CheckScheme.DHL_EXPRESS: _scheme(r"(?P<body>\d{9,10})(?P<check>\d)", _mod_7),
    CheckScheme.HERMES: _scheme(r"(?P<body>\d{13})(?P<check>\d)", _three_one),
    CheckScheme.COLISSIMO: _scheme(r"[0-9][A-Z](?P<body>\d{10})(?P<check>\d)", _colissimo),
    CheckScheme.FEDEX_12: _scheme(r"(?P<body>\d{11})(?P<check>\d)", _fedex),
}
