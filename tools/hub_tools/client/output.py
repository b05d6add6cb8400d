"""What commands print: one JSON document, or a table for people; never control characters that came from outside."""

from __future__ import annotations

import io
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from hub_tools.client.errors import usage
from hub_tools.stack.model import Say, silent

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, errors as one line of JSON.")]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
PIPE_WIDTH = 240
"""Characters of a line where nobody looks at a screen: identifiers must not be cut."""


def out() -> Console:
    """Standard output as it is now."""
    return _console(stderr=False)


def err() -> Console:
    """Standard error as it is now."""
    return _console(stderr=True)


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else PIPE_WIDTH
    return Console(file=stream, highlight=False, soft_wrap=False, width=width)


def clean(value: object) -> str:
    """Text for a terminal: what came from outside must not move the cursor or colour the screen."""
    text = "" if value is None else str(value)
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)


def say(line: str, style: str = "") -> None:
    """A line for people on standard error."""
    err().print(Text(clean(line), style=style), soft_wrap=True)


def teller(as_json: bool) -> Say:
    """`say`, or with --json nobody: standard error then holds one line of JSON, and only when something failed."""
    return silent if as_json else say


def words(as_json: bool) -> Console:
    """Where words for people go on the way to an answer: standard output, or with --json nowhere."""
    return Console(file=io.StringIO(), quiet=True, force_terminal=False) if as_json else out()


def write(console: Console, lines: Iterable[object]) -> None:
    """Lines as they are: nothing in them is markup, and none is broken in two."""
    for line in lines:
        console.print(Text(clean(line)), soft_wrap=True)


def emit(data: object, as_json: bool, draw: Callable[[Console], None]) -> None:
    """Print the answer: `data` as JSON, or what `draw` makes of it."""
    if as_json:
        typer.echo(json.dumps(data, default=str, ensure_ascii=False, indent=2))
    else:
        draw(out())


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], *, title: str | None = None) -> Table:
    """A plain table; cells are text, never markup."""
    shown = Table(box=None, pad_edge=False, title=title, title_justify="left")
    for column in columns:
        shown.add_column(column, overflow="fold")
    for row in rows:
        shown.add_row(*(cell if isinstance(cell, Text) else Text(clean(cell)) for cell in row))
    if not rows:
        shown.add_row(Text("none", style="dim"))
    return shown


def confirm(question: str, *, yes: bool, as_json: bool) -> None:
    """Ask before something that cannot be taken back. Raises `CommandError` (usage) where nobody can be asked."""
    if yes:
        return
    if as_json or not sys.stdin.isatty():
        raise usage(f"--yes: needed where nobody can be asked; would ask: {question}")
    typer.confirm(question, abort=True, err=True)


@contextmanager
def progress(what: str, total: float, *, as_json: bool = False) -> Iterator[Callable[[float], None]]:
    """A bar on standard error; gives a function that says how far it is. Silent when that is no terminal."""
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=err(),
        transient=True,
        disable=as_json or not sys.stderr.isatty(),
    )
    with shown:
        task = shown.add_task(clean(what), total=total)
        yield lambda done: shown.update(task, completed=done)


def age(seconds: float | None) -> str:
    """A span of time in its largest unit: `3 min`, `-2 h` for one that is over."""
    if seconds is None:
        return ""
    left, sign = abs(float(seconds)), "-" if seconds < 0 else ""
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "min")):
        if left >= size:
            return f"{sign}{left / size:.0f} {unit}" if left >= 10 * size else f"{sign}{left / size:.1f} {unit}"
    return f"{sign}{left:.0f} s"


def missing_note(missing: Sequence[dict[str, Any]]) -> None:
    """Say who did not answer, so that an incomplete list is not taken for a complete one."""
    for each in missing:
        say(f"incomplete: {each['error']}")
