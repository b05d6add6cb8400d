"""The CSV that Mirakl speaks: separator `;`, UTF-8, quotes where needed."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from connector_kit.http import BadAnswer


def write_csv(header: Sequence[str], rows: Iterable[Sequence[str]]) -> bytes:
    """A file with a header line."""
    out = io.StringIO()
    writer = csv.writer(out, delimiter=";", lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return out.getvalue().encode("utf-8")


def read_csv(content: bytes) -> list[list[str]]:
    """All rows, the header first. Raises `BadAnswer` for bytes that are no such file."""
    try:
        document = content.decode("utf-8-sig")
        return [row for row in csv.reader(io.StringIO(document, newline=""), delimiter=";") if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise BadAnswer(f"the report is not a CSV file: {error}") from None
