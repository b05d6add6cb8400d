"""The two error reports of a product import, row by row. Pure.

P47 tells what was wrong with our file (source columns, then line number, warnings and errors as `1001|text`). P44 tells
what the operator refused afterwards; its layout is the operator's own unless the operator runs Mirakl's catalogue, so
columns are found by name and a report that cannot be matched is still handed on as a problem, never as success.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from connector_kit.http import BadAnswer
from connector_kit.offers import Problem
from connector_kit.profiles import OperatorProfile
from connector_mirakl.csvfile import read_csv
from connector_mirakl.products_codes import remedy_of

LINE = frozenset({"line-number", "line number", "line", "error-line", "line_number"})
ERRORS = frozenset({"errors", "error", "error-message", "error-reason", "rejection-reason", "rejection reason"})
WARNINGS = frozenset({"warnings", "warning"})
SKUS = ("shop-sku", "shop_sku", "sku", "provider-unique-identifier", "product-sku", "ean")
CODED = re.compile(r"(?:^|(?<=[,;\n\s]))(\d{4})\|")
"""Where one coded message of a cell begins; several stand in one cell one after the other."""
UNREADABLE = "Download the report in the operator's seller portal and read it there."


def report_problems(content: bytes, about: str, profile: OperatorProfile | None) -> list[Problem]:
    """Every message of every row. A report that cannot be read row by row is one problem."""
    try:
        rows = read_csv(content)
    except BadAnswer:
        rows = []
    if not rows:
        return [Problem(field=about, rule="the report is not a readable CSV file", next_step=UNREADABLE)]
    header = [name.strip().lower() for name in rows[0]]
    why = [(i, name in WARNINGS) for i, name in enumerate(header) if name in ERRORS | WARNINGS]
    if not why:
        rule = f"the report has no column of errors, its columns are {', '.join(header)[:200]}"
        return [Problem(field=about, rule=rule, next_step=UNREADABLE)]
    found = [problem for place, row in enumerate(rows[1:], start=1) for problem in _row(header, row, why, place, about)]
    return [_with_step(problem, profile) for problem in found]


def _row(
    header: Sequence[str], row: Sequence[str], why: Sequence[tuple[int, bool]], place: int, about: str
) -> Iterator[Problem]:
    cells = dict(zip(header, row, strict=False))
    line = next((cells[name] for name in header if name in LINE and cells.get(name, "").strip().isdecimal()), None)
    sku = next((cells[name].strip() for name in SKUS if cells.get(name, "").strip()), None)
    number = place if line is None else max(int(line) - 1, 1)
    for column, warns in why:
        for code, message in messages(row[column] if column < len(row) else ""):
            yield Problem(
                field=about,
                rule=message[:300],
                code=code,
                row=number,
                offer_sku=sku,
                severity="warning" if warns else "error",
            )


def messages(cell: str) -> list[tuple[str | None, str]]:
    """The messages of a cell, each with its code where it has one."""
    parts = CODED.split(cell.strip())
    found: list[tuple[str | None, str]] = [(None, parts[0].strip(" ,;"))]
    found += [(code, said.strip(" ,;\n")) for code, said in zip(parts[1::2], parts[2::2], strict=True)]
    return [(code, said or f"error {code}") for code, said in found if code or said]


def _with_step(problem: Problem, profile: OperatorProfile | None) -> Problem:
    """What to do: the operator's words for the message or the code, else Mirakl's for the code."""
    said = profile.remedy(problem.rule) if profile else None
    if said is None and profile is not None and problem.code is not None:
        said = next((remedy for remedy in profile.remedies if remedy.says == problem.code), None)
    if said is None and problem.code is not None:
        said = remedy_of(problem.code)
    return problem if said is None else problem.model_copy(update={"next_step": said.next_step})


def rows_with(problems: Sequence[Problem], severity: str) -> int:
    """How many rows have such a problem."""
    return len({problem.row for problem in problems if problem.severity == severity and problem.row is not None})
