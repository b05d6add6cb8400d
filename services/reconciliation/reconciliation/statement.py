"""The statement of one connection for one UTC day, as data and as a page that people can read. Pure.

"0 differences" is only worth something together with what was compared; so a statement always says both, and says
in words what is missing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from html import escape
from uuid import UUID

from hub_contracts.ids import statement_id_for
from hub_contracts.reconciliations import StatementIssued
from reconciliation.life import Difference


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known about the day."""

    connection_id: UUID
    label: str
    environment: str
    day: date
    orders: int
    orders_compared: int
    offers: int
    offers_compared: int
    effects_by_kind: Mapping[str, int]
    found: int
    resolved: int
    open_by_kind: Mapping[str, int]
    open: Sequence[Difference]
    """Oldest first; may be cut, the counts are not."""
    compared_at: datetime | None
    offers_why_not: str = ""
    """Why offers cannot be compared here at all; empty when they are."""
    orders_why_not: str = ""
    gaps: str = ""
    """What the last comparison could not read."""
    final: bool = True


def missing_parts(facts: Facts) -> list[str]:
    """In words, everything of the day that was not compared."""
    found = [facts.orders_why_not] if facts.orders_why_not else []
    if facts.orders_compared < facts.orders:
        found.append(f"{facts.orders - facts.orders_compared} of {facts.orders} orders were not compared")
    if facts.offers_why_not and facts.offers:
        found.append(facts.offers_why_not)
    if facts.offers_compared < facts.offers:
        found.append(f"{facts.offers - facts.offers_compared} of {facts.offers} offers were not compared")
    if facts.gaps:
        found.append(facts.gaps)
    if facts.compared_at is None and not found:
        found.append("no comparison has been finished since the day began")
    return found


def issue(facts: Facts) -> StatementIssued:
    """The event."""
    return StatementIssued(
        statement_id=statement_id_for(facts.connection_id, facts.day.isoformat()),
        connection_id=facts.connection_id,
        day=facts.day,
        orders=facts.orders,
        orders_compared=facts.orders_compared,
        offers=facts.offers,
        offers_compared=facts.offers_compared,
        effects=sum(facts.effects_by_kind.values()),
        effects_by_kind=dict(facts.effects_by_kind),
        differences_open=sum(facts.open_by_kind.values()),
        differences_found=facts.found,
        differences_resolved=facts.resolved,
        differences_by_kind=dict(facts.open_by_kind),
        complete=not missing_parts(facts),
        compared_at=facts.compared_at,
    )


def headline(told: StatementIssued) -> str:
    """One line that says it all."""
    text = f"{told.orders} orders, {told.effects} effects, {told.differences_open} differences"
    return text if told.complete else f"{text} (incomplete)"


def age(since: datetime, now: datetime) -> str:
    """A duration for people."""
    passed = max(now - since, timedelta())
    if passed.days:
        return f"{passed.days} d {passed.seconds // 3600} h"
    return f"{passed.seconds // 3600} h {passed.seconds % 3600 // 60} min"


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the page."""

    title: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


def tables(body: Mapping[str, object]) -> list[Table]:
    """The tables of a stored statement."""
    effects, kinds, listed = body["effects_by_kind"], body["differences_by_kind"], body["open"]
    assert isinstance(effects, dict)
    assert isinstance(kinds, dict)
    assert isinstance(listed, list)
    return [
        Table("Compared", ("what", "of the day", "compared"), _compared(body)),
        Table("Effects the marketplace took", ("kind", "number"), _counts(effects)),
        Table("Open differences", ("kind", "number"), _counts(kinds)),
        Table(
            "Each open difference",
            ("kind", "what", "hub", "marketplace", "age", "owner", "next step"),
            tuple(
                (
                    str(each["kind"]),
                    str(each["what"]),
                    str(each["hub_value"]),
                    str(each["marketplace_value"]),
                    str(each["age"]),
                    str(each["owner"]),
                    str(each["next_step"]),
                )
                for each in listed
            ),
        ),
    ]


def _compared(body: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    return tuple((what, str(body[what]), str(body[f"{what}_compared"])) for what in ("orders", "offers"))


def _counts(counts: Mapping[str, object]) -> tuple[tuple[str, ...], ...]:
    return tuple((kind, str(count)) for kind, count in sorted(counts.items()))


def _heading(body: Mapping[str, object]) -> list[str]:
    state = "" if body["final"] else ", issued before the day's end"
    lines = [
        f"Statement of {body['label']} ({body['environment']}) for {body['day']} UTC{state}",
        str(body["headline"]),
        f"Issued {body['issued_at']}. It rests on comparisons since {body['compared_at'] or 'never'}.",
    ]
    missing = body["not_compared"]
    assert isinstance(missing, list)
    return lines + [f"Not compared: {part}." for part in missing]


def as_text(body: Mapping[str, object]) -> str:
    """The page in plain text, columns aligned."""
    title, *rest = _heading(body)
    out = [title, "=" * len(title), "", *rest]
    for table in tables(body):
        out += ["", table.title, "-" * len(table.title)]
        out += _aligned([table.head, *table.rows]) if table.rows else ["none"]
    return "\n".join(out) + "\n"


def _aligned(rows: Sequence[tuple[str, ...]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def as_html(body: Mapping[str, object]) -> str:
    """The page as a self-contained document; every value is escaped."""
    title, *rest = [escape(line) for line in _heading(body)]
    parts = [f"<h1>{title}</h1>", *(f"<p>{line}</p>" for line in rest)]
    for table in tables(body):
        parts.append(f"<h2>{escape(table.title)}</h2>")
        if not table.rows:
            parts.append("<p>none</p>")
            continue
        head = "".join(f"<th>{escape(cell)}</th>" for cell in table.head)
        rows = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows)
        parts.append(f"<table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table>")
    style = (
        "body{font-family:sans-serif;margin:2em}table{border-collapse:collapse}"
        "td,th{border:1px solid #999;padding:.3em .6em;text-align:left}"
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>'
        f"<style>{style}</style></head><body>{''.join(parts)}</body></html>\n"
    )
