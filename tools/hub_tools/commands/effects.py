"""`hub effects …`: the ledger of what was done outside, and what nobody can tell about yet."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from hub_common.effects.model import EffectState
from hub_tools.client.errors import usage
from hub_tools.client.hub import open_hub
from hub_tools.client.orders import an_id, order_id_of
from hub_tools.client.output import AsJson, Yes, clean, confirm, emit, missing_note, table

app = typer.Typer(no_args_is_help=True, help="Effects: what was or will be done at marketplaces and shops.")
COLUMNS = ("created", "service", "kind", "state", "tries", "deadline", "natural key", "why", "id")
ALL = "/v1/operations/effects"


class Verdict(StrEnum):
    """What a person found out at the outside system."""

    APPLIED = "applied"
    RESEND = "resend"
    GIVE_UP = "give-up"


WORDS = {
    Verdict.APPLIED: "applied",
    Verdict.RESEND: "not_applied_resend",
    Verdict.GIVE_UP: "not_applied_give_up",
}
Service = Annotated[str | None, typer.Option(help="The service that owns it; looked for without.")]


@app.command("list")
def list_effects(
    state: Annotated[EffectState | None, typer.Option(help="Only in this state; UNKNOWN = in doubt.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind.")] = None,
    order: Annotated[str | None, typer.Option(help="Only of this order: id, number, reference.")] = None,
    service: Annotated[str | None, typer.Option(help="Only of this service.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="Effects at most, per service.")] = 50,
    as_json: AsJson = False,
) -> None:
    """Effects, newest first."""
    hub = open_hub()
    order_id = order_id_of(hub, order) if order else None
    query = {"state": state.value if state else None, "kind": kind, "order_id": order_id, "limit": limit}
    found = hub.gather(lambda one: one.get(ALL, query), [service] if service else None)
    items = sorted(found.items_of(), key=lambda item: str(item["created_at"]), reverse=True)
    rows = [
        (
            str(item["created_at"])[:19],
            item["service"],
            item["kind"],
            item["state"],
            item["attempts"],
            str(item["deadline"] or "")[:16],
            item["natural_key"],
            item["reason"],
            item["effect_id"],
        )
        for item in items
    ]
    answer = {"items": items, "unreachable": found.unreachable()}
    emit(answer, as_json, lambda console: console.print(table(COLUMNS, rows)))
    missing_note(found.unreachable())
    if found.missing:
        raise typer.Exit(found.exit_code())


@app.command()
def show(
    effect_id: Annotated[str, typer.Argument(help="Id of the effect.")],
    service: Service = None,
    as_json: AsJson = False,
) -> None:
    """One effect: what was asked, what was answered, every attempt and every look."""
    effect_id = an_id("EFFECT_ID", effect_id)
    client, found = open_hub().owner_of(effect_id, f"{ALL}/{effect_id}", service)
    answer = {"service": client.name, **found}
    emit(answer, as_json, lambda console: _draw(console, answer))


@app.command()
def settle(
    effect_id: Annotated[str, typer.Argument(help="Id of an effect in doubt.")],
    verdict: Annotated[Verdict, typer.Option(help="What the outside shows: it is there, or it is not.")],
    evidence: Annotated[str, typer.Option(help="How you know; kept with your login.")],
    service: Service = None,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Say what is true about an effect in doubt. `resend` lets it be sent again: be sure that it is not there."""
    if len(evidence.strip()) < 3:
        raise usage("--evidence: must have 3 characters at least")
    effect_id = an_id("EFFECT_ID", effect_id)
    client, found = open_hub().owner_of(effect_id, f"{ALL}/{effect_id}", service)
    if verdict is not Verdict.APPLIED:
        question = f"{found['kind']} {found['natural_key']}: {verdict.value}; sure that it was not applied?"
        confirm(question, yes=yes, as_json=as_json)
    body = {"verdict": WORDS[verdict], "evidence": evidence.strip()}
    answer: dict[str, Any] = client.post(f"{ALL}/{effect_id}/settle", body)
    emit({"service": client.name, **answer}, as_json, lambda console: console.print(f"now {answer['state']}"))


def _draw(console: Console, effect: dict[str, Any]) -> None:
    head = f"{effect['kind']}  {effect['state']}  {effect['service']}"
    console.print(Text(clean(head), style="bold"))
    shown = ("natural_key", "order_id", "connection_id", "deadline", "reason", "evidence", "confirmed_by", "created_at")
    for name in shown:
        if effect[name]:
            console.print(Text(clean(f"{name:<14}{effect[name]}")))
    for name in ("request", "answer"):
        if effect[name]:
            console.print(
                Text(clean(f"{name}:\n{json.dumps(effect[name], indent=2, default=str, ensure_ascii=False)}"))
            )
    rows = [
        (str(each["at"])[:23].replace("T", " "), each["attempt"], each["step"], each["result"], each["detail"])
        for each in effect["ledger"]
    ]
    console.print(table(("at (UTC)", "try", "step", "result", "detail"), rows))
