"""Every sample ever committed is still read by the models of today, without loss."""

from __future__ import annotations

import json
from hashlib import sha256
from typing import Any
from uuid import RFC_4122

import pytest

from hub_contracts.base import EventData
from hub_contracts.envelope import decode_headers, encode_headers
from hub_contracts.examples import EXAMPLE_BY_TYPE, EXAMPLES
from hub_contracts.listeners import writers_of
from hub_contracts.places import Places
from hub_contracts.registry import BY_TYPE, EVENT_TYPES
from hub_contracts.samples import Sample, committed, read_manifest, tampered, written

SAMPLES = [sample for samples in committed(Places()).values() for sample in samples]
each_sample = pytest.mark.parametrize("sample", SAMPLES, ids=lambda s: f"{s.event_type}-{s.number:03}")
each_type = pytest.mark.parametrize("model", EVENT_TYPES, ids=lambda model: model.TYPE)


def lost(before: Any, after: Any, path: str = "$") -> list[str]:
    """Where `after` lacks or changes something of `before`. What `after` has in addition is no loss."""
    if isinstance(before, dict) and isinstance(after, dict):
        gone = [f"{path}.{name}" for name in before if name not in after]
        kept = [name for name in before if name in after]
        return gone + [where for name in kept for where in lost(before[name], after[name], f"{path}.{name}")]
    if isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        pairs = zip(before, after, strict=True)
        return [where for at, (one, other) in enumerate(pairs) for where in lost(one, other, f"{path}[{at}]")]
    return [] if before == after else [path]


@each_sample
def test_every_sample_is_read_and_written_again_without_loss(sample: Sample) -> None:
    body = sample.body_json()
    event = BY_TYPE[sample.event_type].model_validate_json(sample.body.read_bytes())
    assert lost(body, written(event)) == []


@each_sample
def test_every_envelope_is_read_and_written_again(sample: Sample) -> None:
    meta = decode_headers(sample.header_pairs())
    assert meta.type == sample.event_type
    assert meta.source in writers_of(BY_TYPE[sample.event_type])
    assert (meta.event_id.version, meta.event_id.variant) == (7, RFC_4122)
    assert dict(encode_headers(meta)) == dict(sample.header_pairs())


@each_type
def test_every_type_has_numbered_samples_and_the_newest_has_every_field(model: type[EventData]) -> None:
    samples = committed(Places())[model.TYPE]
    assert [sample.number for sample in samples] == list(range(1, len(samples) + 1))
    newest = samples[-1].body_json()
    assert set(newest) == set(model.model_fields)
    assert written(model.model_validate_json(json.dumps(newest))) == newest


def test_no_sample_was_changed_or_removed_or_slipped_in(places: Places) -> None:
    assert tampered(places) == []
    manifest = read_manifest(places)
    assert len(manifest) == 2 * len(SAMPLES)
    for sample in SAMPLES:
        for path in (sample.body, sample.headers):
            name = path.relative_to(places.samples).as_posix()
            assert manifest[name] == sha256(path.read_bytes()).hexdigest()


def test_examples_are_told_once_per_type_and_after_what_caused_them() -> None:
    assert len(EXAMPLES) == len(EXAMPLE_BY_TYPE)
    for example in EXAMPLES:
        if example.after is not None:
            assert EXAMPLE_BY_TYPE[example.after].time <= example.time, example.data.TYPE


def test_samples_belong_to_nobody(places: Places) -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in places.samples.rglob("*.json"))
    hosts = {part.split("/")[0].split('"')[0] for part in text.split("https://")[1:]}
    assert hosts
    assert all(host.endswith(".example.invalid") for host in hosts)
    assert all(part.startswith("example.invalid") for part in text.split("@")[1:])
