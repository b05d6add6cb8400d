"""Golden samples: the bytes of every version ever emitted, kept for as long as somebody may have to read them.

A schema says what is allowed; a sample is what really lies in the topics. If a sample could be changed or removed, the
proof that last year's events are still read would be gone without anybody noticing, so a manifest of checksums is
committed beside them and this module only ever adds.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

from hub_contracts.base import EventData
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE
from hub_contracts.examples.world import Example
from hub_contracts.places import MANIFEST_NAME, Places
from hub_contracts.registry import BY_TYPE

_HEADERS_SUFFIX = ".headers.json"


@dataclass(frozen=True)
class Sample:
    """One committed sample."""

    event_type: str
    number: int
    body: Path
    headers: Path

    def body_json(self) -> dict[str, Any]:
        """The body as it was emitted."""
        loaded: dict[str, Any] = json.loads(self.body.read_text(encoding="utf-8"))
        return loaded

    def header_pairs(self) -> list[tuple[str, bytes]]:
        """The headers as Kafka would hand them over."""
        loaded: dict[str, str] = json.loads(self.headers.read_text(encoding="utf-8"))
        return [(name, value.encode()) for name, value in loaded.items()]


@dataclass
class SamplePlan:
    """What has to be written so that every present form of every type has a sample, and what stands against it."""

    files: dict[Path, str] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)
    newest: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Body of the newest sample of each type, planned ones included."""


def committed(places: Places) -> dict[str, list[Sample]]:
    """Samples on disk by type, oldest first."""
    found: dict[str, list[Sample]] = {}
    for body in sorted(places.samples.glob("*/[0-9][0-9][0-9].json")):
        sample = Sample(body.parent.name, int(body.stem), body, body.with_name(f"{body.stem}{_HEADERS_SUFFIX}"))
        found.setdefault(sample.event_type, []).append(sample)
    return found


def read_manifest(places: Places) -> dict[str, str]:
    """Checksum by path below the samples' folder. Empty when nothing was ever published."""
    if not places.manifest.exists():
        return {}
    lines = places.manifest.read_text(encoding="utf-8").splitlines()
    return {name: digest for digest, _, name in (line.partition("  ") for line in lines if line)}


def manifest_text(entries: Mapping[str, str]) -> str:
    """The manifest in the format of `sha256sum`, sorted by name."""
    return "".join(f"{entries[name]}  {name}\n" for name in sorted(entries))


def tampered(places: Places) -> list[str]:
    """What is wrong between the manifest and the disk: changed, removed, or present without an entry."""
    manifest = read_manifest(places)
    problems = []
    for name, digest in manifest.items():
        path = places.samples / name
        if not path.exists():
            problems.append(f"sample {name} was removed; events like it are still in the topics, restore it")
        elif sha256(path.read_bytes()).hexdigest() != digest:
            problems.append(f"sample {name} was changed; restore it and add a new number instead")
    on_disk = {path.relative_to(places.samples).as_posix() for path in places.samples.glob("**/*") if path.is_file()}
    extra = sorted(on_disk - manifest.keys() - {MANIFEST_NAME})
    problems.extend(f"sample {name} is not in {MANIFEST_NAME}; add its checksum or remove the file" for name in extra)
    return problems


def written(event: EventData) -> dict[str, Any]:
    """The body of an event as JSON values, the way it travels."""
    loaded: dict[str, Any] = json.loads(event.model_dump_json())
    return loaded


def metadata_of(example: Example) -> Metadata:
    """The envelope of an example, with the example that caused it."""
    return example.metadata(EXAMPLE_BY_TYPE[example.after] if example.after else None)


def plan_samples(places: Places) -> SamplePlan:
    """Keep what is there; add the next number for each type whose newest sample is not in today's form."""
    plan = SamplePlan(problems=tampered(places))
    if plan.problems:
        return plan
    entries, existing = read_manifest(places), committed(places)
    plan.problems.extend(f"samples of {name} exist, the type does not" for name in existing if name not in BY_TYPE)
    for event_type, model in BY_TYPE.items():
        samples = existing.get(event_type, [])
        if samples and _in_todays_form(model, samples[-1].body_json()):
            plan.newest[event_type] = samples[-1].body_json()
        elif event_type not in EXAMPLE_BY_TYPE:
            plan.problems.append(f"{event_type} has no example in hub_contracts.examples")
        else:
            _add(plan, places, entries, event_type, (samples[-1].number if samples else 0) + 1)
    plan.files[places.manifest] = manifest_text(entries)
    return plan


def _in_todays_form(model: type[EventData], body: dict[str, Any]) -> bool:
    try:
        return written(model.model_validate_json(json.dumps(body))) == body
    except ValueError:
        return False


def _add(plan: SamplePlan, places: Places, entries: dict[str, str], event_type: str, number: int) -> None:
    example = EXAMPLE_BY_TYPE[event_type]
    body = written(example.data)
    headers = {name: value.decode() for name, value in encode_headers(metadata_of(example))}
    plan.newest[event_type] = body
    for suffix, content in ((".json", body), (_HEADERS_SUFFIX, headers)):
        name = f"{event_type}/{number:03}{suffix}"
        text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
        plan.files[places.samples / name] = text
        entries[name] = sha256(text.encode()).hexdigest()
