"""Puts the edits together: everything that must know a service, worked out whole before the first file is written."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from hub_tools.scaffold import service_edits as edits
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.service_k8s import Texts, base_files
from hub_tools.scaffold.service_names import CONNECTIONS, TOPICS_FILE, Service

LISTENERS_FILE = Path("libs/contracts/hub_contracts/listeners.py")
COMPOSE, LAYERS, PYPROJECT = Path("docker-compose.yml"), Path(".importlinter"), Path("pyproject.toml")
README, ARCHITECTURE, OPERATIONS = Path("README.md"), Path("docs/architecture.md"), Path("docs/operations.md")
BIN = Path(sys.executable).parent


@dataclass(frozen=True, slots=True)
class Registration:
    """What the rest of the repository is told about a service."""

    service: Service
    topic: str
    listens: tuple[str, ...]
    key: str
    does: str


def topic_texts(root: Path, wanted: Registration) -> Texts:
    """The contract's two tables with the new topic and its reader."""
    path = Path(TOPICS_FILE)
    topics = edits.topics(_read(root, path), wanted.topic, wanted.service.name, wanted.key)
    listeners = edits.listeners(_read(root, LISTENERS_FILE), wanted.topic, wanted.service.name, wanted.listens)
    return {path: ruff_format(topics), LISTENERS_FILE: ruff_format(listeners)}


def deployment_texts(root: Path, wanted: Registration, *, domain: bool = True) -> Texts:
    """Compose, Kubernetes base, layers, import order and the pages that list the services."""
    service = wanted.service
    compose = edits.compose(_read(root, COMPOSE), service)
    readme = edits.table_row(_read(root, README), service.name, (wanted.does, f"`{wanted.topic}`"), "README.md")
    heard = [name.removeprefix("hub.") for name in wanted.listens if name != CONNECTIONS]
    row = (f"`{wanted.topic}`", ", ".join([*heard, CONNECTIONS.removeprefix("hub.")]))
    return {
        COMPOSE: compose,
        LAYERS: edits.importlinter(_read(root, LAYERS), service.package, domain=domain),
        PYPROJECT: edits.first_party(_read(root, PYPROJECT), service.package),
        README: edits.ports(readme, compose),
        ARCHITECTURE: edits.table_row(_read(root, ARCHITECTURE), service.name, row, "docs/architecture.md"),
        OPERATIONS: edits.roll_call(_read(root, OPERATIONS), service.name),
        **base_files(root, [service]),
    }


def changed(root: Path, texts: Texts) -> Texts:
    """Those of the texts that differ from what is on disk."""
    return {path: text for path, text in texts.items() if _on_disk(root / path) != text}


def write_texts(root: Path, texts: Texts) -> None:
    """Write them, making folders. Each file appears whole."""
    for path, text in texts.items():
        file = root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(text, encoding="utf-8")
        if file.exists():
            fresh.chmod(file.stat().st_mode & 0o777)
        fresh.replace(file)


def write_documents(root: Path) -> str:
    """Generate the event pages anew, in a process of its own: this one still knows the old topics.

    Returns its last line. Raises `ScaffoldError` when the contract refuses.
    """
    done = subprocess.run(
        [sys.executable, "-m", "hub_contracts.generate", "--root", str(root)],
        cwd=root / "libs" / "contracts",
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise ScaffoldError(f"the event pages were not written: {(done.stdout + done.stderr).strip()[-400:]}")
    return done.stdout.strip().splitlines()[-1]


def ruff_format(text: str) -> str:
    """Python in the repository's style. Raises `ScaffoldError` when there is no formatter or it cannot parse."""
    return _ruff(["format", "--no-cache", "--line-length", "120", "-"], text)


def ruff_sorted(text: str, packages: Sequence[str]) -> str:
    """Python with its imports in order, where these packages are our own, and in the repository's style."""
    known = ", ".join(f'"{package}"' for package in packages)
    settings = ["--select", "I", "--config", f"lint.isort.known-first-party = [{known}]"]
    return ruff_format(_ruff(["check", "--no-cache", "--fix", "--quiet", *settings, "-"], text))


def _ruff(arguments: list[str], text: str) -> str:
    try:
        done = subprocess.run(
            [BIN / "ruff", *arguments, "--isolated"], input=text, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        raise ScaffoldError("ruff is not installed beside this Python; run: make setup") from None
    if done.returncode:
        raise ScaffoldError(f"ruff {arguments[0]}: {done.stderr.strip()[-400:]}")
    return done.stdout


def _on_disk(file: Path) -> str | None:
    return file.read_text(encoding="utf-8") if file.is_file() else None


def _read(root: Path, path: Path) -> str:
    text = _on_disk(root / path)
    if text is None:
        raise ScaffoldError(f"{path}: not there; run this in a clone of the hub's repository")
    return text
