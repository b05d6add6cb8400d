"""The proof of the suite: each mistake is found by the case that is there for it, which the right toy passes."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest

from connector_kit.conformance import MarketplaceConformance
from connector_kit.conformance.base import check_budgets, check_secrets
from connector_kit.conformance.kinds import KINDS
from connector_kit.conformance.world import World
from connector_kit.http import BadAnswer, NotSent

from . import wrong_toys as wrong
from .toy import MANIFEST, Toy
from .toy_subject import toy_subject

MISTAKES: tuple[tuple[type[Toy], str, dict[str, Any]], ...] = (
    (wrong.CountsMixedAnswerAsSuccess, "test_failed_item_of_a_mixed_answer_is_not_done", {"kind": "accept"}),
    (wrong.CountsMixedAnswerAsSuccess, "test_outcomes_stand_in_the_order_of_the_requests", {"kind": "set_stock"}),
    (wrong.MissingItemIsDone, "test_missing_item_of_a_mixed_answer_is_not_done", {"kind": "accept"}),
    (wrong.ShufflesOutcomes, "test_outcomes_stand_in_the_order_of_the_requests", {"kind": "accept"}),
    (wrong.DropsAnOutcome, "test_batch_costs_no_more_calls_than_declared", {"kind": "accept"}),
    (
        wrong.ResendsAfterTimeout,
        "test_lost_answer_is_probed_and_not_sent_again",
        {"kind": "ship", "doubt": "no_answer"},
    ),
    (wrong.DoubtIsFailure, "test_lost_answer_is_probed_and_not_sent_again", {"kind": "ship", "doubt": "no_answer"}),
    (wrong.DoubtIsSuccess, "test_lost_request_is_probed_and_then_done", {"kind": "ship", "doubt": "no_answer"}),
    (wrong.DoubtIsSuccess, "test_switches_of_the_simulator", {"kind": "accept", "switch": "timeout_before"}),
    (
        wrong.ServerErrorIsRefusal,
        "test_lost_answer_is_probed_and_not_sent_again",
        {"kind": "ship", "doubt": "http_500"},
    ),
    (
        wrong.AnyTwoHundredIsDone,
        "test_lost_request_is_probed_and_then_done",
        {"kind": "ship", "doubt": "http_200_page"},
    ),
    (wrong.RepeatIsRefusal, "test_done_twice_is_applied_once", {"kind": "accept"}),
    (wrong.KeyRefusedIsOrderRefused, "test_refused_key_is_nobodys_refusal", {"kind": "accept", "status": 401}),
    (wrong.ForgetsRetryAfter, "test_429_is_sent_again_later", {"kind": "accept", "form": "header"}),
    (wrong.LosesTheLastPage, "test_every_order_is_listed", {"window": "updated"}),
    (wrong.ErrorIsTheEnd, "test_error_is_not_the_end_of_the_list", {"kind_of_error": "http_500", "at": 1}),
    (wrong.UnreadableIsUnknown, "test_order_that_cannot_be_read_is_not_unknown", {"kind_of_error": "http_500"}),
    (wrong.LogsTheKey, "test_one_order_is_read", {}),
    (wrong.KeyInTheRepr, "test_one_order_is_read", {}),
    (wrong.RepeatsTheAnswer, "test_echoed_request_tells_no_secret", {"kind": "accept", "status": 400}),
    (wrong.KeyInTheError, "test_order_that_cannot_be_read_is_not_unknown", {"kind_of_error": "http_401"}),
    (wrong.FloatMoney, "test_sums_are_exact", {}),
    (wrong.FloatMoney, "test_amounts_keep_all_digits", {}),
    (wrong.TextIsNoAmount, "test_amounts_as_texts_or_numbers_are_the_same", {}),
    (wrong.NullIsZero, "test_missing_total_is_not_guessed", {}),
    (wrong.GuessesTheStatus, "test_unknown_status_parks_that_order_only", {}),
    (wrong.GuessesTheStatus, "test_switch_of_unknown_status", {}),
    (wrong.CrashesOnNull, "test_null_missing_and_odd_values", {}),
    (wrong.CrashesOnOddBytes, "test_unreadable_order_is_parked", {"body": b"<html></html>"}),
    (wrong.ForgetsTheOffset, "test_offsets_change_no_instant", {"hours": 2}),
    (wrong.ForgetsTheOffset, "test_night_of_the_clock_change", {}),
    (wrong.ProbeGuesses, "test_blind_probe_decides_nothing", {"kind": "accept", "trouble": "http_500"}),
    (wrong.ProbeAlwaysSeesIt, "test_nothing_applied_is_not_seen_as_applied", {"kind": "accept"}),
    (wrong.ProbeNeverSeesIt, "test_effect_is_applied_once", {"kind": "accept"}),
    (wrong.SpendsUndeclaredCalls, "test_effect_is_applied_once", {"kind": "ship"}),
    (wrong.SpendsAnothersBudget, "test_calls_of_an_effect_have_one_owner", {"kind": "ship"}),
    (wrong.OneCallEach, "test_batch_costs_no_more_calls_than_declared", {"kind": "accept"}),
    (wrong.Hurries, "test_calls_travel_in_the_lane_of_the_connection", {"kind": "accept"}),
    (wrong.VerifiesBlindly, "test_credentials_are_verified", {"state": "wrong_key"}),
    (wrong.VerifyRaises, "test_credentials_are_verified", {"state": "unreachable"}),
    (wrong.DoesMoreThanDeclared, "test_connection_does_what_the_manifest_declares", {}),
)
FINDINGS = (AssertionError, pytest.fail.Exception, BadAnswer, NotSent)
"""What a failing case raises: its finding, or what the wrong connector let out."""


async def run(connection: type[Toy], case: str, given: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """One case of the suite on one connector, with what the suite checks after each case."""
    caplog.set_level(logging.DEBUG)
    world = World(toy_subject(connection))
    arguments = {**given, **({"kind": KINDS[given["kind"]]} if "kind" in given else {})}
    test = getattr(MarketplaceConformance(), case)
    ended = test(world, **arguments)
    if inspect.isawaitable(ended):
        await ended
    world.forget()
    check_budgets(world)
    check_secrets(world, caplog)


@pytest.mark.parametrize(
    ("connection", "case", "given"), MISTAKES, ids=[f"{one.__name__}-{case[5:40]}" for one, case, _ in MISTAKES]
)
async def test_mistake_is_found(
    connection: type[Toy], case: str, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Red on the wrong connector, green on the right one, in the same case."""
    await run(Toy, case, given, caplog)
    caplog.clear()
    with pytest.raises(FINDINGS):
        await run(connection, case, given, caplog)


def test_every_mistake_is_tried() -> None:
    """A mistake that no case is tried on would prove nothing."""
    made = {one for _, one in inspect.getmembers(wrong, inspect.isclass) if issubclass(one, Toy) and one is not Toy}
    assert made == {one for one, _, _ in MISTAKES}
    assert MANIFEST.name == "toy"
