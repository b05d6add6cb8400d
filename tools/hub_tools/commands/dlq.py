"""`hub dlq …`: dead letters, grouped by cause; sent back through the inbox that they came from.

A letter is copied first and marked after, in one transaction of the service that owns it: nothing is moved before its
copy is safe, and what was handled meanwhile is not handled again.
"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from hub_tools.client.dead_letters import CHUNK, Letters, Wanted, collect, one_letter
from hub_tools.client.errors import ExitCode, usage
from hub_tools.client.hub import Hub, open_hub
from hub_tools.client.output import AsJson, Yes, confirm, emit, missing_note, progress, say, table
from hub_tools.client.show_letter import draw_letter, masked_letter
from hub_tools.client.topics import WARNING

app = typer.Typer(no_args_is_help=True, help="Dead letters: what could not be handled, and what becomes of it.")
GROUPS = ("service", "cause", "topic", "count", "oldest", "newest", "error")
SINGLE = ("died", "service", "cause", "topic", "key", "error", "id")
BASE = "/v1/operations/dead-letters"

Ids = Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="Ids of dead letters.")]
All = Annotated[bool, typer.Option("--all", help="All that are open, narrowed by the options below.")]
Cause = Annotated[str | None, typer.Option(help="Only this cause: undecodable, permanent, retries_exhausted.")]
Topic = Annotated[str | None, typer.Option(help="Only of this topic.")]
Service = Annotated[str | None, typer.Option(help="Only of this service.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only say which would go; nothing changes.")]


@app.command("list")
def list_letters(
    cause: Cause = None,
    topic: Topic = None,
    service: Service = None,
    each: Annotated[bool, typer.Option("--each", help="Every letter instead of groups by cause.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=100_000, help="With --each: letters at most, per service.")] = 100,
    as_json: AsJson = False,
) -> None:
    """Open dead letters, grouped by service, cause, topic and error."""
    hub = open_hub()
    names = [service] if service else None
    if each:
        letters = collect(hub, Wanted(cause, topic, service), limit)
        _show_each(letters, as_json)
        missing, code = letters.unreachable, letters.exit_code
    else:
        found = hub.gather(lambda one: one.get(f"{BASE}/causes"), names)
        groups = [g for g in found.items_of() if cause in (None, g["cause"]) and topic in (None, g["topic"])]
        groups.sort(key=lambda group: (-group["count"], group["service"], group["cause"]))
        rows = [
            (g["service"], g["cause"], g["topic"], g["count"], str(g["first"])[:16], str(g["last"])[:16], g["error"])
            for g in groups
        ]
        answer = {"groups": groups, "unreachable": found.unreachable()}
        emit(answer, as_json, lambda console: console.print(table(GROUPS, rows)))
        missing, code = found.unreachable(), found.exit_code()
    missing_note(missing)
    if missing:
        raise typer.Exit(code)


def _show_each(letters: Letters, as_json: bool) -> None:
    rows = [
        (
            str(x["died_at"])[:19],
            x["service"],
            x["cause"],
            x["topic"],
            x["key"],
            str(x["error"]).partition("\n")[0],
            x["dead_letter_id"],
        )
        for x in letters.items
    ]
    answer = {"items": letters.items, "unreachable": letters.unreachable}
    emit(answer, as_json, lambda console: console.print(table(SINGLE, rows)))


@app.command()
def show(
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the dead letter.")],
    service: Service = None,
    show_personal_data: Annotated[bool, typer.Option("--show-personal-data", help="Do not mask it.")] = False,
    as_json: AsJson = False,
) -> None:
    """One dead letter: why it died, its headers and its body."""
    if show_personal_data:
        say(WARNING)
    found = one_letter(open_hub(), letter_id, service)
    answer = masked_letter(found, show=show_personal_data)
    emit(answer, as_json, lambda console: draw_letter(console, answer))


@app.command()
def retry(
    ids: Ids = None,
    all_open: All = False,
    cause: Cause = None,
    topic: Topic = None,
    service: Service = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Send dead letters back through the inbox. Exit code 1 when some cannot go."""
    hub, letters = _chosen(ids, all_open, Wanted(cause, topic, service))
    if not dry_run and letters.items:
        confirm(f"Send {_in_words(letters)} back?", yes=yes, as_json=as_json)
    answer = _apply(hub, letters, "redrive", {"dry_run": dry_run}, "redriven", as_json)
    word = "would go back" if dry_run else "sent back"
    _report(answer | {"dry_run": dry_run}, "redriven", word, as_json)


