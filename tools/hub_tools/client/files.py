"""Files that people hand over: read whole, cut into parts that a service takes."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub_tools.client.errors import usage

MOST_BYTES = 256 * 1024 * 1024
"""Beyond this it is the wrong file."""
PART_BYTES = 700_000
"""Services take bodies of 1 MiB."""
PART_ROWS = 5_000


def read_file(path: Path) -> bytes:
    """The file's bytes. Raises `CommandError` (usage)."""
    try:
        if path.stat().st_size > MOST_BYTES:
            raise usage(f"FILE: {path} is larger than {MOST_BYTES >> 20} MiB")
        return path.read_bytes()
    except OSError as error:
        raise usage(f"FILE: {path}: {error.strerror or 'cannot be read'}") from None


def parts_of(data: bytes, *, rows: int = PART_ROWS, size: int = PART_BYTES) -> list[tuple[int, bytes]]:
    """A CSV as parts that each begin with its header, with the number of rows before each. A small file stays whole."""
    if len(data) <= size and data.count(b"\n") <= rows:
        return [(0, data)]
    lines = data.splitlines(keepends=True)
    header, body = lines[0], lines[1:]
    parts: list[tuple[int, bytes]] = []
    start, used = 0, len(header)
    for number, line in enumerate(body):
        if number > start and (number - start >= rows or used + len(line) > size):
            parts.append((start, header + b"".join(body[start:number])))
            start, used = number, len(header)
        used += len(line)
    return [*parts, (start, header + b"".join(body[start:]))]


def row_errors(problem: dict[str, object] | None, before: int, names: Sequence[str]) -> list[dict[str, object]]:
    """The rows that a service refuses, numbered as in the whole file (the header is row 1, 0 the file itself)."""
    found = next((problem[name] for name in names if problem and isinstance(problem.get(name), list)), [])
    assert isinstance(found, list), "chosen because it is one"
    return [{**row, "row": int(row["row"]) + before if row.get("row") else 0} for row in found if isinstance(row, dict)]
