"""Cases of pushed notices: believed with their proof only, and what is wrong with one never repeats it."""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence

import pytest

from connector_kit.conformance import mutate
from connector_kit.conformance.base import CaseBase, about
from connector_kit.conformance.subject import PushedNotices
from connector_kit.conformance.world import World
from connector_kit.manifest import Capability
from connector_kit.reading import BadNotice, Notice

CONTENT = "ORD-OF-NOBODY-4711"
"""An order that only the notice names."""
GARBAGE = (b"", b"null", b"[]", b"7", b'"x"', b'{"a": ', b"<html></html>", b"\xff\xfe", b"[" * 5000, b"\x00" * 40)
STRANGE = ("", "é", "\x00", "null", "A" * 5000)
"""In place of a header."""
LONG = 24
"""Header values of this length are proofs or keys; shorter ones are words like `application/json`."""
DAY_SECONDS = 86_400


class NoticeCases(CaseBase):
    """Capability `notices`."""

    @about(Capability.NOTICES)
    @pytest.mark.parametrize("count", [1, 3])
    async def test_good_notice_names_its_orders(self, world: World, count: int) -> None:
        """Exactly the orders that the outside named, whatever the connection did before, and without a call."""
        push, named = _push(world), [f"ORD-{at}" for at in range(count)]
        body = push.body(world, named)
        notice = world.connection.read_notice(push.headers(world, body), body)
        assert isinstance(notice, Notice)
        assert sorted(notice.order_references) == named, f"read as {notice.order_references}"
        assert not world.http.calls, "read_notice made a call"

    @about(Capability.NOTICES)
    async def test_altered_notice_is_refused(self, world: World) -> None:
        """Any byte of the body changed, taken away or added: the proof is not for it."""
        push = _push(world)
        body = push.body(world, [CONTENT])
        headers = push.headers(world, body)
        altered = [body[:at] + bytes([byte ^ 1]) + body[at + 1 :] for at, byte in enumerate(body)]
        for wrong in (*altered, body[:-1], body + b" ", body.replace(b"4711", b"4712"), *GARBAGE):
            _refused(world, headers, wrong, "the body is another one than was signed")

    @about(Capability.NOTICES)
    async def test_forged_notice_is_refused(self, world: World) -> None:
        """Without proof, with a strange one, and with one that was made with other keys."""
        push = _push(world)
        body = push.body(world, [CONTENT])
        headers = push.headers(world, body)
        _refused(world, {}, body, "no headers at all")
        decisive = 0
        for name, value in headers.items():
            changed = [*STRANGE, value[:-1] + ("0" if value[-1:] != "0" else "1"), f"{value}0"]
            given = [{**headers, name: wrong} for wrong in changed]
            said = [_read(world, each, body) for each in [*given, {k: v for k, v in headers.items() if k != name}]]
            decisive += all(isinstance(each, BadNotice) for each in said)
        assert decisive, "no header decides whether the notice is believed: what proves it?"
        names = [field.name for field in world.manifest.auth_fields if field.kind == "secret"]
        other = {
            name: value[:-2] + ("A" if value[-2] != "A" else "B") + value[-1]
            for name, value in world.subject.credentials.items()
        }
        assert names, "no credential is a secret"
        world.connection = world.connect(credentials={**world.subject.credentials, **other})
        _refused(world, headers, body, "it was made with another connection's keys")

    @about(Capability.NOTICES)
    async def test_late_notice_is_refused(self, world: World) -> None:
        """One that was caught and is sent again days later proves nothing any more."""
        push = _push(world)
        body = push.body(world, [CONTENT])
        headers = push.headers(world, body)
        world.clock.forward(seconds=2 * DAY_SECONDS)
        _refused(world, headers, body, "it is two days old")

    @about(Capability.NOTICES)
    async def test_proven_garbage_is_refused(self, world: World) -> None:
        """Bytes that nobody can read stay a `BadNotice`, also when they bear a right proof."""
        push = _push(world)
        for wrong in GARBAGE:
            _refused(world, push.headers(world, wrong), wrong, f"{wrong[:12]!r} is no notice")

    @about(Capability.NOTICES)
    async def test_odd_values_of_a_proven_notice(self, world: World) -> None:
        """Each value replaced in turn: it is read as names of orders, or refused; nothing else."""
        push = _push(world)
        document = mutate.load(push.body(world, [CONTENT]))
        for path, _ in mutate.paths(document):
            for wrong in mutate.WRONG:
                body = mutate.dump(mutate.put(document, path, wrong))
                what = mutate.describe(path, wrong)
                said = _read(world, push.headers(world, body), body)
                if isinstance(said, Notice):
                    odd = [each for each in said.order_references if not isinstance(each, str) or not each.strip()]
                    assert not odd, f"{what}: names the order {odd[0]!r}"


def _push(world: World) -> PushedNotices:
    if world.subject.notice is None:
        pytest.fail(
            "the manifest declares notices: say in Subject.notice how the outside makes one, "
            "or in not_applicable['*[notices]'] why not"
        )
    return world.subject.notice


def _read(world: World, headers: Mapping[str, str], body: bytes) -> Notice | BadNotice:
    """What became of one. Any other exception would be an error 500 at the hub's door, and retried for ever."""
    try:
        said: Notice | BadNotice = world.connection.read_notice(headers, body)
    except BadNotice as error:
        said = error
    except Exception as error:  # noqa: BLE001  told as a finding
        pytest.fail(f"read_notice raised {error!r} instead of BadNotice")
    if isinstance(said, BadNotice):
        words = [str(said), repr(said), "".join(traceback.format_exception(said))]
        world.said += words
        assert words[0].strip(), "BadNotice says nothing for people"
        quoted = [each for each in _content(headers) if any(each in text for text in words)]
        assert not quoted, f"BadNotice repeats what came: {words[0]!r}"
    assert not world.http.calls, "read_notice made a call"
    return said


def _content(headers: Mapping[str, str]) -> Sequence[str]:
    return [CONTENT, *(value for value in headers.values() if len(value) >= LONG)]


def _refused(world: World, headers: Mapping[str, str], body: bytes, why: str) -> None:
    said = _read(world, headers, body)
    assert isinstance(said, BadNotice), f"{why}, and it is believed: {said!r}"
