"""Cases of reading what is no order: nothing is lost over pages, an error is no empty list, nothing is guessed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from connector_kit.aftersales import ReturnStage
from connector_kit.conformance import mutate
from connector_kit.conformance.alter import (
    ODD,
    WHOLE,
    Change,
    Place,
    altered,
    changes,
    place_of,
    read,
    read_altered,
    references,
)
from connector_kit.conformance.base import CaseBase, about
from connector_kit.conformance.listing import ERRORS
from connector_kit.conformance.readings import READINGS, UNPAGED, Reading, comes_in_pages, facts, filling
from connector_kit.conformance.subject import Held
from connector_kit.conformance.troubles import JSON, ODD_BODIES
from connector_kit.conformance.world import World
from connector_kit.http import Answer, Call, CallError
from connector_kit.manifest import Capability
from connector_kit.testing.interference import Trouble
from hub_contracts.messages import Sender

WORD = "QUITE_NEW_WORD"
NO_VALUES: tuple[Any, ...] = (None, mutate.GONE, [], {}, "odd")
"""From none of them a number can be read."""


class ReadingCases(CaseBase):
    """Returns, conversations, offers, documents, exported orders."""

    @pytest.mark.parametrize("chosen", [False, True], ids=["all", "chosen"])
    async def test_everything_there_is_read(self, world: World, reading: Reading, chosen: bool) -> None:
        """More than two pages hold: each thing at least once, with its order and all its parts; nothing is changed."""
        held = await facts(world, reading, filling(world, reading))
        asked = await reading.ask(world, held, chosen)
        applied = len(world.simulator.record.entries)
        got = await read(world, reading, asked)
        assert got.error is None, f"{reading.name} in good order raised {got.error!r}"
        missing = {each.reference for each in held} - references(reading, got.items)
        assert not missing, f"{len(missing)} of {len(held)} are not read: {sorted(missing)[:3]}"
        shown = {reading.reference(item): item for item in got.items}
        for each in held:
            _same(each, shown[each.reference])
        assert len(world.simulator.record.entries) == applied, "reading changed something at the outside"
        if comes_in_pages(world, reading) and not (chosen and reading.name == "offers"):
            assert len(world.http.calls) >= 3, (
                f"one or two calls read them all: Subject.many_of[{reading.name!r}] does not fill three pages; "
                "if there are no pages, say so in Subject.one_page"
            )

    async def test_nothing_there_is_no_error(self, world: World, reading: Reading) -> None:
        """An outside without any ends in an empty reading (offers may stand there from the beginning)."""
        got = await read(world, reading, await reading.ask(world, (), False))
        assert got.error is None, f"nothing there, and {reading.name} raised {got.error!r}"
        assert reading.name == "offers" or not got.items, f"nothing there, and {len(got.items)} were read"

    async def test_nothing_is_lost_while_more_comes(self, world: World, reading: Reading) -> None:
        """New things push rows on: rows seen twice are fine, rows not seen are not."""
        if not comes_in_pages(world, reading):
            pytest.skip(f"{reading.name}: one answer holds everything")
        held = await facts(world, reading, filling(world, reading))
        asked = await reading.ask(world, held, False)
        pushed: list[str] = []

        async def push(call: Call) -> None:
            if 2 <= len(world.http.calls) <= 4 and len(pushed) < 3:
                pushed.append(call.operation)
                world.http.before, calls = (lambda call: None), list(world.http.calls)
                await facts(world, reading, 1)
                world.http.calls[:], world.http.before = calls, push

        world.http.before = push
        got = await read(world, reading, asked)
        assert got.error is None, f"gave up because more came: {got.error!r}"
        missing = {each.reference for each in held} - references(reading, got.items)
        assert not missing, f"{len(missing)} slipped through while others came"

    @pytest.mark.parametrize("kind_of_error", ERRORS)
    @pytest.mark.parametrize("at", [0, 1], ids=["first_call", "second_call"])
    async def test_failed_answer_is_not_the_end(
        self, world: World, reading: Reading, kind_of_error: str, at: int
    ) -> None:
        """What cannot be read raises `CallError`; a quiet end would be taken for "that is all"."""
        trouble, answer = ERRORS[kind_of_error]
        await self._in_trouble(world, reading, at, kind_of_error, trouble=trouble, answer=answer)

    @pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:8]))
    async def test_odd_answer_is_not_the_end(self, world: World, reading: Reading, body: bytes) -> None:
        """A 200 with bytes that are not what was asked for is no empty list."""
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        await read(world, reading, asked)
        first = world.http.answers[0][1]
        if body == b"[]" and first is not None and first.body.lstrip().startswith(b"["):
            pytest.skip("this API answers with a bare list, so an empty one is an answer")
        world.trouble(Trouble.ANSWER_INSTEAD, answer=Answer(200, JSON, body))
        got = await read(world, reading, asked)
        assert isinstance(got.error, CallError), f"{body[:20]!r} ended with {got.error!r} and {len(got.items)} items"

    async def _in_trouble(self, world: World, reading: Reading, at: int, name: str, **trouble: Any) -> None:
        held = await facts(world, reading, filling(world, reading) if at else UNPAGED)
        asked = await reading.ask(world, held, False)
        await read(world, reading, asked)
        if at >= len(world.http.calls):
            assert not comes_in_pages(world, reading), "one call read three pages"
            pytest.skip(f"{reading.name}: one call reads everything")
        world.trouble(skip=at, **trouble)
        got = await read(world, reading, asked)
        assert got.error is None or isinstance(got.error, CallError), f"{name}: raised {got.error!r}"
        missing = {each.reference for each in held} - references(reading, got.items)
        assert got.error is not None or not missing, f"{name}: ended without an error, and {len(missing)} are missing"

    async def test_unreadable_one_hides_no_other(self, world: World, reading: Reading) -> None:
        """Each value of one item replaced in turn: the others are read, and the error repeats nobody's words."""
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        place = await place_of(world, reading, asked, held)
        words = [m.body for item in (await read(world, reading, asked)).items for m in getattr(item, "messages", ())]
        neighbours = {held[0].reference, held[2].reference}
        for path, value in [*((place.path, whole) for whole in WHOLE), *altered(reading, place)]:
            got = await read_altered(world, reading, asked, place, path, value)
            what = mutate.describe(path, value)
            at_once = not reading.paged and got.error is not None
            hidden = set() if at_once else neighbours - references(reading, got.items)
            assert not hidden, f"{what}: {len(hidden)} others are not read any more"
            assert not any(word and word in str(got.error) for word in words), f"{what}: the error repeats a message"

    async def test_unreadable_one_is_not_dropped_in_silence(self, world: World, reading: Reading) -> None:
        """Each value of one item replaced in turn: it is read, or the reading ends with an error that tells of it."""
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        place = await place_of(world, reading, asked, held)
        await self._told(world, reading, asked, held, list(altered(reading, place)), place)

    async def test_row_that_is_no_item_is_not_dropped_in_silence(self, world: World, reading: Reading) -> None:
        """A null, a number or an empty object in place of an item: something was there, and somebody must be told."""
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        place = await place_of(world, reading, asked, held)
        await self._told(world, reading, asked, held, [(place.path, whole) for whole in WHOLE], place)

    async def _told(
        self, world: World, reading: Reading, asked: Any, held: list[Held], tried: list[Change], place: Place
    ) -> None:
        whole = len((await read(world, reading, asked)).items)
        for path, value in tried:
            got = await read_altered(world, reading, asked, place, path, value)
            there = held[1].reference in references(reading, got.items) or len(got.items) >= whole
            assert there or got.error is not None, f"{mutate.describe(path, value)}: gone, and nobody is told"

    async def test_calls_of_a_reading_have_one_owner(self, world: World, reading: Reading) -> None:
        """One service reads it, so the budgets of its calls must belong to that one."""
        held = await facts(world, reading, UNPAGED)
        await read(world, reading, await reading.ask(world, held, True))
        await read(world, reading, await reading.ask(world, held, False))
        owners = {call.operation: world.manifest.budget(call.operation).owner for call in world.http.calls}
        assert len(set(owners.values())) == 1, f"calls of {reading.name} draw on budgets of several services: {owners}"

    @about(Capability.RETURNS)
    async def test_unknown_state_of_a_return_is_shown_and_not_guessed(self, world: World) -> None:
        """A new word is `UNKNOWN` with the word beside it; the returns around it keep their stages."""
        reading = READINGS["returns"]
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        place = await place_of(world, reading, asked, held)
        before = {item.return_reference: item for item in (await read(world, reading, asked)).items}
        mine = before[held[1].reference]
        assert mine.stage is not ReturnStage.UNKNOWN, f"{mine.marketplace_state!r} of the simulator is not known"
        paths = [(*place.path, *path) for path, value in mutate.paths(place.item) if value == mine.marketplace_state]
        assert paths, f"marketplace_state {mine.marketplace_state!r} is not the word of the answer"
        for value in (WORD, None, mutate.GONE, 7):
            got = await read_altered(world, reading, asked, place, paths[0], value)
            for item in got.items:
                if item.return_reference != mine.return_reference:
                    assert item == before[item.return_reference], "another return changed with it"
                    continue
                told = f"{mutate.describe(paths[0], value)}: told as {item.stage.value}, {item.marketplace_state!r}"
                assert item.stage is ReturnStage.UNKNOWN, told
                assert value != WORD or WORD in item.marketplace_state, told
            shown = mine.return_reference in references(reading, got.items)
            assert shown or (value != WORD and got.error is not None), f"a return of state {value!r} is not shown"

    @about(Capability.MESSAGES)
    async def test_words_of_the_buyer_are_never_taken_for_ours(self, world: World) -> None:
        """A question that counts as the seller's own is never answered, whatever became of its sender's name."""
        reading = READINGS["messages"]
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        place = await place_of(world, reading, asked, held)
        threads = {item.thread_reference: item for item in (await read(world, reading, asked)).items}
        for each in held:
            senders = [message.sender for message in threads[each.reference].messages]
            assert Sender.BUYER in senders, f"thread {each.reference} of the buyer shows {senders}"
        theirs = {m.message_reference for m in threads[held[1].reference].messages if m.sender is Sender.BUYER}
        for path, value in changes(place, (*ODD, WORD)):
            for item in (await read_altered(world, reading, asked, place, path, value)).items:
                ours = {m.message_reference for m in item.messages if m.sender is Sender.SELLER}
                assert not ours & theirs, f"{mutate.describe(path, value)}: the buyer's message counts as the seller's"
                sent = [message.sent_at for message in item.messages]
                assert sent == sorted(sent), f"{mutate.describe(path, value)}: the newest message is not the last"

    @about(Capability.OFFERS)
    async def test_values_of_an_offer_are_not_guessed(self, world: World) -> None:
        """A quantity or price that does not stand there is None: a 0 would be "corrected", or sell for nothing."""
        reading = READINGS["offers"]
        held = await facts(world, reading, UNPAGED)
        asked = await reading.ask(world, held, False)
        place = await place_of(world, reading, asked, held)
        offers = {item.offer_sku: item for item in (await read(world, reading, asked)).items}
        mine = offers[held[1].reference]
        assert mine.quantity is not None, "an offer in good order shows no quantity"
        assert mine.price is not None, "an offer in good order shows no price"
        standing = {number for _, leaf in mutate.paths(place.item) if (number := _number(leaf)) is not None}
        for path, value in changes(place, NO_VALUES):
            for item in (await read_altered(world, reading, asked, place, path, value)).items:
                if item.offer_sku != mine.offer_sku:
                    continue
                what = mutate.describe(path, value)
                assert item.quantity in (mine.quantity, None), f"{what}: quantity {item.quantity} is invented"
                wrong = [price for price in (item.price, item.discount_price) if price and price.amount not in standing]
                assert not wrong, f"{what}: price {wrong[0].amount} is invented"


def _same(held: Held, item: Any) -> None:
    """Compare what is known of a thing with what was read of it."""
    order = getattr(item, "order_reference", None)
    assert held.order_reference in (None, order), f"{held.reference} is about {held.order_reference}, read as {order!r}"
    read_parts = len(getattr(item, "lines", ()) or getattr(item, "messages", ()))
    assert held.parts in (None, read_parts), f"{held.reference} has {held.parts} parts, {read_parts} were read"


def _number(leaf: Any) -> Decimal | None:
    if isinstance(leaf, bool) or not isinstance(leaf, str | int | Decimal):
        return None
    try:
        return Decimal(leaf)
    except ArithmeticError:
        return None
