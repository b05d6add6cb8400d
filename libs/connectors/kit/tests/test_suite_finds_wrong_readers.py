"""The proof of the cases of reading: each mistake is found by the case that is there for it, which the toy passes."""

from __future__ import annotations

import inspect
import logging
from typing import Any

import pytest

from connector_kit.conformance.base import check_budgets, check_secrets
from connector_kit.conformance.readings import READINGS
from connector_kit.conformance.world import World

from . import wrong_readers as wrong
from .test_suite_on_the_reading_toy import ReadingSuite
from .toy_readings import ReadingToy
from .toy_readings_outside import reading_subject

LOST = {"reading": "returns", "kind_of_error": "http_500", "at": 1}
AFTER = {"kind_of_error": "no_answer", "after": False}
EMPTY = {"what": "empty_file"}
MISTAKES: tuple[tuple[type[ReadingToy], str, dict[str, Any]], ...] = (
    (wrong.ReadsTheFirstPageOnly, "test_everything_there_is_read", {"reading": "returns", "chosen": True}),
    (wrong.ReadsTheFirstPageOnly, "test_everything_there_is_read", {"reading": "messages", "chosen": False}),
    (wrong.ReadsTheFirstPageOnly, "test_everything_there_is_read", {"reading": "offers", "chosen": False}),
    (wrong.ReadsTheFirstPageOnly, "test_everything_there_is_read", {"reading": "documents", "chosen": False}),
    (wrong.ReadsTheFirstPageOnly, "test_everything_there_is_read", {"reading": "order_export", "chosen": False}),
    (wrong.ReadsTheFirstPageOnly, "test_nothing_is_lost_while_more_comes", {"reading": "returns"}),
    (wrong.ErrorEndsTheReading, "test_failed_answer_is_not_the_end", LOST),
    (wrong.ErrorEndsTheReading, "test_failed_answer_is_not_the_end", {**LOST, "reading": "documents"}),
    (wrong.ErrorEndsTheReading, "test_failed_answer_is_not_the_end", {**LOST, "reading": "order_export", "at": 0}),
    (wrong.PageIsAnEmptyList, "test_failed_answer_is_not_the_end", {**LOST, "kind_of_error": "page", "at": 0}),
    (wrong.PageIsAnEmptyList, "test_odd_answer_is_not_the_end", {"reading": "offers", "body": b"\xff\xfe"}),
    (wrong.MissingListIsEmpty, "test_odd_answer_is_not_the_end", {"reading": "messages", "body": b"{}"}),
    (wrong.OneSpoilsAll, "test_unreadable_one_hides_no_other", {"reading": "returns"}),
    (wrong.OneSpoilsAll, "test_unreadable_one_hides_no_other", {"reading": "messages"}),
    (wrong.CrashesOnAnOddItem, "test_unreadable_one_hides_no_other", {"reading": "returns"}),
    (wrong.QuotesTheBuyer, "test_unreadable_one_hides_no_other", {"reading": "messages"}),
    (wrong.DropsInSilence, "test_unreadable_one_is_not_dropped_in_silence", {"reading": "returns"}),
    (wrong.DropsInSilence, "test_unreadable_one_is_not_dropped_in_silence", {"reading": "documents"}),
    (wrong.DropsInSilence, "test_row_that_is_no_item_is_not_dropped_in_silence", {"reading": "offers"}),
    (wrong.GuessesTheStage, "test_unknown_state_of_a_return_is_shown_and_not_guessed", {}),
    (wrong.ForgetsTheStateWord, "test_unknown_state_of_a_return_is_shown_and_not_guessed", {}),
    (wrong.LosesALine, "test_everything_there_is_read", {"reading": "returns", "chosen": False}),
    (wrong.MixesUpTheOrder, "test_everything_there_is_read", {"reading": "messages", "chosen": True}),
    (wrong.StrangersAreUs, "test_words_of_the_buyer_are_never_taken_for_ours", {}),
    (wrong.NewestFirst, "test_words_of_the_buyer_are_never_taken_for_ours", {}),
    (wrong.NoQuantityIsZero, "test_values_of_an_offer_are_not_guessed", {}),
    (wrong.NoPriceIsNothing, "test_values_of_an_offer_are_not_guessed", {}),
    (wrong.ReadsOffersOfAnotherBudget, "test_calls_of_a_reading_have_one_owner", {"reading": "offers"}),
    (wrong.ReadsUndeclared, "test_nothing_there_is_no_error", {"reading": "returns"}),
    (wrong.TellsTheTokenInAnError, "test_failed_answer_is_not_the_end", {**LOST, "kind_of_error": "http_401"}),
    (
        wrong.TellsTheTokenInAnError,
        "test_export_that_cannot_be_asked_for_raises",
        {"call": "start_export", "kind_of_error": "http_401"},
    ),
    (wrong.ShowsAllDocuments, "test_documents_are_of_the_order_that_was_asked_for", {}),
    (wrong.GoneIsRefused, "test_document_is_removed_and_stays_so", {}),
    (wrong.DoubtIsRemoved, "test_removal_in_doubt_is_tried_again", AFTER),
    (wrong.PendingIsEmpty, "test_pending_export_is_no_empty_one", {}),
    (wrong.PendingIsEmpty, "test_failed_export_is_told", {}),
    (wrong.FailedIsPending, "test_failed_export_is_told", {}),
    (wrong.UnknownExportIsPending, "test_export_that_nobody_knows_is_not_ready", {}),
    (
        wrong.UnknownExportIsPending,
        "test_export_that_cannot_be_asked_for_raises",
        {"call": "export_state", "kind_of_error": "http_500"},
    ),
    (wrong.GuessesTheExport, "test_unknown_state_of_an_export_is_not_guessed", {}),
    (wrong.NoInvoiceIsAnError, "test_no_invoice_yet_is_none", {}),
    (wrong.AnyFileIsAnInvoice, "test_failed_answer_is_neither_an_invoice_nor_none", {"what": "page"}),
    (wrong.AnyFileIsAnInvoice, "test_failed_answer_is_neither_an_invoice_nor_none", EMPTY),
    (wrong.RefusedIsNoInvoiceYet, "test_failed_answer_is_neither_an_invoice_nor_none", {"what": "http_401"}),
    (wrong.SpoilsTheBytes, "test_invoice_is_fetched_whole", {}),
    (wrong.BelievesAnything, "test_altered_notice_is_refused", {}),
    (wrong.BelievesAnything, "test_forged_notice_is_refused", {}),
    (wrong.BelievesALengthOnly, "test_altered_notice_is_refused", {}),
    (wrong.ComparesTexts, "test_forged_notice_is_refused", {}),
    (wrong.NeverTooLate, "test_late_notice_is_refused", {}),
    (wrong.QuotesTheNotice, "test_altered_notice_is_refused", {}),
    (wrong.CrashesOnProvenGarbage, "test_proven_garbage_is_refused", {}),
    (wrong.TakesAnyNames, "test_odd_values_of_a_proven_notice", {}),
    (wrong.NamesOneOrderOnly, "test_good_notice_names_its_orders", {"count": 3}),
)


