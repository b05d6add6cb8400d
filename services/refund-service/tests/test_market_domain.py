"""What is due about a return that a buyer opened at the marketplace."""

from __future__ import annotations

from dataclasses import replace

import pytest

from connector_kit.aftersales import ReturnStage
from refund_service.domain_market import Due, Seen, covers, due

OPENED = Seen(ReturnStage.REQUESTED, order_known=True, lines={"L1": 2}, answering=None, refused_answer=False, back={})


def test_a_request_is_accepted_by_policy_or_asked_of_a_person() -> None:
    assert due(OPENED, accept_by_itself=True) == Due(answer="accept")
    assert due(OPENED, accept_by_itself=False) == Due(cause="return_unanswered")


def test_nothing_is_answered_about_an_unknown_order_or_state() -> None:
    assert due(replace(OPENED, order_known=False), accept_by_itself=True) == Due(cause="return_order_unknown")
    assert due(replace(OPENED, stage=ReturnStage.UNKNOWN), accept_by_itself=True) == Due(cause="return_state_unknown")


@pytest.mark.parametrize("changes", [{"answering": "accept"}, {"answering": "refuse"}, {"refused_answer": True}])
def test_what_was_answered_is_not_answered_again(changes: dict[str, object]) -> None:
    assert due(replace(OPENED, **changes), accept_by_itself=True) == Due()  # type: ignore[arg-type]


def test_goods_that_are_back_are_confirmed_once_all_are() -> None:
    under_way = replace(OPENED, stage=ReturnStage.UNDER_WAY)
    assert due(under_way, accept_by_itself=True) == Due()
    assert due(replace(under_way, back={"L1": 1}), accept_by_itself=True) == Due()
    assert due(replace(under_way, back={"L1": 2}), accept_by_itself=True) == Due(answer="receive")
    assert due(replace(under_way, back={"L1": 2}, answering="receive"), accept_by_itself=True) == Due()


@pytest.mark.parametrize(
    "stage", [ReturnStage.REFUSED, ReturnStage.RECEIVED, ReturnStage.CLOSED, ReturnStage.CANCELLED]
)
def test_nothing_is_due_in_other_stages(stage: ReturnStage) -> None:
    assert due(replace(OPENED, stage=stage, back={"L1": 2}), accept_by_itself=True) == Due()


def test_a_return_of_nothing_is_never_complete() -> None:
    assert not covers({"L1": 1}, {})
