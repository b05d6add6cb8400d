"""Carrier rules as CSV, for sellers who keep them in a spreadsheet.

An import is all or nothing with every error listed: a half-imported rule set would send some parcels with the old rules
and some with the new. Cells that a spreadsheet would run as a formula are quoted on export and unquoted on import.
"""

import csv
import io
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from carrier_mapper.rules import CarrierRule, RuleKind, RuleProblem, rule_problems

COLUMNS = (
    "id", "connection_id", "kind", "priority", "destination_country", "shop_carrier", "pattern", "strip_marker",
    "carrier_code", "carrier_name", "tracking_url_template", "enabled", "version",
)  # fmt: skip
REQUIRED_COLUMNS = ("kind", "priority")
MAX_BYTES = 2_000_000
"""Some 10,000 long rules; more is a wrong file and would only fill memory."""
_FORMULA_STARTS = ("=", "+", "-", "@")
_TRUTH = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


@dataclass(frozen=True, slots=True)
class RowError:
    """One thing wrong. `row` counts records as spreadsheets do: the header is row 1; 0 means the whole file."""

    row: int
    column: str
    rule: str
    message: str


@dataclass(frozen=True, slots=True)
class RulesImport:
    """Either all rules and no error, or no rule and every error."""

    rules: tuple[CarrierRule, ...]
    errors: tuple[RowError, ...]


def export_rules(rules: Iterable[CarrierRule]) -> bytes:
    """UTF-8 with BOM (spreadsheets need it to read accents), comma, header row, CRLF; order of the rules kept."""
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(COLUMNS)
    writer.writerows([_cell(getattr(rule, column)) for column in COLUMNS] for rule in rules)
    return text.getvalue().encode("utf-8-sig")


def import_rules(data: bytes, connection_id: str, new_id: Callable[[], str] | None = None) -> RulesImport:
    """Reads rules of one connection. Never raises for bad content: everything wrong is in `errors`.

    A blank `connection_id` cell means `connection_id`; another connection is an error. A blank `id` gets `new_id()`,
    or is an error without it. Blank `enabled` is true, blank `version` is 1. Columns may come in any order.
    """
    rows, problem = _rows(data)
    if problem is not None:
        return RulesImport((), (problem,))
    header = [name.strip().lower() for name in rows[0]] if rows else []
    errors = _header_errors(header)
    if errors:
        return RulesImport((), tuple(errors))
    rules: list[CarrierRule] = []
    seen: dict[str, int] = {}
    for number, row in enumerate(rows[1:], start=2):
        if not any(cell.strip() for cell in row):
            continue
        rule, found = _rule(header, row, connection_id, new_id)
        if rule is not None and rule.id in seen:
            found.append(RuleProblem("id", "unique", f"row {seen[rule.id]} has this id already"))
        errors += [RowError(number, p.field, p.rule, p.message) for p in found]
        if rule is not None:
            seen.setdefault(rule.id, number)
            rules.append(rule)
    return RulesImport((), tuple(errors)) if errors else RulesImport(tuple(rules), ())


def _rows(data: bytes) -> tuple[list[list[str]], RowError | None]:
    if len(data) > MAX_BYTES:
        return [], RowError(0, "", "too_large", f"the file has {len(data)} bytes, at most {MAX_BYTES} are allowed")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        return [], RowError(row, "", "encoding", "not UTF-8; save the file as 'CSV UTF-8'")
    rows: list[list[str]] = []
    try:
        rows.extend(csv.reader(io.StringIO(text, newline=""), strict=True))
    except csv.Error as error:
        return [], RowError(len(rows) + 1, "", "quoting", f"the row cannot be read: {error}")
    return rows, None


def _header_errors(header: Sequence[str]) -> list[RowError]:
    if len(header) == 1 and ";" in header[0]:
        return [RowError(1, "", "separator", "columns are separated by semicolons; save the file with commas")]
    found = [RowError(1, name, "required", "the column is missing") for name in REQUIRED_COLUMNS if name not in header]
    for position, name in enumerate(header):
        if name not in COLUMNS:
            found.append(RowError(1, name, "unknown_column", f"known columns are {', '.join(COLUMNS)}"))
        elif name in header[:position]:
            found.append(RowError(1, name, "unique", "the column occurs twice"))
    return found


def _rule(
    header: Sequence[str], row: Sequence[str], connection_id: str, new_id: Callable[[], str] | None
) -> tuple[CarrierRule | None, list[RuleProblem]]:
    if len(row) != len(header):
        return None, [RuleProblem("", "cells", f"{len(row)} cells, the header has {len(header)}")]
    cells = {name: _plain(cell.strip()) or None for name, cell in zip(header, row, strict=True)}
    found: list[RuleProblem] = []
    own_connection = cells.get("connection_id") or connection_id
    if own_connection != connection_id:
        found.append(RuleProblem("connection_id", "other_connection", "the rule belongs to another connection"))
    rule_id = cells.get("id") or (new_id() if new_id else None)
    if rule_id is None:
        found.append(RuleProblem("id", "required", "must not be blank"))
    kind = cells.get("kind") or ""
    if kind not in list(RuleKind):
        found.append(RuleProblem("kind", "one_of", f"must be one of {', '.join(RuleKind)}"))
    enabled = _TRUTH.get((cells.get("enabled") or "true").lower())
    if enabled is None:
        found.append(RuleProblem("enabled", "one_of", "must be true or false"))
    priority, version = _whole(cells, "priority", None, found), _whole(cells, "version", 1, found)
    rule = CarrierRule(
        id=rule_id or "-",
        connection_id=own_connection,
        kind=RuleKind(kind) if kind in list(RuleKind) else RuleKind.PATTERN,
        priority=priority,
        carrier_code=cells.get("carrier_code"),
        carrier_name=cells.get("carrier_name"),
        shop_carrier=cells.get("shop_carrier"),
        pattern=cells.get("pattern"),
        destination_country=cells.get("destination_country"),
        strip_marker=cells.get("strip_marker"),
        tracking_url_template=cells.get("tracking_url_template"),
        enabled=bool(enabled),
        version=version,
    )
    kind_unknown = any(p.field == "kind" for p in found)
    already = {p.field for p in found} | ({"shop_carrier", "pattern"} if kind_unknown else set())
    found += [problem for problem in rule_problems(rule) if problem.field not in already]
    return (rule if rule_id else None), found


def _whole(cells: dict[str, str | None], column: str, blank: int | None, found: list[RuleProblem]) -> int:
    text = cells.get(column)
    if text is None and blank is not None:
        return blank
    if text is None or not (text.isascii() and text.isdigit() and len(text) <= 9):
        found.append(RuleProblem(column, "whole_number", "must be a whole number"))
        return 1
    return int(text)


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    text = str(value)
    return f"'{text}" if _could_run(text) or (text[:1] == "'" and _could_run(text.lstrip("'"))) else text


def _plain(text: str) -> str:
    return text[1:] if text[:1] == "'" and _could_run(text.lstrip("'")) else text


def _could_run(text: str) -> bool:
    return text.startswith(_FORMULA_STARTS)
