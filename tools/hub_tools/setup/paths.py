"""Where things are in a clone. One place, so that the bootstrap and the stack never disagree about a folder."""

from __future__ import annotations

import os
from pathlib import Path

REPO = Path(__file__).resolve().parents[3]
VENV = REPO / ".venv"
REQUIREMENTS = REPO / "requirements"
KAFKA = REPO / "tools" / "kafka"
# What the set-up's steps print.
LOG = REPO / ".hub" / "log" / "bootstrap.log"

# Folders whose sub-folders may be distributions, and folders that are one themselves.
_DISTRIBUTION_PARENTS = ("libs", "libs/connectors", "services")
_DISTRIBUTIONS = ("tools",)


def data_dir() -> Path:
    """The folder that holds everything the local stack writes: `HUB_DATA_DIR`, else `.hub` in the clone."""
    given = os.environ.get("HUB_DATA_DIR")
    return Path(given).expanduser().resolve() if given else REPO / ".hub"


def jars_dir() -> Path:
    """The folder of Kafka's jars: `HUB_KAFKA_JARS`, else `kafka-jars` in the virtual environment.

    They are installed software, not data: every stack of this clone shares them, and a `clean` in one terminal must
    not pull them from under a broker that runs for another.
    """
    given = os.environ.get("HUB_KAFKA_JARS")
    return Path(given).expanduser().resolve() if given else VENV / "kafka-jars"


def distributions() -> list[Path]:
    """Every folder with a `pyproject.toml` that has a build system, in a stable order."""
    candidates = [REPO / name for name in _DISTRIBUTIONS]
    for parent in _DISTRIBUTION_PARENTS:
        folder = REPO / parent
        if folder.is_dir():
            candidates += sorted(child for child in folder.iterdir() if child.is_dir())
    return [folder for folder in candidates if _is_distribution(folder)]


def _is_distribution(folder: Path) -> bool:
    pyproject = folder / "pyproject.toml"
    return pyproject.is_file() and "[build-system]" in pyproject.read_text(encoding="utf-8")
