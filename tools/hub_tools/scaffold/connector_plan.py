"""What `hub new-connector` will write: the name's rules, the values of the templates, the files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from connector_kit.discovery import load_connectors
from connector_kit.manifest import NAME
from hub_contracts.connections import ConnectionKind
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.render import Files, render_tree, tidy, write_tree

TEMPLATES = Path(__file__).parent / "connector"
KINDS = (ConnectionKind.MARKETPLACE.value, ConnectionKind.SHOP.value)
LONGEST_TITLE = 40
_TITLE = re.compile(r"[^\W_][\w .&+-]*")


@dataclass(frozen=True)
class ConnectorPlan:
    """One connector that is to be made."""

    name: str
    title: str
    kind: str
    folder: Path

    @property
    def package(self) -> str:
        """The Python package."""
        return f"connector_{self.name}"

    def files(self) -> Files:
        """Everything rendered; nothing is written."""
        values = {
            "name": self.name,
            "dashed": self.name.replace("_", "-"),
            "package": self.package,
            "title": self.title,
            "class_name": "".join(part.capitalize() for part in self.name.split("_")),
            "kind": self.kind,
        }
        return render_tree(TEMPLATES / "common", values) | render_tree(TEMPLATES / self.kind, values)

    def write(self) -> list[Path]:
        """Write it. Raises `ScaffoldError` when the folder exists."""
        return write_tree(self.folder, self.files(), finish=tidy)


def plan_connector(name: str, *, title: str | None, kind: str, into: Path) -> ConnectorPlan:
    """Check what was asked for. Raises `ScaffoldError` naming the rule that it breaks."""
    if not NAME.fullmatch(name):
        wish = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_0123456789")
        hint = f", for example {wish}" if NAME.fullmatch(wish) else ""
        raise ScaffoldError(f"NAME {name!r}: 2 to 41 lower-case letters, digits and underscores, a letter first{hint}")
    if name.endswith("_") or "__" in name:
        raise ScaffoldError(f"NAME {name!r}: single underscores between words only")
    if kind not in KINDS:
        raise ScaffoldError(f"--kind {kind!r}: must be {' or '.join(KINDS)}")
    chosen = title if title is not None else name.replace("_", " ").title()
    if not _TITLE.fullmatch(chosen) or len(chosen) > LONGEST_TITLE:
        raise ScaffoldError(
            f"--title {chosen!r}: 1 to {LONGEST_TITLE} letters, digits, blanks and . & + -, a letter or digit first"
        )
    folder = into.expanduser().resolve() / name
    if folder.exists():
        raise ScaffoldError(f"{folder} exists already; nothing was written")
    if find_spec(f"connector_{name}") is not None or name in load_connectors():
        raise ScaffoldError(f"NAME {name!r}: a connector of this name is installed already")
    return ConnectorPlan(name, chosen, kind, folder)


def belongs_to(folder: Path, repository: Path) -> bool:
    """Whether the set-up of the repository will find and install a distribution in this folder by itself."""
    return folder.parent == repository / "libs" / "connectors"
