"""The set-up of a fresh clone, step by step; called by tools/bootstrap.py.

Idempotent: each step has a fingerprint of its inputs in a stamp file, and a run with nothing to do takes well under a
second. Two set-ups at once wait for each other instead of writing into the same folders.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
from pathlib import Path

from . import jars, packages
from .errors import SetupError
from .lock import file_lock
from .paths import LOG, REPO, REQUIREMENTS, VENV, distributions
from .progress import Progress

_STAMP = VENV / ".hub-setup.json"
# With the broker forced to another rung, a machine without Maven access is fine.
_RUNGS_WITHOUT_JARS = ("env", "container", "wheel")


def main(argv: list[str] | None = None) -> int:
    """Run the set-up; returns the exit code."""
    options = _arguments(argv)
    progress = Progress(quiet=options.quiet)
    if os.name != "posix":
        print("bootstrap: Linux and macOS only; on Windows use WSL", file=sys.stderr)
        return 1
    started = time.monotonic()
    try:
        # The script itself is the lock file: always there, never removed by a clean-up.
        with file_lock(REPO / "tools" / "bootstrap.py", on_wait=lambda: progress.say("another set-up runs, waiting …")):
            changed = _set_up(progress, force=options.force, accept_jars=options.accept_jars)
    except SetupError as error:
        print(f"bootstrap: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("\nbootstrap: interrupted; run it again to go on", file=sys.stderr)
        return 130
    if changed:
        progress.say(f"ready in {time.monotonic() - started:.1f} s; next: make demo, or make help")
    return 0


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bootstrap", description="Set this repository up on this machine.")
    parser.add_argument("--quiet", action="store_true", help="print errors only")
    parser.add_argument("--force", action="store_true", help="do every step again, whatever the stamp says")
    parser.add_argument("--accept-jars", action="store_true", help="rewrite tools/kafka/jars.sha256")
    return parser.parse_args(argv)


def _set_up(progress: Progress, *, force: bool, accept_jars: bool) -> bool:
    stamp = {} if force else _read_stamp()
    changed = _python_side(stamp, progress)
    return _kafka_side(progress, force=force or accept_jars, accept=accept_jars) or changed


def _python_side(stamp: dict[str, str], progress: Progress) -> bool:
    changed = False
    if not stamp or not packages.PYTHON.exists():
        packages.create_environment(progress, LOG)
        stamp = {}
    uv = _digest(REQUIREMENTS / "bootstrap.txt")
    if stamp.get("uv") != uv or not packages.UV.exists():
        packages.install_uv(progress, LOG)
        stamp = _write_stamp(stamp | {"uv": uv})
        changed = True
    lock = _digest(REQUIREMENTS / "dev.txt")
    if stamp.get("packages") != lock:
        # A sync removes what the lock does not name, this repository's own distributions included.
        stamp = _write_stamp({key: value for key, value in stamp.items() if key == "uv"})
        packages.sync_packages(progress, LOG)
        stamp = _write_stamp(stamp | {"packages": lock})
        changed = True
    folders = distributions()
    own = _digest(*(folder / "pyproject.toml" for folder in folders))
    if stamp.get("distributions") != own:
        names = [packages.distribution_name(folder) for folder in folders]
        gone = [name for name in stamp.get("names", "").split() if name not in names]
        packages.install_distributions(folders, gone, progress, LOG)
        _write_stamp(stamp | {"distributions": own, "names": " ".join(names)})
        changed = True
    return changed


def _kafka_side(progress: Progress, *, force: bool, accept: bool) -> bool:
    if os.environ.get("HUB_BROKER") in _RUNGS_WITHOUT_JARS or os.environ.get("HUB_KAFKA_BOOTSTRAP"):
        return False
    if jars.jars_ready() and not force:
        return False
    tools = jars.java_tools()
    if tools.maven is None:
        progress.say(f"- Kafka's jars: left out, {tools.why_not}; the stack will use another broker")
        return False
    try:
        jars.resolve_jars(tools.maven, progress, LOG, again=force, accept=accept)
    except SetupError as error:
        raise SetupError(f"{error}\nTo go on without Apache Kafka set HUB_BROKER=wheel (development only)") from error
    return True


def _read_stamp() -> dict[str, str]:
    try:
        stamp = json.loads(_STAMP.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return stamp if isinstance(stamp, dict) else {}


def _write_stamp(stamp: dict[str, str]) -> dict[str, str]:
    fresh = _STAMP.with_suffix(".new")
    fresh.write_text(json.dumps(stamp, indent=1), encoding="utf-8")
    fresh.replace(_STAMP)
    return stamp


def _digest(*files: Path) -> str:
    """A fingerprint of names and contents. Raises `SetupError` when a file is missing."""
    digest = hashlib.sha256()
    for file in files:
        try:
            digest.update(f"{file}\0".encode() + file.read_bytes())
        except FileNotFoundError:
            raise SetupError(f"{file} is missing; restore it with git checkout") from None
    return digest.hexdigest()
