"""The page about bad input stays true: every test that it names exists, and every kind of bad input has a row.

A page that promises a test which was renamed or deleted is worse than no page: nobody looks for what seems to be there.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "bad-input.md"
ID = re.compile(r"^`(?P<path>[^`:]+\.py)::(?P<name>\w+)`$")
KINDS = {
    "wrong signature",
    "stale timestamp",
    "unknown connection",
    "invalid JSON",
    "wrong types",
    "negative or huge quantities",
    "unknown SKU",
    "unknown status",
    "HTML instead of JSON",
    "a number where a string was",
    "null addresses",
    "string amounts",
    "offsets without zone",
    "duplicate line SKUs",
    "a page that shifts under the poller",
    "DST night",
}


def rows() -> list[tuple[str, str, str, str]]:
    """(kind, door, what happens, test) of every row about bad input."""
    found: list[tuple[str, str, str, str]] = []
    for line in PAGE.read_text().splitlines():
        cells = [cell.strip() for cell in line.strip().strip("|").split("|")] if line.startswith("|") else []
        if len(cells) == 4 and cells[0] not in ("Bad input", "---"):
            found.append((cells[0], cells[1], cells[2], cells[3]))
    return found


def doors() -> set[str]:
    """The doors that the page explains."""
    text = PAGE.read_text().split("The doors:")[1].split("A test id is")[0]
    return {line.split("|")[1].strip() for line in text.splitlines() if line.startswith("|")} - {"Door", "---"}


@cache
def functions_of(path: Path) -> frozenset[str]:
    """Names of the test functions that a file defines at its top level, which is where pytest finds them."""
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    names = (node.name for node in ast.parse(path.read_text()).body if isinstance(node, functions))
    return frozenset(name for name in names if name.startswith("test_"))


@pytest.mark.parametrize("test_id", sorted({row[3] for row in rows()}))
def test_every_named_test_exists(test_id: str) -> None:
    match = ID.match(test_id)
    assert match is not None, f"{test_id} is not `path::name`"
    path = ROOT / match["path"]
    assert path.is_file(), f"{match['path']} does not exist"
    assert match["name"] in functions_of(path), f"{match['path']} has no test {match['name']}"


def test_every_kind_of_bad_input_is_shown_at_some_door() -> None:
    shown: dict[str, set[str]] = defaultdict(set)
    for kind, door, _, _ in rows():
        shown[kind].add(door)
    assert set(shown) == KINDS
    assert set().union(*shown.values()) == doors()


def test_no_row_is_there_twice() -> None:
    told = [(kind, door, test) for kind, door, _, test in rows()]
    assert sorted({entry for entry in told if told.count(entry) > 1}) == []
