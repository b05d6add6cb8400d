"""promtool, which judges alert rules: the machine's own, else taken out of the distribution's package.

The package is only opened, not installed: installing it would start a Prometheus on the machine. Where neither works,
there is no promtool, and who needs it says so instead of passing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .lock import file_lock
from .paths import VENV

PACKAGE = "prometheus"
_INSIDE = Path("usr/bin/promtool")
_STEP_S = 90.0


@dataclass(frozen=True)
class Promtool:
    """Where it is, or why there is none."""

    path: Path | None
    why_not: str | None


def promtool(folder: Path | None = None) -> Promtool:
    """`HUB_PROMTOOL`, else promtool on PATH, else a copy kept in the virtual environment, fetched when missing."""
    given = os.environ.get("HUB_PROMTOOL") or shutil.which("promtool")
    if given:
        return Promtool(Path(given), None) if works(Path(given)) else Promtool(None, f"{given} does not run")
    kept = (folder or VENV) / "promtool"
    if not works(kept):
        with file_lock(kept.with_suffix(".lock")):
            why_not = None if works(kept) else _fetch(kept)
        if why_not:
            return Promtool(None, why_not)
    return Promtool(kept, None)


def works(path: Path) -> bool:
    """Whether it is a promtool that runs here."""
    try:
        shown = subprocess.run([path, "--version"], capture_output=True, text=True, check=False, timeout=30)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return shown.returncode == 0 and "promtool" in shown.stdout + shown.stderr


def _fetch(target: Path) -> str | None:
    """Put promtool at `target`; returns why that did not work."""
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            return f"no promtool, and no {program} to get it with; install the package {PACKAGE!r}"
    with tempfile.TemporaryDirectory(prefix="promtool-") as made:
        place = Path(made)
        # Lists of the machine first; a fresh container has none, and then its own are fetched, without root's rights.
        own = [f"-oDir::State::lists={place}/lists", f"-oDir::Cache={place}/cache", "-oAPT::Sandbox::User="]
        for folder in ("lists/partial", "cache/archives/partial"):
            (place / folder).mkdir(parents=True)
        error = _run(["apt-get", "download", PACKAGE], place)
        if error:
            error = _run(["apt-get", *own, "update"], place) or _run(["apt-get", *own, "download", PACKAGE], place)
        if error:
            return f"the package {PACKAGE!r} cannot be downloaded: {error}"
        package = next(place.glob(f"{PACKAGE}_*.deb"))
        error = _run(["dpkg-deb", "--extract", str(package), str(place / "opened")], place)
        if error:
            return f"the package {PACKAGE!r} cannot be opened: {error}"
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_name(f".{target.name}.new")
        shutil.copy2(place / "opened" / _INSIDE, fresh)
        fresh.replace(target)
    return None if works(target) else "the promtool of the package does not run here"


def _run(command: list[str], place: Path) -> str | None:
    try:
        done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=_STEP_S)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{' '.join(command[:2])}: {type(error).__name__}"
    if done.returncode == 0:
        return None
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    return lines[-1][:200] if lines else f"{' '.join(command[:2])} ended with {done.returncode}"
