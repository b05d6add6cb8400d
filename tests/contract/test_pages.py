"""The generated pages name everything there is, and their links lead somewhere."""

from __future__ import annotations

import json
import re

import pytest

from hub_contracts.base import EventData
from hub_contracts.docfields import slug
from hub_contracts.listeners import listeners_of, writers_of
from hub_contracts.places import Places
from hub_contracts.registry import EVENT_TYPES
from hub_contracts.samples import committed
from hub_contracts.status import TRANSITIONS, OrderStatus
from hub_contracts.topics import TOPICS

PLACES = Places()
CATALOGUE = (PLACES.documents / "README.md").read_text(encoding="utf-8")
STATUSES = (PLACES.documents / "status.md").read_text(encoding="utf-8")


def section(model: type[EventData]) -> str:
    return CATALOGUE.split(f"\n### {model.TYPE}\n", 1)[1].split("\n### ", 1)[0]


@pytest.mark.parametrize("page", [CATALOGUE, STATUSES], ids=["catalogue", "statuses"])
def test_every_link_leads_somewhere(page: str) -> None:
    anchors = {slug(heading) for heading in re.findall(r"^#+ (.+)$", page, re.MULTILINE)}
    for target in re.findall(r"\]\(([^)]+)\)", page):
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (PLACES.documents / target).exists(), target


@pytest.mark.parametrize("model", EVENT_TYPES, ids=lambda model: model.TYPE)
def test_every_type_has_a_whole_section(model: type[EventData]) -> None:
    assert f"[`{model.TYPE}`](#{slug(model.TYPE)})" in CATALOGUE.split("## Topics", 1)[0]
    text = section(model)
    assert f"| producer | {', '.join(writers_of(model))} |" in text
    assert f"| listeners | {', '.join(listeners_of(model))} |" in text
    for row in ("topic", "key", "kept", "personal data"):
        assert re.search(rf"^\| {row} \| \S", text, re.MULTILINE), row
    for field in model.model_fields:
        assert re.search(rf"^\| `{field}` \| \S", text, re.MULTILINE), field
    sample = json.loads(text.split("```json\n", 1)[1].split("```", 1)[0])
    assert sample == committed(PLACES)[model.TYPE][-1].body_json()


def test_meanings_written_below_fields_reach_the_page() -> None:
    assert "What the buyer pays: an invariant that the shop's copy is compared with." in CATALOGUE
    assert re.search(r"^\| `email` \| text or null \|  \| email \|", CATALOGUE, re.MULTILINE)


def test_every_topic_is_listed() -> None:
    for topic in TOPICS:
        assert f"| `{topic.name}` | {topic.writer} |" in CATALOGUE


def test_the_diagram_is_the_table() -> None:
    diagram = STATUSES.split("```mermaid\n", 1)[1].split("```", 1)[0]
    drawn = re.findall(r"^    (\w+) --> (\w+): (\w+)$", diagram, re.MULTILINE)
    assert drawn == [(edge.source, edge.target, edge.trigger) for edge in TRANSITIONS]
    for edge in TRANSITIONS:
        assert f"| `{edge.source}` | `{edge.target}` | {edge.trigger} | `{edge.event}` |" in STATUSES
    for status in OrderStatus:
        assert f"\n| `{status}` |" in STATUSES
