"""Cases of mapping: whatever an order looks like, it is understood exactly or refused with the field's name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from connector_kit.capabilities import MappedOrder, MappingError, RawOrder
from connector_kit.conformance import mutate
from connector_kit.conformance.base import CaseBase
from connector_kit.conformance.world import CONNECTION, World
from hub_contracts.ids import order_id_for
from hub_contracts.orders import OrderSnapshot

UNREADABLE = (b"", b"null", b"[]", b"7", b'"order"', b"{}", b'{"a": ', b"<html></html>", b"\xff\xfe", b"[" * 5000)
HUGE = Decimal("9007199254.07")
"""No binary fraction is exactly this; small enough for everybody's limits."""
MOST_DECIMALS = 6
"""An amount with more of them went through a binary fraction."""
NIGHTS = (
    datetime(2025, 10, 26, 0, 30, tzinfo=UTC),
    datetime(2025, 10, 26, 1, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 59, 59, tzinfo=UTC),
    datetime(2026, 3, 29, 1, 0, tzinfo=UTC),
)
"""Around the clock changes of central Europe: 02:30 local time twice, and never."""


class MappingCases(CaseBase):
    """Raw order to snapshot."""

    async def test_snapshot_says_what_the_hub_needs(self, world: World) -> None:
        """Identity, words, lines and sums of an order of each stage."""
        async for raw, order in _examples(world):
            shown = order.snapshot
            assert shown.marketplace_reference == raw.reference
            assert shown.order_id == order_id_for(CONNECTION, raw.reference), "order_id is not derived from the order"
            assert (shown.connection_id, shown.connector) == (CONNECTION, world.manifest.name)
            assert shown.environment is world.subject.environment
            word = world.manifest.status_map.get(shown.marketplace_status)
            assert word is not None, f"status word {shown.marketplace_status!r} is not in the status map"
            ids = [line.line_id for line in shown.lines]
            assert ids, "no lines"
            assert len(set(ids)) == len(ids), "a line id is given twice"
            assert all(line.quantity > 0 and line.offer_sku for line in shown.lines), "a line without units or SKU"
            assert world.connection.map_order(raw) == order, "mapping the same bytes twice gives two results"

    async def test_sums_are_exact(self, world: World) -> None:
        """Lines times quantities plus shipping is the total to the cent; no amount went through a binary fraction."""
        async for _, order in _examples(world):
            shown = order.snapshot
            for amount in _amounts(shown):
                assert isinstance(amount, Decimal), f"{amount!r} is not a Decimal"
                places = -int(amount.normalize().as_tuple().exponent)
                assert places <= MOST_DECIMALS, f"{amount} went through a binary fraction"
            for line in shown.lines:
                assert line.unit_price.amount * line.quantity == line.line_price.amount, f"line {line.line_id}"
            products = sum((line.line_price.amount for line in shown.lines), Decimal(0))
            assert products == shown.products_price, "products_price is not the sum of the lines"
            assert shown.products_price + shown.shipping_price == shown.total_price, "total_price is not the sum"

    async def test_amounts_as_texts_or_numbers_are_the_same(self, world: World) -> None:
        """`19.90` and `"19.90"` are one amount."""
        async for raw, order in _examples(world):
            document = mutate.load(raw.body)
            for change in (mutate.amounts_as_texts, mutate.amounts_as_numbers):
                body = mutate.dump(mutate.everywhere(document, change))
                again = world.connection.map_order(RawOrder(raw.reference, body))
                assert again == order, f"{change.__name__}: the order reads differently"

    async def test_amounts_keep_all_digits(self, world: World) -> None:
        """An amount that a binary fraction cannot hold arrives with all its digits or not at all."""
        seen = 0
        async for raw, order in _examples(world):
            document = mutate.load(raw.body)
            for path, value in mutate.paths(document):
                if not _is_amount(value) or Decimal(str(value)) not in _amounts(order.snapshot):
                    continue
                changed = HUGE if isinstance(value, Decimal) else str(HUGE)
                mapped = _map(world, raw, mutate.put(document, path, changed), mutate.describe(path, changed))
                if mapped is None:
                    continue
                large = [amount for amount in _amounts(mapped.snapshot) if amount > HUGE / 2]
                seen += len(large)
                wrong = [amount for amount in large if amount % 1 not in _rests(order)]
                assert not wrong, f"{mutate.describe(path, changed)} came out as {wrong[0]}"
        assert seen, "no amount of the order came through: are amounts mapped at all?"

    async def test_null_missing_and_odd_values(self, world: World) -> None:
        """Each value of an order replaced in turn: it is mapped, or refused with the field's name; nothing else."""
        async for raw, _ in _examples(world):
            document = mutate.load(raw.body)
            for path, value in list(mutate.paths(document)):
                for wrong in mutate.WRONG:
                    if wrong == value and type(wrong) is type(value):
                        continue
                    _map(world, raw, mutate.put(document, path, wrong), mutate.describe(path, wrong))

    async def test_missing_total_is_not_guessed(self, world: World) -> None:
        """Without the amount that the total was read from, the total is the same (summed), parked or reported."""
        async for raw, order in _examples(world):
            document = mutate.load(raw.body)
            total = order.snapshot.total_price
            for path, value in mutate.paths(document):
                if not _is_amount(value) or Decimal(str(value)) != total:
                    continue
                for wrong in (None, mutate.GONE):
                    mapped = _map(world, raw, mutate.put(document, path, wrong), mutate.describe(path, wrong))
                    same = mapped is None or mapped.snapshot.total_price == total or mapped.snapshot.data_alerts
                    assert same, f"{mutate.describe(path, wrong)}: total {mapped and mapped.snapshot.total_price}"

    @pytest.mark.parametrize("body", UNREADABLE, ids=lambda body: repr(body[:8]))
    async def test_unreadable_order_is_parked(self, world: World, body: bytes) -> None:
        """Bytes that are no order: `MappingError` naming what is wrong."""
        with pytest.raises(MappingError) as caught:
            world.connection.map_order(RawOrder("X-1", body))
        assert caught.value.field
        assert caught.value.rule

    async def test_unknown_status_parks_that_order_only(self, world: World) -> None:
        """A new word of the marketplace is never guessed; the orders around it are mapped."""
        references = world.orders("new", 3)
        raws = [await world.raw(reference) for reference in references]
        word = world.connection.map_order(raws[1]).snapshot.marketplace_status
        strange = mutate.everywhere(mutate.load(raws[1].body), lambda leaf: "QUITE_NEW_WORD" if leaf == word else leaf)
        with pytest.raises(MappingError) as caught:
            world.connection.map_order(RawOrder(raws[1].reference, mutate.dump(strange)))
        assert caught.value.cause == "status_unknown", f"cause is {caught.value.cause!r}"
        assert "QUITE_NEW_WORD" in str(caught.value), "the word itself is not named"
        for raw in (raws[0], raws[2]):
            assert world.connection.map_order(raw).snapshot.marketplace_reference == raw.reference

    async def test_switch_of_unknown_status(self, world: World) -> None:
        """The simulator's own switch shows orders that the connector parks, while the listing goes on."""
        fault = world.subject.faults.unknown_status
        if fault is None:
            pytest.skip("the simulator has no switch for it; the same is tried on the bytes")
        [reference] = world.orders("new", 1)
        world.fault(fault)
        raw = await world.raw(reference)
        with pytest.raises(MappingError) as caught:
            world.connection.map_order(raw)
        assert caught.value.cause == "status_unknown"

    @pytest.mark.parametrize("switch", ["string_amounts", "null_address"])
    async def test_switches_of_odd_orders(self, world: World, switch: str) -> None:
        """Texts for amounts change nothing; a missing address is said, not invented."""
        fault = getattr(world.subject.faults, switch)
        if fault is None:
            pytest.skip(f"the simulator has no switch for {switch}")
        [reference] = world.orders("new", 1)
        plain = world.connection.map_order(await world.raw(reference)).snapshot
        world.fault(fault)
        odd = world.connection.map_order(await world.raw(reference)).snapshot
        if switch == "string_amounts":
            assert odd == plain, "amounts as texts read differently"
        else:
            assert odd.missing_address_fields, "an order without address does not say what is missing"
            assert odd.total_price == plain.total_price

    @pytest.mark.parametrize("hours", [2, -5, 13])
    async def test_offsets_change_no_instant(self, world: World, hours: int) -> None:
        """The same instants written with another offset give the same snapshot."""
        async for raw, order in _examples(world):
            body = mutate.dump(mutate.everywhere(mutate.load(raw.body), mutate.instants_at_offset(hours)))
            again = world.connection.map_order(RawOrder(raw.reference, body))
            assert again.snapshot == order.snapshot, f"instants at offset {hours:+} read differently"

    async def test_night_of_the_clock_change(self, world: World) -> None:
        """The hour that comes twice, and the one that never comes, keep their order in UTC."""
        option = world.subject.created_at_option
        assert option is not None, "name the option of create_orders in Subject.created_at_option"
        for night in NIGHTS:
            world.clock.set(night + timedelta(minutes=5))
            [reference] = world.orders("new", 1, **{option: night})
            raw = await world.raw(reference)
            for hours in (0, 1, 2):
                body = mutate.dump(mutate.everywhere(mutate.load(raw.body), mutate.instants_at_offset(hours)))
                shown = world.connection.map_order(RawOrder(raw.reference, body)).snapshot
                assert shown.created_at == night, f"made at {night}, read at offset {hours:+} as {shown.created_at}"
                assert shown.created_at.utcoffset() == timedelta(0), "created_at is not in UTC"

    async def test_every_status_word_of_the_simulator_is_mapped(self, world: World) -> None:
        """Each word of the status map can be shown by the simulator and is read as the map says."""
        option = world.subject.status_option
        assert option is not None, "name the option of create_orders in Subject.status_option"
        for word in world.manifest.status_map:
            [reference] = world.orders("new", 1, **{option: word})
            order = world.connection.map_order(await world.raw(reference)).snapshot
            assert order.marketplace_status == word, f"{word} is shown as {order.marketplace_status}"
            assert order.status is world.manifest.status_map[word], f"{word} is read as {order.status.value}"


