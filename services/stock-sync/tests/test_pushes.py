"""Pushing to simulated marketplaces: newest wins, nothing twice, refusals parked, doubts looked up."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from asyncpg.connection import LoggedQuery

from hub_contracts.base import Money
from hub_contracts.connections import ConnectionState
from hub_contracts.shop_activity import PriceReported
from hub_contracts.stock import OfferPushed, OfferRejected
from hub_contracts.work import WorkParked, WorkResumed

from .conftest import MARKET, OTHER_MARKET, SHOP, Stage


async def test_a_statement_reaches_the_marketplace_once(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.price("a", "12.50", "11.00")
    await stage.push()
    await stage.stock("a", 7, at=1)
    await stage.push()
    assert stage.applied("stock") == [("A", 7)]
    assert stage.applied("price") == [("A", "11.00")]
    pushed = await stage.told(OfferPushed)
    assert {(p.quantity, p.price.amount if p.price else None, p.confirmed_by) for p in pushed} == {
        (7, None, "answer"),
        (None, Decimal("11.00"), "answer"),
    }
    row = await stage.offer("A")
    assert (row["pushed_quantity"], row["pushed_price"], row["pushed_discount"]) == (7, Decimal("12.50"), Decimal(11))


async def test_many_offers_are_one_call(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"})
    await stage.h.feed(*(stage.stock_event(f"S{n}", n + 3) for n in range(40)))
    await stage.push()
    assert len(stage.applied("stock")) == 40
    assert await stage.h.runtime.pool.fetchval("SELECT count(DISTINCT at) FROM effect_attempts") == 1


async def test_a_newer_value_replaces_one_that_was_not_sent_yet(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    for at, quantity in enumerate((5, 4, 3)):
        await stage.stock("a", quantity, at=at)
    await stage.push()
    assert stage.applied("stock") == [("A", 3)]
    assert [e["state"] for e in await stage.h.effects("set_stock")] == ["SUPERSEDED", "SUPERSEDED", "DONE"]


async def test_going_back_to_the_old_value_is_sent_again(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    for at, quantity in enumerate((5, 4, 5)):
        await stage.stock("a", quantity, at=at)
        await stage.push()
    assert stage.applied("stock") == [("A", 5), ("A", 4), ("A", 5)]


async def test_an_offer_that_the_marketplace_does_not_have_is_parked_and_goes_out_when_it_changes(stage: Stage) -> None:
    await stage.stand()
    await stage.link("NEW", "a")
    await stage.stock("a", 7)
    await stage.push()
    assert [r.offer_sku for r in await stage.told(OfferRejected, clear=False)] == ["NEW"]
    parked = await stage.told(WorkParked)
    assert [(p.cause, p.subject_id) for p in parked] == [("offer_missing", f"{MARKET}:NEW")]
    await stage.stock("a", 7, at=1)
    await stage.push()
    assert len(await stage.h.effects()) == 1  # an equal fact is not tried again by itself
    stage.simulators["manomano"].world.offers[(11781522, "NEW")] = _copy_of_a(stage)
    await stage.stock("a", 6, at=2)
    await stage.push()
    assert stage.applied("stock") == [("NEW", 6)]
    assert len(await stage.told(WorkResumed)) == 1
    assert await stage.h.parked() == []


def _copy_of_a(stage: Stage) -> object:
    return replace(stage.simulators["manomano"].world.offers[(11781522, "A")], sku="NEW")


async def test_one_good_kind_does_not_hide_that_the_other_was_refused(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    dollars = PriceReported(
        shop_connection_id=SHOP, shop_sku="a", price=Money(amount="9.00", currency="USD"), reported_at=stage.at()
    )
    await stage.h.feed((f"{SHOP}:a", dollars))
    await stage.push()
    await stage.stock("a", 7)
    await stage.push()
    assert [p["cause"] for p in await stage.h.parked()] == ["offer_rejected"]
    await stage.price("a", "9.00", at=1)
    await stage.push()
    assert await stage.h.parked() == []
    assert stage.applied("price") == [("A", "9.00")]


async def test_an_answer_lost_on_the_way_costs_nothing_but_time(stage: Stage) -> None:
    await stage.stand()
    await stage.link("A", "a")
    stage.fault("timeout_after_effect", "set_offers")
    await stage.stock("a", 7)
    await stage.push()
    await stage.h.make_due()
    stage.clock.advance(600)
    await stage.push()
    assert {quantity for _, quantity in stage.applied("stock")} == {7}
    assert (await stage.h.effects())[0]["state"] == "DONE"
    assert (await stage.offer("A"))["pushed_quantity"] == 7


async def test_an_item_missing_from_a_mixed_answer_is_not_taken_for_done(stage: Stage) -> None:
    await stage.stand(sku={"link_mode": "pass_through"})
    stage.fault("missing_item_207", "set_offers")
    await stage.h.feed(stage.stock_event("A", 1), stage.stock_event("B", 2))
    await stage.push()
    states = sorted(e["state"] for e in await stage.h.effects())
    assert states == ["DONE", "RETRY"]
    await stage.h.make_due()
    stage.clock.advance(600)
    await stage.push()
    assert [e["state"] for e in await stage.h.effects()] == ["DONE", "DONE"]


async def test_an_import_is_believed_only_after_its_report(stage: Stage) -> None:
    await stage.open("mirakl", offers=[{"sku": "A", "quantity": 1}])
    await stage.connect(SHOP, "generic_shop")
    await stage.connect(MARKET, "mirakl")
    for sku in ("A", "GHOST"):
        await stage.link(sku, sku)
    await stage.h.feed(stage.stock_event("A", 7), stage.stock_event("GHOST", 5))
    await stage.push()
    assert [e["state"] for e in await stage.h.effects()] == ["SENT", "SENT"]
    assert await stage.told(OfferPushed) == []
    for _ in range(3):
        stage.clock.advance(61)
        await stage.h.make_due()
        await stage.push()
    assert stage.simulators["mirakl"].state()["offers"]["A"]["quantity"] == 7
    pushed, rejected = await stage.told(OfferPushed, clear=False), await stage.told(OfferRejected, clear=False)
    assert [(p.offer_sku, p.quantity, p.confirmed_by) for p in pushed] == [("A", 7, "probe")]
    assert pushed[0].import_reference
    assert pushed[0].import_reference == rejected[0].import_reference
    assert [(p["cause"], p["subject_id"]) for p in await stage.h.parked()] == [("offer_missing", f"{MARKET}:GHOST")]


async def test_switches_and_capabilities_are_obeyed(stage: Stage) -> None:
    await stage.stand(stock={"push_stock": False}, off=("price",))
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.price("a", "5.00")
    assert await stage.h.effects() == []
    await stage.connect(MARKET, stock={"push_stock": True})
    assert sorted(e["kind"] for e in await stage.h.effects()) == ["set_price", "set_stock"]


async def test_a_paused_connection_gets_the_newest_value_when_it_is_resumed(stage: Stage) -> None:
    await stage.stand(state=ConnectionState.PAUSED)
    await stage.link("A", "a")
    await stage.stock("a", 7)
    await stage.stock("a", 6, at=1)
    await stage.push()
    assert stage.applied("stock") == []
    await stage.connect(MARKET)
    await stage.push()
    assert stage.applied("stock") == [("A", 6)]


async def test_five_thousand_skus_are_one_multi_row_path(stage: Stage) -> None:
    """The number of statements does not grow with the number of SKUs."""
    await stage.stand(sku={"link_mode": "pass_through"})
    await stage.connect(OTHER_MARKET, sku={"link_mode": "pass_through"})
    await _statements(stage, "warm", 5)
    assert await _statements(stage, "few", 50) == await _statements(stage, "many", 5000)
    assert await stage.h.runtime.pool.fetchval("SELECT count(*) FROM offers") == 2 * 5055
    assert await stage.h.runtime.pool.fetchval("SELECT count(*) FROM effects") == 2 * 5055


async def _statements(stage: Stage, name: str, size: int) -> int:
    """How many statements it takes to handle the first word on so many SKUs."""
    seen: list[str] = []

    def note(record: LoggedQuery) -> None:
        if "typeinfo" not in record.query and "jit" not in record.query:  # the client learns types per connection
            seen.append(record.query)

    records = [stage.h.record(*stage.stock_event(f"{name}-{n}", n)) for n in range(size)]
    pool = stage.h.runtime.pool
    every = [await pool.acquire() for _ in range(pool.get_max_size())]
    for conn in every:
        conn.add_query_logger(note)
    for conn in every:
        await pool.release(conn)
    result = await stage.h.runtime.inbox.process(records)
    count = len(seen)
    assert result.handled == size
    return count
