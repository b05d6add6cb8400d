"""A refusal reaches people in the marketplace's own words, with the row and what to do about it."""

from __future__ import annotations

from typing import Any

from connector_kit.discovery import connector
from connector_kit.profiles import OperatorProfile, Remedy
from hub_contracts.stock import OfferRejected
from stock_sync.reports import refusal

from .conftest import MARKET, SHOP, Stage

PROFILE = OperatorProfile(
    name="somebody",
    title="Somebody",
    source="invented",
    remedies=(Remedy(says="price too low", means="below the floor", next_step="Raise it above the floor."),),
)


def problem(rule: str, **more: Any) -> dict[str, Any]:
    return {"field": "price", "rule": rule, **more}


def test_a_row_is_told_with_its_number_and_its_own_next_step() -> None:
    said = refusal("import 7 is COMPLETE", {"problems": [problem("too odd", row=3, next_step="Mend it.")]}, PROFILE)
    assert said.reason == "row 3, price: too odd What to do: Mend it."
    assert said.next_step == "Mend it."


def test_the_operators_profile_knows_what_the_connector_does_not() -> None:
    listed = refusal("x", {"problems": [problem("Price too low!")]}, PROFILE)
    plain = refusal("refused: PRICE TOO LOW", {}, PROFILE)
    assert listed.next_step == plain.next_step == "Raise it above the floor."
    assert plain.reason.startswith("refused: PRICE TOO LOW")


def test_nothing_known_stays_as_it_was_said() -> None:
    assert refusal("no", {}, None).reason == "no"
    assert refusal("no", {"problems": "?"}, PROFILE).next_step == ""
    assert refusal("no", {"problems": [{"rule": 1}, problem("w", severity="warning")]}, PROFILE).reason == "no"


def test_long_reports_are_cut_and_keep_the_step() -> None:
    rows = [problem("x" * 400, row=n, next_step="y" * 300) for n in range(9)]
    said = refusal("r", {"problems": rows}, None)
    assert len(said.reason) <= 500
    assert "What to do: y" in said.reason


async def test_a_refused_row_reaches_the_event_and_the_parked_item(stage: Stage) -> None:
    profile = connector("mirakl").manifest.profiles[0]
    await stage.open("mirakl", offers=[{"sku": "A", "quantity": 1}])
    await stage.connect(SHOP, "generic_shop")
    await stage.connect(MARKET, "mirakl", connector_settings={"operator_profile": profile.name})
    await stage.link("GHOST", "a")
    await stage.stock("a", 7)
    for _ in range(4):
        await stage.push()
        stage.clock.advance(61)
        await stage.h.make_due()
    rejected = (await stage.told(OfferRejected))[0]
    assert "row 1, stock: " in rejected.reason
    parked = await stage.h.parked()
    assert [item["cause"] for item in parked] == ["offer_missing"]
    remedy = profile.remedy(rejected.reason)
    assert remedy is not None, "the sandbox speaks words that no profile knows"
    assert "What to do: " in rejected.reason
    assert parked[0]["next_step"] == remedy.next_step
