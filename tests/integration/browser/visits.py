"""What browsers asked of the console in this run, held against every route that the console has.

A page or an action that no browser test reaches would otherwise be missed in silence: the list of them is the
application's own, so a new route fails the last test of this folder until a test goes there.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from re import Pattern

from fastapi.routing import iter_route_contexts
from starlette.routing import compile_path

from hub_common.runtime import Runtime
from hub_common.web import build_app
from hub_common.web.routes import OPEN_PATHS
from ops_console.main import SPEC
from ops_console.pages.connection_actions import STEPS
from ops_console.pages.connections import LOADERS

FOLDER = Path(__file__).parent
SEVERAL: Mapping[str, tuple[str, ...]] = {"tab": tuple(LOADERS), "step": tuple(STEPS)}
"""Parts of a path that name another page or action with each value, not another order or connection."""
NOWHERE = {
    "database_dsn": "postgresql://nowhere",
    "kafka_bootstrap": "nowhere:9092",
    "credentials_keys": "none:" + "A" * 43 + "=",
}
"""Enough to build the application, which is connected to nothing."""
REFUSED = 400


@dataclass(frozen=True, slots=True)
class ConsoleRoute:
    """One route for people, with local accounts: without an identity provider its routes are not there."""

    method: str
    path: str
    pattern: Pattern[str]

    def names(self) -> Iterator[str]:
        """What it is called here, once for each page or action behind it."""
        parts = [part for part in SEVERAL if f"{{{part}}}" in self.path]
        for values in product(*(SEVERAL[part] for part in parts)):
            yield self._name(dict(zip(parts, values, strict=True)))

    def name_of(self, path: str) -> str | None:
        """What a request for this path is called; None when it is another route's."""
        found = self.pattern.match(path)
        return None if found is None else self._name(found.groupdict())

    def _name(self, values: Mapping[str, str]) -> str:
        path = self.path
        for part in SEVERAL.keys() & values.keys():
            path = path.replace(f"{{{part}}}", values[part])
        return f"{self.method} {path}"


def console_routes() -> list[ConsoleRoute]:
    """Routes of the console's pages, in the order in which the application looks for them."""
    pages = SPEC.self_authenticated(Runtime(SPEC, SPEC.settings.model_validate(NOWHERE)))
    found = []
    for context in iter_route_contexts(build_app(SPEC.name, self_authenticated=list(pages)).routes):
        path = context.path or ""
        if path not in OPEN_PATHS:
            methods = sorted((context.methods or set()) - {"HEAD"})
            found += [ConsoleRoute(method, path, compile_path(path)[0]) for method in methods]
    return found


@dataclass
class Visits:
    """Of one run of the tests. Routes are named as in `ConsoleRoute.names`."""

    routes: list[ConsoleRoute] = field(default_factory=console_routes)
    asked: set[str] = field(default_factory=set)
    """Answered without an error status; whether an action did what it should is for the test that asked."""
    shown: set[str] = field(default_factory=set)
    """Answered with a page."""
    checked: set[str] = field(default_factory=set)
    """Pages that were checked in light and in dark."""
    ran: set[tuple[str, str]] = field(default_factory=set)
    """Tests that ran in this process: file and name."""

    def answered(self, method: str, path: str, status: int, *, page: bool) -> str | None:
        """Note an answer to a browser. Returns the name of the page that it shows; None when it shows none."""
        names = (route.name_of(path) for route in self.routes if route.method == method)
        name = next((name for name in names if name is not None), None)
        if name is None or status >= REFUSED:
            return None
        self.asked.add(name)
        if page:
            self.shown.add(name)
        return name if page else None

    def not_asked(self) -> list[str]:
        """Pages and actions that no browser reached."""
        return sorted({name for route in self.routes for name in route.names()} - self.asked)

    def not_checked(self) -> list[str]:
        """Pages that were shown and never checked in both themes."""
        return sorted(self.shown - self.checked)

    def not_run(self) -> list[str]:
        """Browser tests that did not run in this process, as `file::name`."""
        written = {
            (file.name, node.name)
            for file in FOLDER.glob("test_*.py")
            for node in ast.parse(file.read_text(encoding="utf-8")).body
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
        }
        return [f"{file}::{name}" for file, name in sorted(written - self.ran)]
