"""Small files of the stack: written whole or not at all, secrets readable by their owner only."""

from __future__ import annotations

import json
import os
import secrets
import tempfile
from pathlib import Path

from .model import JsonState

# Others may pass through (PostgreSQL runs under another user when we are root) but not list.
FOLDER_MODE = 0o711


def make_folder(path: Path) -> Path:
    """Create `path` and its parents, passable for other users, listable only for the owner."""
    if not path.is_dir():
        path.mkdir(parents=True, exist_ok=True)
        path.chmod(FOLDER_MODE)
    return path


def write_private(path: Path, content: str) -> None:
    """Replace `path` by a file with mode 0600 that is complete from the moment it is visible."""
    make_folder(path.parent)
    fd, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(content)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def kept_secret(path: Path) -> str:
    """The secret in `path`; generated (192 random bits, URL-safe) and stored with mode 0600 at the first call."""
    try:
        return path.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        write_private(path, secrets.token_urlsafe(24))
        return path.read_text(encoding="utf-8").strip()


def read_state(path: Path) -> JsonState:
    """A JSON object; {} when the file is absent or not readable as one (a half state is no state)."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return state if isinstance(state, dict) else {}


def write_state(path: Path, state: JsonState) -> None:
    """Store a JSON object, whole, mode 0600."""
    write_private(path, json.dumps(state, indent=1, sort_keys=True))