@app.command()
def discard(
    reason: Annotated[str, typer.Option(help="Why nobody will need them; kept with your login.")],
    ids: Ids = None,
    all_open: All = False,
    cause: Cause = None,
    topic: Topic = None,
    service: Service = None,
    dry_run: DryRun = False,
    yes: Yes = False,
    as_json: AsJson = False,
) -> None:
    """Close dead letters for good. Their bytes stay in the service's table."""
    if len(reason.strip()) < 3:
        raise usage("--reason: must have 3 characters at least")
    hub, letters = _chosen(ids, all_open, Wanted(cause, topic, service))
    if dry_run:
        found = {"discarded": [x["dead_letter_id"] for x in letters.items], "left": [], "by_service": letters.counts()}
        _report(found | {"dry_run": True}, "discarded", "would be discarded", as_json)
        return
    if letters.items:
        confirm(f"Discard {_in_words(letters)} for good?", yes=yes, as_json=as_json)
    answer = _apply(hub, letters, "discard", {"reason": reason.strip()}, "discarded", as_json)
    _report(answer | {"dry_run": False}, "discarded", "discarded", as_json)


def _chosen(ids: list[str] | None, all_open: bool, wanted: Wanted) -> tuple[Hub, Letters]:
    if bool(ids) == all_open:
        raise usage("name dead letters by their ids, or give --all (narrowed by --cause, --topic, --service)")
    hub = open_hub()
    letters = collect(hub, wanted, None, ids)
    if letters.unreachable:
        missing_note(letters.unreachable)
    return hub, letters


def _in_words(letters: Letters) -> str:
    groups: dict[tuple[str, str, str], int] = {}
    for x in letters.items:
        group = (x["service"], x["cause"], x["topic"])
        groups[group] = groups.get(group, 0) + 1
    parts = [f"{n} × {cause} of {topic} at {service}" for (service, cause, topic), n in sorted(groups.items())]
    return f"{len(letters.items)} dead letters ({'; '.join(parts)})"


def _apply(hub: Hub, letters: Letters, step: str, body: dict[str, Any], member: str, as_json: bool) -> dict[str, Any]:
    done: list[str] = []
    # Oldest first: letters of one key must go back in the order in which they came.
    by_service = {name: list(reversed(ids)) for name, ids in letters.ids_by_service().items()}
    tried = 0
    with progress(step, len(letters.items), as_json=as_json) as at:
        for name, ids in by_service.items():
            for start in range(0, len(ids), CHUNK):
                chunk = ids[start : start + CHUNK]
                done += hub.service(name).post(f"{BASE}/{step}", {"ids": chunk, **body})[member]
                tried += len(chunk)
                at(tried)
    gone = set(done)
    left = [x["dead_letter_id"] for x in letters.items if x["dead_letter_id"] not in gone]
    return {member: done, "left": left, "by_service": letters.counts(), "unreachable": letters.unreachable}


def _report(answer: dict[str, Any], member: str, word: str, as_json: bool) -> None:
    lines = [f"{len(answer[member])} {word}"]
    if answer["left"]:
        lines.append(
            f"{len(answer['left'])} cannot go: they have no event id, or were settled meanwhile: "
            + ", ".join(answer["left"][:5])
        )
    emit(answer, as_json, lambda console: console.print("\n".join(lines), markup=False))
    if answer["left"]:
        raise typer.Exit(ExitCode.FAILED)
    if answer.get("unreachable"):
        raise typer.Exit(ExitCode.UNREACHABLE)
