"""What a new service consists of: its own folder from the templates, and the edits elsewhere that make it known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from hub_contracts.base import EventData
from hub_contracts.registry import EVENT_TYPES
from hub_tools.scaffold import service_names as names
from hub_tools.scaffold.errors import ScaffoldError
from hub_tools.scaffold.render import Files, render_tree, write_tree
from hub_tools.scaffold.service_k8s import Texts
from hub_tools.scaffold.service_names import CONNECTIONS, Service, constant_of
from hub_tools.scaffold.service_register import (
    Registration,
    changed,
    deployment_texts,
    ruff_sorted,
    topic_texts,
    write_documents,
    write_texts,
)

TEMPLATES = Path(__file__).parent / "service"
OWN_PACKAGES = ("hub_common", "hub_contracts", "connector_kit", "hub_tools")
DOCUMENTS = ("docs/events/README.md", "docs/events/asyncapi.yaml")
"""Written from the contract's tables after these have changed."""
LONGEST_WORDS = 70
"""With the longest name before it, a docstring still fits a line."""


@dataclass(frozen=True)
class Plan:
    """A new service, ready to be written."""

    registration: Registration
    folder: Path
    files: Files
    edits: Texts
    """Files elsewhere with their new contents, those that do not change left out."""

    @property
    def paths(self) -> list[str]:
        """Everything that is written, below the repository's root."""
        own = [(self.folder / below).as_posix() for below in self.files]
        return [*own, *(path.as_posix() for path in self.edits), *DOCUMENTS]


def make_plan(root: Path, name: str, topic: str, listens: str, key: str, does: str) -> Plan:
    """Check everything and work out every file; writes nothing. Raises `ScaffoldError` naming the broken rule."""
    service = names.new_service_name(root, name)
    declared = names.declared_topics(root)
    names.new_topic(declared, topic)
    heard = names.listened_topics(declared, listens)
    models = _models(heard)
    _plain("--key", key)
    _plain("--does", does)
    registration = Registration(service, topic, tuple(heard), key, does)
    values = _values(registration, declared, models)
    return Plan(
        registration,
        Path("services") / name,
        _rendered(service, values),
        changed(root, {**topic_texts(root, registration), **deployment_texts(root, registration)}),
    )


def write(root: Path, plan: Plan) -> None:
    """Write the folder, then what makes it known, then the event pages. Raises `ScaffoldError`."""
    write_tree(root / plan.folder, plan.files)
    write_texts(root, plan.edits)
    write_documents(root)


def _models(heard: Sequence[str]) -> list[type[EventData]]:
    """Types of events on the topics, those of connections left out: the runtime keeps connections by itself."""
    models = [model for model in EVENT_TYPES if model.TOPIC in heard and model.TOPIC != CONNECTIONS]
    if not models:
        raise ScaffoldError(f"--listens {', '.join(heard)}: no type of event is declared on any of these topics")
    return models


def _plain(option: str, text: str) -> None:
    """Goes into Python, Markdown and YAML as it is."""
    if not text.strip() or len(text) > LONGEST_WORDS or any(sign in text for sign in '|"\\\n{}'):
        raise ScaffoldError(f'{option} {text!r}: one line of 1 to {LONGEST_WORDS} characters without | " \\ {{ }}')


def _values(wanted: Registration, declared: names.Declared, models: Sequence[type[EventData]]) -> dict[str, str]:
    service = wanted.service
    modules: dict[str, list[str]] = {}
    for model in models:
        modules.setdefault(model.__module__, []).append(model.__name__)
    constants = [declared.constants[name] for name in wanted.listens]
    return {
        "name": service.name,
        "package": service.package,
        "settings": service.settings,
        "does": wanted.does,
        "own_topic": f"topics.{constant_of(wanted.topic)}",
        "listens": "(" + ", ".join(f"topics.{constant}" for constant in constants) + ")",
        "event_imports": "\n".join(
            f"from {module} import {', '.join(sorted(classes))}" for module, classes in sorted(modules.items())
        ),
        "routes": "\n".join(f"    {model.__name__}: on_event," for model in models),
    }


def _rendered(service: Service, values: dict[str, str]) -> Files:
    """The templates filled in, Python sorted and formatted: where an import stands depends on the service's name."""
    files = render_tree(TEMPLATES, values)
    packages = (*OWN_PACKAGES, service.package)
    return {
        below: ruff_sorted(text, packages) if below.suffix == ".py" else text
        for below, text in sorted(files.items(), key=lambda item: PurePosixPath(item[0]))
    }
