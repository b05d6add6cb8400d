"""The one command: it writes all, finds what differs, and will not overwrite a promise made to readers."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from hub_contracts import catalog
from hub_contracts.base import EventData
from hub_contracts.examples import EXAMPLE_BY_TYPE
from hub_contracts.generate import main
from hub_contracts.places import Places
from hub_contracts.registry import BY_TYPE

TYPE = catalog.FeedBlocked.TYPE


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A source tree in which everything has just been generated. Not to be changed."""
    root = tmp_path_factory.mktemp("generated")
    assert main(["--root", str(root)]) == 0
    return root


@pytest.fixture
def places(generated: Path, tmp_path: Path) -> Places:
    """A copy that a test may spoil."""
    shutil.copytree(generated, tmp_path, dirs_exist_ok=True)
    return Places(tmp_path)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Puts the registered types back after a test has exchanged some."""
    types, examples = dict(BY_TYPE), dict(EXAMPLE_BY_TYPE)
    yield
    BY_TYPE.clear()
    BY_TYPE.update(types)
    EXAMPLE_BY_TYPE.clear()
    EXAMPLE_BY_TYPE.update(examples)


def publish(model: type[EventData], **more: object) -> None:
    """Register another form of the type, with an example of that form."""
    old = EXAMPLE_BY_TYPE[TYPE]
    BY_TYPE[model.TYPE] = model
    EXAMPLE_BY_TYPE[model.TYPE] = replace(old, data=model.model_validate({**old.data.model_dump(), **more}))


def run(places: Places, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, str]:
    capsys.readouterr()
    status = main(["--root", str(places.root), *options])
    return status, capsys.readouterr().out


def test_a_second_run_changes_nothing(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(places, capsys) == (0, f"0 of {len(BY_TYPE) + 4} files changed\n")
    assert run(places, capsys, "--check") == (0, "everything is up to date\n")


@pytest.mark.parametrize("name", ["README.md", "status.md", "asyncapi.yaml"])
def test_check_names_a_document_that_differs(places: Places, capsys: pytest.CaptureFixture[str], name: str) -> None:
    (places.documents / name).write_text("by hand", encoding="utf-8")
    status, said = run(places, capsys, "--check")
    assert status == 1
    assert said.splitlines() == [f"out of date: docs/events/{name}", "run `python -m hub_contracts.generate`"]
    assert (places.documents / name).read_text(encoding="utf-8") == "by hand"
    assert run(places, capsys)[0] == 0
    assert run(places, capsys, "--check")[0] == 0


def test_an_addition_is_told_and_gets_a_sample_beside_the_old_one(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    class FeedBlocked(catalog.FeedBlocked):
        severity: str | None = None

    first = places.samples / TYPE / "001.json"
    before = first.read_bytes()
    publish(FeedBlocked, severity="high")
    status, said = run(places, capsys, "--check")
    assert status == 1
    assert f"compatible: {TYPE} $.severity: optional property added (compatible)" in said
    assert f"out of date: libs/contracts/samples/{TYPE}/002.json" in said
    assert f"out of date: libs/contracts/snapshots/{TYPE}.schema.json" in said
    assert run(places, capsys)[0] == 0
    assert first.read_bytes() == before
    assert json.loads((places.samples / TYPE / "002.json").read_text(encoding="utf-8"))["severity"] == "high"
    assert run(places, capsys, "--check")[0] == 0


def test_a_breaking_change_is_refused_and_nothing_is_written(
    places: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    class FeedBlocked(catalog.FeedBlocked):
        severity: str

    publish(FeedBlocked, severity="high")
    (places.documents / "status.md").write_text("by hand", encoding="utf-8")
    snapshot = places.snapshot(TYPE).read_bytes()
    for options in ((), ("--check",)):
        status, said = run(places, capsys, *options)
        assert status == 1
        assert f"refused: {TYPE} $.severity: required property added" in said
        assert "publish feed.blocked.v2 beside it instead" in said
        assert said.endswith("nothing was written\n")
    assert places.snapshot(TYPE).read_bytes() == snapshot
    assert (places.documents / "status.md").read_text(encoding="utf-8") == "by hand"


def test_the_same_change_under_a_new_major_is_written(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    class FeedBlockedV2(catalog.FeedBlocked):
        TYPE: ClassVar[str] = "feed.blocked.v2"
        severity: str

    publish(FeedBlockedV2, severity="high")
    assert run(places, capsys)[0] == 0
    assert places.snapshot("feed.blocked.v2").exists()
    assert (places.samples / "feed.blocked.v2" / "001.headers.json").exists()
    assert run(places, capsys, "--check")[0] == 0


def test_a_type_moved_to_another_topic_is_refused(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    class FeedBlocked(catalog.FeedBlocked):
        TOPIC: ClassVar[str] = "hub.stock"

    publish(FeedBlocked)
    status, said = run(places, capsys)
    assert (status, f"{TYPE} $: keyword x-topic changed" in said) == (1, True)


def test_a_published_type_cannot_vanish(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    del BY_TYPE[TYPE]
    status, said = run(places, capsys)
    assert status == 1
    assert f"{TYPE}.schema.json: its type is not registered" in said
    assert f"samples of {TYPE} exist, the type does not" in said


def test_a_snapshot_cannot_be_deleted_to_get_round_the_gate(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    places.snapshot(TYPE).unlink()
    status, said = run(places, capsys)
    assert (status, f"{TYPE}: has samples but its snapshot" in said) == (1, True)


def test_a_type_without_example_is_refused(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    class FeedBlockedV2(catalog.FeedBlocked):
        TYPE: ClassVar[str] = "feed.blocked.v2"

    BY_TYPE["feed.blocked.v2"] = FeedBlockedV2
    status, said = run(places, capsys)
    assert (status, "feed.blocked.v2 has no example" in said) == (1, True)


def test_samples_can_only_be_added(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    first = places.samples / TYPE / "001.json"
    text = first.read_text(encoding="utf-8")
    first.write_text(text.replace("311", "312"), encoding="utf-8")
    assert f"sample {TYPE}/001.json was changed" in run(places, capsys)[1]
    first.unlink()
    assert f"sample {TYPE}/001.json was removed" in run(places, capsys)[1]
    first.write_text(text, encoding="utf-8")
    (first.parent / "007.json").write_text(text, encoding="utf-8")
    status, said = run(places, capsys)
    assert (status, f"sample {TYPE}/007.json is not in MANIFEST.sha256" in said) == (1, True)
