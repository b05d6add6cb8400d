"""Whether a feed may replace the published one, what differs between two versions, and reading our own file: pure.

A feed with a hole, or one that shrank too much, is withheld and the last good one stays: the marketplace would take
everything else off sale.
"""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from catalog_feed.domain import Built, FeedSettings, write_csv
from catalog_feed.problems import MAX_SHOWN, shown


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a built feed. `problems` are for people."""

    outcome: Literal["publish", "unchanged", "blocked", "shrunk", "empty"]
    problems: tuple[str, ...] = ()


def judge(built: Built, published: tuple[int, str] | None, settings: FeedSettings) -> Verdict:
    """Whether the feed may replace the published one, given as (rows, sha256)."""
    if built.problems and settings.bad_rows == "block":
        return Verdict("blocked", shown(built.problems))
    if published is None:
        return Verdict("publish" if built.rows else "empty", shown(built.problems))
    rows, sha256 = published
    if sha256 == built.sha256:
        return Verdict("unchanged", shown(built.problems))
    if built.rows * 100 < rows * (100 - settings.shrink_percent):
        what = f"{built.rows} rows instead of {rows}: more than {settings.shrink_percent} % would go off sale"
        return Verdict("shrunk", (what, *shown(built.problems)))
    return Verdict("publish", shown(built.problems))


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """What reading our own file back showed. `defects` are ours; `outdated` is what changed since it was built."""

    defects: tuple[str, ...]
    outdated: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Version:
    """The bytes of a version and how they were written. Without a `sku_header` the SKU stands in the first column."""

    content: bytes
    rows: int
    sha256: str
    separator: str = ","
    sku_header: str | None = None


def read_rows(content: bytes, separator: str) -> list[list[str]]:
    """The file as a marketplace reads it. Raises `UnicodeDecodeError` or `csv.Error`."""
    return list(csv.reader(io.StringIO(content.decode(), newline=""), delimiter=separator, strict=True))


def by_sku(found: Sequence[Sequence[str]], sku_header: str | None) -> dict[str, dict[str, str]]:
    """The rows below the header by SKU, each as cells by column."""
    header = list(found[0]) if found else []
    at = header.index(sku_header) if sku_header in header else 0
    return {row[at]: dict(zip(header, row, strict=False)) for row in found[1:] if len(row) > at}


def check_file(version: Version, now: Built) -> SelfCheck:
    """Read a published file as a marketplace would and compare it with its record and with what would be built now."""
    defects: list[str] = []
    if hashlib.sha256(version.content).hexdigest() != version.sha256:
        defects.append("the bytes are not those that were published")
    try:
        found = read_rows(version.content, version.separator)
    except (UnicodeDecodeError, csv.Error) as error:
        return SelfCheck((*defects, f"the file cannot be read: {type(error).__name__}"), ())
    if len(found) - 1 != version.rows:
        defects.append(f"the file has {len(found) - 1} rows, {version.rows} were published")
    wide = len(found[0]) if found else 0
    defects += [f"row {at} has {len(row)} cells" for at, row in enumerate(found, 1) if len(row) != wide]
    present = by_sku(found, version.sku_header)
    if len(present) != len(found) - 1:
        defects.append("a SKU is in the file twice")
    if write_csv(found, version.separator) != version.content:
        defects.append("the file is not written the way it is read")
    fresh = by_sku(read_rows(now.content, now.separator), now.sku_header)
    different = sorted(sku for sku in fresh.keys() | present.keys() if fresh.get(sku) != present.get(sku))
    return SelfCheck(tuple(defects[:MAX_SHOWN]), tuple(different[:MAX_SHOWN]))


@dataclass(frozen=True, slots=True)
class Change:
    """What became of one row. `cells` of a changed one: column → (before, after); None where there was no column."""

    sku: str
    change: Literal["added", "removed", "changed"]
    cells: dict[str, tuple[str | None, str | None]]


@dataclass(frozen=True, slots=True)
class Diff:
    """What differs between two versions; `changes` by SKU."""

    columns_added: tuple[str, ...]
    columns_removed: tuple[str, ...]
    changes: tuple[Change, ...]

    def counts(self) -> dict[str, int]:
        """Rows added, removed and changed."""
        kinds = [change.change for change in self.changes]
        return {kind: kinds.count(kind) for kind in ("added", "removed", "changed")}


def diff(before: Version, after: Version) -> Diff:
    """Compare two versions row by row. Raises `UnicodeDecodeError` or `csv.Error` for bytes that are not ours."""
    old, new = read_rows(before.content, before.separator), read_rows(after.content, after.separator)
    old_columns, new_columns = (old[0] if old else []), (new[0] if new else [])
    was, now = by_sku(old, before.sku_header), by_sku(new, after.sku_header)
    changes: list[Change] = []
    for sku in sorted(was.keys() | now.keys()):
        if sku not in was or sku not in now:
            changes.append(Change(sku, "added" if sku in now else "removed", {}))
        elif was[sku] != now[sku]:
            changes.append(Change(sku, "changed", _cells(was[sku], now[sku])))
    return Diff(
        tuple(name for name in new_columns if name not in old_columns),
        tuple(name for name in old_columns if name not in new_columns),
        tuple(changes),
    )


def _cells(was: dict[str, str], now: dict[str, str]) -> dict[str, tuple[str | None, str | None]]:
    names = [*was, *(name for name in now if name not in was)]
    return {name: (was.get(name), now.get(name)) for name in names if was.get(name) != now.get(name)}


def view(change: Change) -> dict[str, Any]:
    """A change as JSON."""
    return {"sku": change.sku, "change": change.change, "cells": change.cells}
