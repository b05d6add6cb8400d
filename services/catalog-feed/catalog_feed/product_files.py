"""What can be seen of a product file before a marketplace is asked: pure.

Only what no marketplace could take is refused; which columns it wants is its own business and comes with its reports.
"""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from dataclasses import dataclass

from catalog_feed.products import RowError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._ -]{0,99}\.(csv|xml|xlsx)")
MAX_ERRORS = 200
CHUNK = 64 * 1024


class TooBig(ValueError):
    """The unpacked file is above the limit."""


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen. `rows` counts data rows of a CSV, None for other files."""

    rows: int | None
    errors: tuple[RowError, ...] = ()


def unpack(body: bytes, encoding: str, limit: int) -> bytes:
    """The file of a body that may be packed with gzip. Raises `TooBig`, or `ValueError` for what is no gzip.

    Read piece by piece: a few kilobytes can unpack to gigabytes.
    """
    if encoding.lower() not in ("gzip", "x-gzip"):
        if len(body) > limit:
            raise TooBig
        return body
    found = bytearray()
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(body)) as stream:
            while piece := stream.read(CHUNK):
                found += piece
                if len(found) > limit:
                    raise TooBig
    except (OSError, EOFError, zlib.error):
        raise ValueError("is not a whole gzip file") from None
    return bytes(found)


def look(name: str, content: bytes) -> Seen:
    """Check a file by its ending. Never raises."""
    if not content.strip():
        return Seen(None, (RowError(-1, "", "is empty"),))
    return _look_csv(content) if name.lower().endswith(".csv") else Seen(None)


def _look_csv(content: bytes) -> Seen:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return Seen(None, (RowError(line, "", "is not UTF-8; save the file as UTF-8 CSV"),))
    head = text.partition("\n")[0]
    separator = max((";", ",", "\t", "|"), key=head.count)
    try:
        rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except csv.Error as error:
        return Seen(None, (RowError(-1, "", f"is not readable as CSV: {error}"),))
    header = [name.strip() for name in rows[0]]
    errors = [RowError(1, "", f"column {at} has no name") for at, name in enumerate(header, 1) if not name]
    errors += [RowError(1, name[:100], "column is there twice") for name in sorted(set(header)) if _twice(header, name)]
    filled = [(at, row) for at, row in enumerate(rows[1:], 2) if any(cell.strip() for cell in row)]
    wrong = [(at, row) for at, row in filled if len(row) != len(header)]
    errors += [RowError(at, "", f"has {len(row)} cells, the header has {len(header)}") for at, row in wrong]
    if not filled:
        errors.append(RowError(-1, "", "has no rows below its header"))
    return Seen(len(filled), tuple(errors[:MAX_ERRORS]))


def _twice(header: list[str], name: str) -> bool:
    return bool(name) and header.count(name) > 1