async def _examples(world: World) -> AsyncIterator[tuple[RawOrder, MappedOrder]]:
    """Two orders of each stage."""
    for stage in world.subject.stages:
        for reference in world.orders(stage, 2):
            raw = await world.raw(reference)
            yield raw, world.connection.map_order(raw)


def _map(world: World, raw: RawOrder, document: Any, what: str) -> MappedOrder | None:
    """The order, None when it is refused properly."""
    try:
        mapped = world.connection.map_order(RawOrder(raw.reference, mutate.dump(document)))
    except MappingError as error:
        if not error.field or not error.rule:
            pytest.fail(f"{what}: refused without naming field and rule", pytrace=False)
        return None
    except Exception as error:  # noqa: BLE001  any other exception is the finding
        pytest.fail(f"{what}: {type(error).__name__}: {error}", pytrace=False)
    assert isinstance(mapped, MappedOrder)
    return mapped


def _is_amount(value: Any) -> bool:
    return isinstance(value, Decimal) or (isinstance(value, str) and bool(mutate.AMOUNT.fullmatch(value)))


def _amounts(shown: OrderSnapshot) -> list[Decimal]:
    found = [shown.products_price, shown.shipping_price, shown.total_price]
    for line in shown.lines:
        found += [line.unit_price.amount, line.line_price.amount, line.shipping_price.amount]
        found += [tax.amount for tax in (*line.taxes, *line.shipping_taxes)]
    return found


def _rests(order: MappedOrder) -> set[Decimal]:
    """Fractions that the huge amount may end with: alone, times a quantity, and with other amounts beside it."""
    amounts = _amounts(order.snapshot)
    units = {1, *(line.quantity for line in order.snapshot.lines)}
    sums = {Decimal(0), *amounts, *(-amount for amount in amounts)}
    return {(HUGE * quantity + one + other) % 1 for quantity in units for one in sums for other in sums}
