"""The whole command tree: help, JSON and documentation of every command, found by walking it."""

from __future__ import annotations

import re
from typing import Any, get_args

import pytest
from typer.testing import CliRunner

from hub_tools import reference
from hub_tools.cli import PLACES, app
from hub_tools.client.errors import MEANINGS
from hub_tools.client.output import AsJson

SHARED_HELP = get_args(AsJson)[1].help
LEAVES = {" ".join(path): command for path, command in reference.leaves()}
WANTED = {
    "orders": ("list", "find", "story"),
    "topics": ("list", "tail"),
    "parked": ("list", "close"),
    "dlq": ("list", "show", "retry", "discard"),
    "effects": ("list", "show", "settle"),
    "connections": ("list", "show", "checklist", "pause", "resume", "activate", "verify", "test-order"),
    "carriers": ("list", "import", "dry-run"),
    "stock": ("import",),
    "backfill": ("start", "list"),
    "privacy": ("find", "export", "erase"),
}
SINGLE = {"up", "demo", "status", "doctor", "replay", "bench"}


def test_every_command_that_operators_were_promised_is_there() -> None:
    wanted = {f"{group} {name}" for group, names in WANTED.items() for name in names} | SINGLE
    assert wanted <= set(LEAVES)
    assert {name.split()[0] for name in LEAVES} == set(PLACES)


@pytest.mark.parametrize("name", sorted(LEAVES))
def test_every_command_says_what_it_does_and_what_each_option_means(name: str) -> None:
    command: Any = LEAVES[name]
    assert (command.help or "").strip().endswith((".", ")")), f"hub {name}: no help, or no sentence"
    dumb = [param.name for param in command.params if not param.help]
    assert not dumb, f"hub {name}: no help for {dumb}"


def test_every_command_answers_in_json() -> None:
    offers = {name: [p for p in command.params if "--json" in p.opts] for name, command in LEAVES.items()}
    assert not sorted(name for name, found in offers.items() if not found), "these have no --json"
    texts = {param.help for found in offers.values() for param in found}
    assert texts == {SHARED_HELP}, "an option of its own beside the shared one: its errors may be of another form"


def test_the_page_names_every_command_as_it_is() -> None:
    assert reference.main(["--check"]) == 0, "run: python -m hub_tools.reference"
    page = reference.PAGE.read_text()
    for code in MEANINGS:
        assert f"| {code:d} |" in page, f"exit code {code:d} is not documented"


def test_a_page_that_differs_is_noticed(tmp_path: Any) -> None:
    page = tmp_path / "command-line.md"
    page.write_text(f"before\n{reference.BEGIN}\n### `hub gone`\n{reference.END}\nafter\n")
    assert reference.main(["--check"], page) == 1
    assert reference.main([], page) == 0
    assert reference.main(["--check"], page) == 0
    text = page.read_text()
    assert "hub gone" not in text
    assert (text[:7], text[-6:]) == ("before\n", "after\n")


COMMAND = re.compile(r"(?:^|`|&& |\| )(?:\.venv/bin/)?hub ((?:[a-z][a-z-]+)(?: [^`|&#\n]*)?)", re.MULTILINE)
"""`hub …` at the beginning of a line of a code block, or in back-ticks."""


def written_commands() -> list[tuple[str, str]]:
    """Every command that the documents tell people to type, with the place."""
    found = []
    pages = [reference.REPO / "README.md", *sorted((reference.REPO / "docs").rglob("*.md"))]
    for page in pages:
        text = page.read_text()
        blocks = re.findall(r"```(?:bash|sh|console)?\n(.*?)```", text, re.DOTALL) + re.findall(
            r"`(?:\.venv/bin/)?hub [^`\n]+`", text
        )
        for block in blocks:
            found += [(str(page.relative_to(reference.REPO)), match) for match in COMMAND.findall(block)]
    return found


def why_not(command: str) -> str:
    """What is wrong with a written command; empty when it exists with these options."""
    words = [word.strip("[]()…,.;:") for word in command.split()]
    names = [word for word in words if re.fullmatch(r"[a-z][a-z-]+", word)]
    path = next((" ".join(names[:n]) for n in (2, 1) if " ".join(names[:n]) in LEAVES), None)
    if path is None:
        group = names[0] if names else ""
        return "" if len(names) == 1 and any(leaf.startswith(f"{group} ") for leaf in LEAVES) else "no such command"
    known = {option for param in LEAVES[path].params for option in (*param.opts, *param.secondary_opts)}
    asked = {word.partition("=")[0] for word in words if word.startswith("--")}
    return f"no such option: {asked - known}" if asked - known - {"--help", "--"} else ""


def test_every_command_that_the_documents_tell_people_to_type_exists() -> None:
    written = written_commands()
    assert len(written) > 30, "the pattern no longer finds them"
    wrong = [f"{page}: hub {command.strip()}: {why}" for page, command in written if (why := why_not(command))]
    assert not wrong, "\n".join(wrong)
    judged = [bool(why_not(text)) for text in ("orders lst", "dlq retry --everything", "dlq retry ID --yes", "dlq")]
    assert judged == [True, True, False, False]


def test_help_of_the_root_tells_exit_codes_and_completion_is_offered() -> None:
    shown = CliRunner().invoke(app, ["--help"], terminal_width=200).output
    assert "Exit codes" in shown
    assert "--install-completion" in shown
    script = CliRunner().invoke(
        app, [], env={"_HUB_COMPLETE": "complete_bash", "COMP_WORDS": "hub dlq re", "COMP_CWORD": "2"}, prog_name="hub"
    )
    assert script.output.split() == ["retry"]
