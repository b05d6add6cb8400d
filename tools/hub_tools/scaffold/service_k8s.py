"""The Kubernetes base: one folder per service from one template, and the list of them.

Written by hand, twelve deployments differ after a year in ways that nobody meant: one lost its probe, one runs as root.
Here they cannot. What one deployment wants otherwise is a patch in its overlay.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.render import render_tree
from hub_tools.scaffold.service_names import Service, services_of

BASE = Path("deploy/k8s/base")
TEMPLATES = Path(__file__).parent / "service_k8s"
BEGIN, END = "  # services: begin", "  # services: end"
COMMAND = "hub k8s-base"

Texts = dict[Path, str]
"""Contents by path below the repository's root."""


def base_files(root: Path, more: Sequence[Service] = ()) -> Texts:
    """Every generated file of the base, for the services of the repository and those about to be written."""
    services = sorted({*services_of(root), *more}, key=lambda service: service.name)
    texts: Texts = {}
    for service in services:
        for below, text in render_tree(TEMPLATES, {"name": service.name, "package": service.package}).items():
            texts[BASE / service.name / below] = text
    index = BASE / "kustomization.yaml"
    texts[index] = listed(_read(root, index), [service.name for service in services])
    return texts


def listed(text: str, names: Sequence[str]) -> str:
    """The base's kustomization with exactly these folders between its two marks. Raises `ScaffoldError`."""
    lines = text.splitlines()
    begin = [number for number, line in enumerate(lines) if line.startswith(BEGIN)]
    end = [number for number, line in enumerate(lines) if line.startswith(END)]
    if len(begin) != 1 or len(end) != 1 or begin[0] > end[0]:
        raise ScaffoldError(f"{BASE}/kustomization.yaml: its list needs a line {BEGIN.strip()!r} and {END.strip()!r}")
    kept = [*lines[: begin[0] + 1], *(f"  - {name}" for name in names), *lines[end[0] :]]
    return "\n".join(kept) + "\n"


def drift(root: Path) -> list[str]:
    """What of the base on disk is not what the templates say; one line each, empty when all agrees."""
    texts = base_files(root)
    found = []
    for path, text in texts.items():
        file = root / path
        if not file.is_file():
            found.append(f"{path}: missing")
        elif file.read_text(encoding="utf-8") != text:
            found.append(f"{path}: differs from its template")
    names = {path.parts[len(BASE.parts)] for path in texts}
    folders = sorted(path.name for path in (root / BASE).iterdir() if path.is_dir())
    gone = [name for name in folders if name not in names]
    return found + [f"{BASE / name}: no service of that name; remove the folder" for name in gone]


def _read(root: Path, path: Path) -> str:
    file = root / path
    if not file.is_file():
        raise ScaffoldError(f"{path}: not there; restore it from the repository")
    return file.read_text(encoding="utf-8")
