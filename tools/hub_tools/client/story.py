"""An order's story on a terminal: what happened, because of what, and what we did about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from hub_tools.client.output import age, clean, missing_note, table

Row = Mapping[str, Any]
TOLD = ("decision", "reason", "cause", "to_status", "carrier_name", "tracking_number", "shop_reference", "percent")
"""Members of event bodies that say in one word what the event is about."""
MOST = 100
"""Characters of one detail."""


def until(effects: Sequence[dict[str, Any]], instant: datetime | None) -> list[dict[str, Any]]:
    """The effects as they stood at `instant`; None = now. What came later is left out, the state with it."""
    if instant is None:
        return list(effects)
    known = []
    for effect in effects:
        if datetime.fromisoformat(str(effect["created_at"])) > instant:
            continue
        ledger = [each for each in effect["ledger"] if datetime.fromisoformat(str(each["at"])) <= instant]
        settled = effect["settled_at"] is not None and datetime.fromisoformat(str(effect["settled_at"])) <= instant
        state = effect["state"] if settled else ledger[-1]["result"] if ledger else "PLANNED"
        then = {"state": state, "ledger": ledger}
        if not settled:
            then |= {"answer": {}, "evidence": "", "reason": "", "settled_at": None, "confirmed_by": None}
        known.append(effect | then)
    return known


def draw_story(console: Console, story: Row) -> None:
    """Print it, part by part; parts without content are left out."""
    _head(console, story)
    _events(console, story["timeline"])
    _decisions(console, story["decisions"])
    _effects(console, story["effects"])
    _parcels(console, story["parcels"])
    _money(console, story["money"])
    _waiting(console, story)
    missing_note(story["unreachable"])


def _head(console: Console, story: Row) -> None:
    order = story.get("order") or {}
    name = order.get("marketplace_reference") or story["order_id"]
    line = f"{name}  {story['status'] or 'no status yet'}"
    if order:
        line += f"  {order.get('total_price', '')} {order.get('currency', '')}  ({order.get('connector', '')})"
    console.print(Text(clean(line), style="bold"))
    console.print(Text(f"order {story['order_id']}"))
    if story["as_of"]:
        console.print(Text(f"as of {story['as_of']}: what was known then", style="yellow"))
    for each in story["deadlines"]:
        style = "red" if each["seconds_left"] < 0 else ""
        console.print(Text(f"{each['kind']} {each['due_at']} ({age(each['seconds_left'])} left)", style=style))


def _part(console: Console, title: str) -> None:
    console.print()
    console.print(Rule(title, align="left"))


def _events(console: Console, timeline: Sequence[Row]) -> None:
    _part(console, f"{len(timeline)} events")
    rows = [
        (
            event["number"],
            f"← {event['caused_by']}" if event["caused_by"] else "",
            str(event["at"])[:23].replace("T", " "),
            event["source"],
            event["type"] + ("" if event["origin"] == "live" else f" ({event['origin']})"),
            _gist(event["data"]),
        )
        for event in timeline
    ]
    console.print(table(("", "cause", "at (UTC)", "by", "event", ""), rows))


def _gist(data: Row) -> str:
    found = [f"{name}={data[name]}" for name in TOLD if data.get(name) not in (None, "", [])]
    return ", ".join(found)[:MOST]


def _decisions(console: Console, decisions: Sequence[Row]) -> None:
    if not decisions:
        return
    _part(console, "decisions")
    for each in decisions:
        who = each["actor"] or each["decided_by"]
        console.print(Text(clean(f"{each['decision']} by {who}: {each['reason'] or 'no reason given'}")))
        for rule in each["rules"]:
            inputs = ", ".join(f"{name}={value}" for name, value in rule["inputs"].items())
            line = f"  {rule['outcome']:<8}{rule['rule']}: {rule['reason']}" + (f" ({inputs})" if inputs else "")
            console.print(Text(clean(line[: MOST * 2])))
        for option in each["losing_options"]:
            console.print(Text(clean(f"  not {option['option']}: {option['why_not']}"[: MOST * 2])))


def _effects(console: Console, effects: Sequence[Row]) -> None:
    if not effects:
        return
    _part(console, "effects")
    for effect in effects:
        console.print(Text(clean(f"{effect['kind']}  {effect['state']}  {effect['service']}  {effect['effect_id']}")))
        for each in effect["ledger"]:
            line = f"  {str(each['at'])[:23].replace('T', ' ')}  {each['step']}  {each['result']}  {each['detail']}"
            console.print(Text(clean(line[: MOST * 2])))


def _parcels(console: Console, parcels: Sequence[Row]) -> None:
    if not parcels:
        return
    _part(console, "parcels")
    rows = [
        (
            each["parcel_id"],
            ", ".join(f"{line.get('quantity')} × {line.get('line_id')}" for line in each["lines"]),
            each["shop_carrier"],
            each["marketplace_carrier"] or "not mapped",
            each["tracking_number"],
            "told" if each["marketplace_knows"] else "not told",
        )
        for each in parcels
    ]
    console.print(table(("parcel", "lines", "shop's carrier", "marketplace's", "tracking", "marketplace"), rows))


def _money(console: Console, money: Row) -> None:
    if money.get("total_price") is None:
        return
    _part(console, "money")
    console.print(
        Text(clean(f"total {money['total_price']} {money['currency']}, of which shipping {money['shipping_price']}"))
    )
    for word in ("requested", "confirmed"):
        for each in money[f"refunds_{word}"]:
            console.print(Text(clean(f"refund {word} {each['refund_id']}: {_lines(each['lines'])}")))
    for refund_id in money["refunds_rejected"]:
        console.print(Text(clean(f"refund rejected {refund_id}")))


def _lines(lines: Sequence[Row]) -> str:
    return ", ".join(
        f"{line['amount']} + {line['shipping_amount']} shipping for {line['quantity']} × {line['line_id']}"
        for line in lines
    )


def _waiting(console: Console, story: Row) -> None:
    if not story["parked"] and not story["doubts"]:
        return
    _part(console, "waits")
    for each in story["parked"]:
        if each["waiting"]:
            console.print(Text(clean(f"{each['cause']} ({each['owner']}): {each['detail']} → {each['next_step']}")))
    for each in story["doubts"]:
        if each["open"]:
            console.print(Text(clean(f"in doubt: {each['kind']} ({each['owner']}): {each['reason']}")))
