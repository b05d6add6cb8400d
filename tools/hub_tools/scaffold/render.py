"""Fills in a folder of templates: `{{name}}` in file contents and in file names.

A template is a plain file whose name ends in `.tmpl`, so that formatters, test runners and import scanners of this
repository leave it alone. Everything is rendered before anything is written, and a folder appears whole or not at all:
half a scaffold looks like a finished one and fails somewhere else.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path, PurePosixPath

from hub_tools.scaffold.errors import ScaffoldError

SUFFIX = ".tmpl"
_PLACEHOLDER = re.compile(r"\{\{([a-z_]+)\}\}")

Files = dict[PurePosixPath, str]
"""Rendered files by their path below the folder that they will be written to."""


def render(text: str, values: Mapping[str, str], where: str = "template") -> str:
    """Replace every `{{name}}`. Raises `ScaffoldError` for a name without a value: a defect of the template."""

    def value_of(match: re.Match[str]) -> str:
        try:
            return values[match[1]]
        except KeyError:
            raise ScaffoldError(f"{where}: nothing is known as {match[0]}") from None

    return _PLACEHOLDER.sub(value_of, text)


def render_tree(templates: Path, values: Mapping[str, str]) -> Files:
    """Every `*.tmpl` below a folder, rendered. Other files are left out. Raises `ScaffoldError`."""
    found: Files = {}
    for path in sorted(templates.rglob(f"*{SUFFIX}")):
        below = path.relative_to(templates).as_posix()
        target = PurePosixPath(render(below.removesuffix(SUFFIX), values, below))
        found[target] = render(path.read_text(encoding="utf-8"), values, below)
    if not found:
        raise ScaffoldError(f"{templates}: no templates there; the installation is incomplete")
    return found


def write_tree(target: Path, files: Files, finish: Callable[[Path], None] = lambda folder: None) -> list[Path]:
    """Write rendered files as the new folder `target`. Returns the files in order.

    `finish` gets the complete folder under a passing name before it appears (formatting, say).

    Raises `ScaffoldError` when `target` is there already (nothing is ever overwritten) or cannot be made.
    """
    if target.exists() or target.is_symlink():
        raise ScaffoldError(f"{target} exists already; nothing was written")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise ScaffoldError(f"{target.parent}: {error.strerror}; nothing was written") from None
    try:
        beside.chmod(0o755)
        for below, text in files.items():
            path = beside / below
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        finish(beside)
        beside.rename(target)
    except OSError as error:
        raise ScaffoldError(f"{target}: {error.strerror}; nothing was written") from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    return [target / below for below in files]


def tidy(folder: Path) -> None:
    """Put Python files into the style of the folder's own ruff settings: how lines break depends on the names.

    Without ruff the files stay as the templates have them; that is a matter of style only.
    """
    for command in (("check", "--quiet", "--select", "I", "--fix"), ("format", "--quiet")):
        subprocess.run(
            [sys.executable, "-m", "ruff", *command, "--no-cache", "."], cwd=folder, capture_output=True, check=False
        )


def line_count(files: Files, suffixes: Iterable[str] = (".py",)) -> int:
    """Lines of the rendered files with these endings, blank ones not counted."""
    wanted = [text for below, text in files.items() if below.suffix in tuple(suffixes)]
    return sum(bool(line.strip()) for text in wanted for line in text.splitlines())
