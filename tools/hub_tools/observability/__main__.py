"""`python -m hub_tools.observability`: write the dashboards, and which services Prometheus asks in docker compose.

`--check` only says which files differ (exit code 1).
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from importlib.metadata import entry_points
from pathlib import Path

from hub_tools.observability.dashboards import ALL
from hub_tools.setup.paths import REPO

IN_REPO = Path("deploy", "observability")
FOLDER = REPO / IN_REPO
DASHBOARDS = Path("grafana/dashboards")
TARGETS = Path("targets.json")
PORT = 8080
"""Where every service listens in a container."""


def texts() -> dict[Path, str]:
    """What is generated: every dashboard, and the list of targets."""
    made = {DASHBOARDS / f"{each.uid}.json": json.dumps(each.render(), indent=1) + "\n" for each in ALL}
    return made | {TARGETS: json.dumps(targets(), indent=1) + "\n"}


def targets() -> list[dict[str, object]]:
    """One target per service of the code, called as its container is."""
    names = sorted(entry.name for entry in entry_points(group="hub.services"))
    return [{"targets": [f"{name}:{PORT}"], "labels": {"service": name}} for name in names]


def drift(folder: Path = FOLDER) -> list[str]:
    """What differs between the code and the folder, one sentence each."""
    wanted = texts()
    files = [folder / TARGETS, *(folder / DASHBOARDS).glob("*.json")]
    found = {file.relative_to(folder): file.read_text(encoding="utf-8") for file in files if file.is_file()}
    problems = [f"{name}: differs" for name in sorted(wanted.keys() & found.keys()) if wanted[name] != found[name]]
    problems += [f"{name}: missing" for name in sorted(wanted.keys() - found.keys())]
    return problems + [f"{name}: no dashboard of that name" for name in sorted(found.keys() - wanted.keys())]


def main(arguments: Sequence[str]) -> int:
    """Entry point."""
    if list(arguments) == ["--check"]:
        problems = drift()
        for problem in problems:
            print(problem)
        return 1 if problems else 0
    for name, text in texts().items():
        (FOLDER / name).parent.mkdir(parents=True, exist_ok=True)
        (FOLDER / name).write_text(text, encoding="utf-8")
        print(FOLDER / name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
