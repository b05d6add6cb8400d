"""Accepts only regular expressions whose matching time is bounded.

Users write patterns over tracking numbers. `(\\d+)+X` on a long number would run for hours inside the consumer and stop
every parcel behind it. The guard reads the expression with its own small grammar (literals, classes, groups,
alternation, quantifiers; no look-around, no back-reference, no inline flag) and counts in how many ways it can consume
the longest number: repeating something that has w ways k times has w^k ways, alternatives add up, sequences multiply.
A backtracking matcher explores at most that many paths, so a cap on the count is a cap on the time. Nested quantifiers
explode the count and are refused; harmless ones such as `(\\d{4}){3}` (one way) pass.
"""

import re
from functools import lru_cache

from carrier_mapper.tracking import MAX_NUMBER_LENGTH

MAX_PATTERN_LENGTH = 200
"""Ten times the longest pattern known; beyond it nobody can review the rule."""
MAX_WAYS = 10_000
"""Allows two unbounded quantifiers (65 x 65) beside small ones; the worst accepted case stays near a millisecond."""
_MAX_DEPTH = 10
_QUANTIFIER = re.compile(r"\{(?:(\d{1,4})?(,)(\d{1,4})?|(\d{1,4}))\}", re.ASCII)
_CLASS_ESCAPES = "dDwWsS"


class PatternError(ValueError):
    """A pattern is refused; `rule` is a stable word, the text says what and where."""

    def __init__(self, rule: str, message: str) -> None:
        super().__init__(message)
        self.rule = rule


@lru_cache(maxsize=4096)
def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Checks and compiles; use with `fullmatch` on a normalised number (at most 64 characters).

    Letters match either case (numbers are upper-cased before), `\\d` means 0-9 only. Raises PatternError.
    """
    if not pattern:
        raise PatternError("empty", "the pattern is empty")
    if len(pattern) > MAX_PATTERN_LENGTH:
        raise PatternError(
            "too_long", f"the pattern has {len(pattern)} characters, at most {MAX_PATTERN_LENGTH} are allowed"
        )
    ways = _Reader(pattern).read()
    if ways > MAX_WAYS:
        raise PatternError(
            "too_many_ways",
            "the pattern can match in too many ways (quantifiers inside quantifiers, or more than two open ones); "
            "use fixed counts such as \\d{10}",
        )
    try:
        return re.compile(pattern, re.ASCII | re.IGNORECASE)
    except re.error as error:
        raise PatternError("syntax", f"not a regular expression: {error}") from error


class _Reader:
    """Recursive descent over the pattern; each method returns (ways, shortest length it consumes)."""

    def __init__(self, pattern: str) -> None:
        self._text = pattern
        self._at = 0

    def read(self) -> int:
        ways, _ = self._alternation(0)
        if self._at < len(self._text):
            raise self._error("syntax", "a closing bracket has no opening one")
        return ways

    def _alternation(self, depth: int) -> tuple[int, int]:
        if depth > _MAX_DEPTH:
            raise self._error("too_deep", f"groups are nested more than {_MAX_DEPTH} deep")
        ways, shortest = self._sequence(depth)
        while self._peek() == "|":
            self._at += 1
            more, length = self._sequence(depth)
            ways, shortest = ways + more, min(shortest, length)
        return _capped(ways), shortest

    def _sequence(self, depth: int) -> tuple[int, int]:
        ways, shortest = 1, 0
        while self._peek() not in ("", "|", ")"):
            more, length = self._repeated(depth)
            ways, shortest = _capped(ways * more), shortest + length
        return ways, shortest

    def _repeated(self, depth: int) -> tuple[int, int]:
        ways, length = self._atom(depth)
        bounds = self._quantifier()
        if bounds is None:
            return ways, length
        if length == 0:
            raise self._error("repeats_nothing", "a quantifier follows something that can be empty")
        fewest, most = bounds
        total = 0
        for count in range(fewest, most + 1):
            total = _capped(total + _capped(ways**count))
        return total, length * fewest

    def _quantifier(self) -> tuple[int, int] | None:
        bounds = {"*": (0, MAX_NUMBER_LENGTH), "+": (1, MAX_NUMBER_LENGTH), "?": (0, 1)}.get(self._peek())
        if bounds is not None:
            self._at += 1
        elif self._peek() == "{":
            bounds = self._counted()
        else:
            return None
        if self._peek() == "?":
            self._at += 1
        if self._peek() in ("*", "+", "?", "{"):
            raise self._error("not_supported", "a quantifier follows a quantifier")
        return bounds

    def _counted(self) -> tuple[int, int]:
        found = _QUANTIFIER.match(self._text, self._at)
        if found is None:
            raise self._error("syntax", "write {n}, {n,} or {n,m}; escape a literal brace")
        low, comma, high, exact = found.groups()
        fewest = int(exact or low or 0)
        most = fewest if not comma else int(high) if high else MAX_NUMBER_LENGTH
        if max(fewest, most) > MAX_NUMBER_LENGTH or fewest > most:
            raise self._error("count", f"counts must rise and not exceed {MAX_NUMBER_LENGTH}, the longest number")
        self._at = found.end()
        return fewest, most

    def _atom(self, depth: int) -> tuple[int, int]:
        character = self._peek()
        if character in ("*", "+", "?", "{"):
            raise self._error("syntax", "a quantifier has nothing before it")
        self._at += 1
        if character == "(":
            return self._group(depth)
        if character == "[":
            self._character_class()
        elif character == "\\":
            self._escape()
        elif character in ("^", "$"):
            return 1, 0
        elif not character.isprintable():
            raise self._error("not_supported", "control characters are not allowed")
        return 1, 1

    def _group(self, depth: int) -> tuple[int, int]:
        if self._peek() == "?":
            if self._text[self._at : self._at + 2] != "?:":
                raise self._error("not_supported", "of the (?…) forms only (?:…) is allowed")
            self._at += 2
        ways = self._alternation(depth + 1)
        if self._peek() != ")":
            raise self._error("syntax", "a group is not closed")
        self._at += 1
        return ways

    def _escape(self) -> None:
        character = self._peek()
        if character == "":
            raise self._error("syntax", "the pattern ends in a backslash")
        if character.isalnum() and character not in _CLASS_ESCAPES:
            raise self._error(
                "not_supported", f"\\{character} is not allowed; use \\d, \\w, \\s or escaped punctuation"
            )
        self._at += 1

    def _character_class(self) -> None:
        if self._peek() == "^":
            self._at += 1
        first = self._at
        while True:
            character = self._peek()
            if character == "":
                raise self._error("syntax", "a character class is not closed")
            if character == "]" and self._at > first:
                self._at += 1
                return
            if character == "[" or self._text[self._at : self._at + 2] in ("--", "&&", "~~", "||"):
                raise self._error("not_supported", "escape punctuation inside a character class")
            self._at += 1
            if character == "\\":
                self._escape()

    def _peek(self) -> str:
        return self._text[self._at : self._at + 1]

    def _error(self, rule: str, message: str) -> PatternError:
        return PatternError(rule, f"{message} (at character {self._at + 1})")


def _capped(ways: int) -> int:
    return min(ways, MAX_WAYS + 1)