async def run(connection: type[ReadingToy], case: str, given: dict[str, Any], caplog: pytest.LogCaptureFixture) -> None:
    """One case on one connector, with what the suite checks after each case."""
    caplog.set_level(logging.DEBUG)
    world = World(reading_subject(connection))
    arguments = {**given, **({"reading": READINGS[given["reading"]]} if "reading" in given else {})}
    ended = getattr(ReadingSuite(), case)(world, **arguments)
    if inspect.isawaitable(ended):
        await ended
    world.forget()
    check_budgets(world)
    check_secrets(world, caplog)


@pytest.mark.parametrize(
    ("connection", "case", "given"), MISTAKES, ids=[f"{one.__name__}-{case[5:40]}" for one, case, _ in MISTAKES]
)
async def test_mistake_is_found(
    connection: type[ReadingToy], case: str, given: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """Red on the wrong connector with a finding of the suite, green on the right one, in the same case."""
    await run(ReadingToy, case, given, caplog)
    caplog.clear()
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        await run(connection, case, given, caplog)


def test_every_mistake_is_tried() -> None:
    """A mistake that no case is tried on would prove nothing; nor would a case that finds none."""
    classes = [one for _, one in inspect.getmembers(wrong, inspect.isclass)]
    assert {one for one in classes if issubclass(one, ReadingToy) and one is not ReadingToy} == {m[0] for m in MISTAKES}
    cases = {name for name, _ in inspect.getmembers(ReadingSuite, inspect.isfunction) if name.startswith("test_")}
    assert cases == {case for _, case, _ in MISTAKES}
