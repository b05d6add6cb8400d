"""How far a connector has come, said in a file that a test checks: done (with a test), todo or exempt (with a reason).

Without it "supports returns" means whatever the reader hopes. A claim must name a test that exists, and what nobody
ever tried against the real API must say so.
"""

from __future__ import annotations

import ast
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from connector_kit.manifest import Capability, Manifest

FILE = "MATURITY.toml"
GROUPS = ("done", "todo", "exempt")

ALWAYS = {
    "manifest.valid": "the manifest is consistent and the connection implements what it declares",
    "credentials.verified": "good credentials are told from bad ones and from an unreachable host",
    "secrets.hidden": "no credential is in a log, outcome, error or repr",
    "budgets.obeyed": "every call draws on a declared budget, batches are really batches",
    "simulator.faithful": "the simulator was compared with the published documentation",
    "real_api.test_environment": "tried against the outside's own test environment",
    "real_api.production": "tried with a real account",
}
OF_ORDERS = {
    "orders.listed": "every order of a window is listed, over several pages",
    "orders.shifting_pages": "no order is lost while the pages move",
    "orders.unknown_status": "an unknown status word parks one order and no other",
    "orders.odd_values": "null, missing and odd values end in a value or in an error that names the field",
    "orders.money": "amounts are exact whether they come as numbers or as texts",
    "orders.time": "instants are UTC whatever offset they come with, also in the night of the clock change",
}
EFFECTS = frozenset(
    {
        Capability.ACCEPT,
        Capability.SHIP,
        Capability.REFUND,
        Capability.CANCEL,
        Capability.STOCK,
        Capability.PRICE,
        Capability.INVOICE,
        Capability.PUBLISH_OFFERS,
        Capability.RELEASE_OFFERS,
        Capability.PRODUCTS,
        Capability.RETURNS,
        Capability.MESSAGES,
        Capability.SHOP_ORDERS,
    }
)
"""Capabilities that change something outside: done only if doubt is resolved too."""


@dataclass(frozen=True)
class Maturity:
    """The file as read. Each group: item → evidence or reason."""

    done: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    todo: Mapping[str, str] = field(default_factory=dict)
    exempt: Mapping[str, str] = field(default_factory=dict)
    failing: Mapping[str, str] = field(default_factory=dict)
    """Conformance case → why it fails today. The suite fails when such a case passes."""
    problems: tuple[str, ...] = ()


def required_items(manifest: Manifest) -> dict[str, str]:
    """What must be stated for a connector with these capabilities: item → what it claims."""
    items = dict(ALWAYS)
    if Capability.ORDERS in manifest.capabilities:
        items |= OF_ORDERS
    for capability in sorted(manifest.capabilities - {Capability.ORDERS}):
        if capability in EFFECTS:
            items[f"{capability.value}.applied"] = f"{capability.value}: the effect is applied and seen to be"
            items[f"{capability.value}.doubt"] = f"{capability.value}: a lost answer is resolved without doing it twice"
        else:
            items[f"{capability.value}.works"] = f"{capability.value}: answers of the outside are read as documented"
    return items


def read_maturity(folder: Path) -> Maturity:
    """Read the file of a connector's folder; a missing or broken one is a Maturity with problems."""
    path = folder / FILE
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return Maturity(problems=(f"{FILE}: missing in {folder.name}",))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        return Maturity(problems=(f"{FILE}: not readable: {error}",))
    problems = [f"{FILE}: [{name}] is not one of {', '.join(GROUPS)}, failing" for name in _unknown(given)]
    texts = {name: _texts(given, name, problems) for name in ("todo", "exempt", "failing")}
    done: dict[str, tuple[str, ...]] = {}
    for item, value in _table(given, "done", problems).items():
        evidence = [value] if isinstance(value, str) else value
        if not isinstance(evidence, list) or not evidence or not all(isinstance(one, str) for one in evidence):
            problems.append(f"done: {item}: evidence must be a test, or a list of tests")
            continue
        done[item] = tuple(evidence)
    return Maturity(done, texts["todo"], texts["exempt"], texts["failing"], tuple(problems))


def _unknown(given: Mapping[str, Any]) -> list[str]:
    return [name for name in given if name not in (*GROUPS, "failing")]


def _table(given: Mapping[str, Any], name: str, problems: list[str]) -> Mapping[str, Any]:
    table = given.get(name, {})
    if isinstance(table, dict):
        return table
    problems.append(f"{FILE}: {name} must be a table")
    return {}


def _texts(given: Mapping[str, Any], name: str, problems: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for item, value in _table(given, name, problems).items():
        if isinstance(value, str) and value.strip():
            found[item] = value
        else:
            problems.append(f"{name}: {item}: a reason is required")
    return found


def check_maturity(folder: Path, manifest: Manifest, suite: type | None = None) -> list[str]:
    """What is wrong with a connector's maturity file, in words; empty when nothing is.

    `suite` is the test class that inherits the conformance suite: its inherited cases count as existing tests.
    """
    said = read_maturity(folder)
    problems = list(said.problems)
    required = required_items(manifest)
    stated: dict[str, list[str]] = {}
    for group in GROUPS:
        for item in getattr(said, group):
            stated.setdefault(item, []).append(group)
    problems += [
        f"{item}: stated nowhere ({claim}); put it under one of {', '.join(GROUPS)}"
        for item, claim in required.items()
        if item not in stated and not said.problems
    ]
    problems += [f"{item}: stated twice ({', '.join(groups)})" for item, groups in stated.items() if len(groups) > 1]
    for item, evidence in said.done.items():
        problems += [f"done: {item}: {fault}" for one in evidence for fault in _missing_test(folder, one, suite)]
    return problems


def _missing_test(folder: Path, evidence: str, suite: type | None) -> Iterator[str]:
    file, *names = evidence.split("::")
    path = folder / file
    if not names or not path.is_file():
        yield f"{evidence!r} is not `tests/file.py::test_name` of an existing file"
        return
    tree = ast.parse(path.read_text(encoding="utf-8"))
    scope: list[ast.stmt] = tree.body
    for depth, name in enumerate(names):
        bare = name.split("[")[0]
        found = next((node for node in scope if getattr(node, "name", None) == bare), None)
        if found is None:
            inherited = depth > 0 and suite is not None and suite.__name__ == names[depth - 1] and hasattr(suite, bare)
            if not inherited:
                yield f"no test {name!r} in {file}"
            return
        scope = found.body if isinstance(found, ast.ClassDef) else []
