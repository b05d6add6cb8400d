"""Creating and cancelling orders against the simulated shop, with each fault, and what answers mean."""

from __future__ import annotations

from collections.abc import Callable
from email.utils import format_datetime
from typing import Any

import pytest

from connector_generic_shop.connector import GenericShop
from connector_generic_shop.sandbox.simulator import GenericShopSimulator
from connector_kit.capabilities import TakesShopOrders, Verifies
from connector_kit.http import Ambiguous, Answer, BadAnswer, NotSent
from connector_kit.outcome import Outcome, OutcomeState, ProbeState
from connector_kit.requests import CancelShopOrder, CreateShopOrder
from connector_kit.simulator import FaultRule

from .asgi_caller import AsgiCaller, CannedCaller
from .conftest import OLD_SECRET, SECRET, StillClock

Connect = Callable[..., GenericShop]
MakeOrder = Callable[..., CreateShopOrder]
MakeCancel = Callable[..., CancelShopOrder]


def strike(simulator: GenericShopSimulator, fault: str, times: int | None = 1) -> None:
    simulator.faults.set([FaultRule(fault=fault, times=times)])


def kinds(simulator: GenericShopSimulator) -> list[tuple[str, str]]:
    return [(entry.kind, entry.reference) for entry in simulator.record.entries]


async def create(shop: GenericShop, request: CreateShopOrder) -> Outcome:
    (outcome,) = await shop.create_order([request])
    return outcome


async def canned(connect: Connect, request: CreateShopOrder, status: int, body: bytes = b"", **headers: str) -> Outcome:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await create(connect(CannedCaller(Answer(status, names, body))), request)


def test_the_shop_implements_its_protocols(connect: Connect) -> None:
    assert isinstance(connect(), TakesShopOrders)
    assert isinstance(connect(), Verifies)


async def test_an_order_is_created_once_under_its_route(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator
) -> None:
    outcome = await create(connect(), order())
    assert outcome.state is OutcomeState.DONE
    assert outcome.answer["shop_order_reference"] == "BLUE-000001"
    assert kinds(simulator) == [("create_order", str(order().route_id))]
    assert simulator.record.entries[0].detail["total_price"] == "44.70 EUR"


async def test_repeats_carry_the_same_id_a_new_timestamp_and_end_as_one_order(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, clock: StillClock
) -> None:
    caller = AsgiCaller(simulator.app)
    shop = connect(caller)
    first = await create(shop, order())
    clock.advance(3_600)
    second = await create(shop, order())
    ids = {call.headers["webhook-id"] for call in caller.calls}
    assert ids == {f"order_{order().route_id}"}
    assert len({call.headers["webhook-timestamp"] for call in caller.calls}) == 2
    assert first.answer["shop_order_reference"] == second.answer["shop_order_reference"]
    assert len(kinds(simulator)) == 1


async def test_outcomes_come_in_the_order_of_requests(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator
) -> None:
    strike(simulator, "reject_4xx")
    outcomes = await connect().create_order([order(1), order(2), order(3)])
    assert [outcome.state for outcome in outcomes] == [OutcomeState.REJECTED, OutcomeState.DONE, OutcomeState.DONE]
    assert [reference for _, reference in kinds(simulator)] == [str(order(2).route_id), str(order(3).route_id)]


@pytest.mark.parametrize(
    ("fault", "applied"),
    [
        ("error_500_before_effect", False),
        ("error_500_after_effect", True),
        ("timeout_before_effect", False),
        ("timeout_after_effect", True),
    ],
)
async def test_unclear_answers_are_sent_again_and_never_create_twice(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, fault: str, applied: bool
) -> None:
    strike(simulator, fault)
    timeout = 0.3 if fault.startswith("timeout") else 30
    shop = connect(AsgiCaller(simulator.app, timeout))
    first = await create(shop, order())
    assert first.state is OutcomeState.RETRY
    assert len(kinds(simulator)) == int(applied)
    probed = await shop.probe_create_order(order())
    assert probed.state is ProbeState.NOT_APPLIED
    assert f"order_{order().route_id}" in probed.evidence
    assert (await create(connect(), order())).state is OutcomeState.DONE
    assert kinds(simulator) == [("create_order", str(order().route_id))]


@pytest.mark.parametrize(
    ("fault", "state", "after", "words"),
    [
        ("redirect", OutcomeState.RETRY, 900, "redirects, which is never followed"),
        ("unauthorized_401", OutcomeState.RETRY, 900, "webhook_secret needs attention"),
        ("gone_410", OutcomeState.REJECTED, None, "endpoint asks to be switched off"),
        ("rate_limit", OutcomeState.RETRY, 7, "429"),
        ("unavailable_503", OutcomeState.RETRY, 30, "503"),
        ("reject_4xx", OutcomeState.REJECTED, None, "order refused by shop rule"),
    ],
)
async def test_refusals(
    connect: Connect,
    order: MakeOrder,
    simulator: GenericShopSimulator,
    fault: str,
    state: OutcomeState,
    after: float | None,
    words: str,
) -> None:
    strike(simulator, fault)
    outcome = await create(connect(), order())
    assert (outcome.state, outcome.retry_after) == (state, after)
    assert words in outcome.reason
    assert kinds(simulator) == []


async def test_a_refusal_that_quotes_the_order_gives_a_reason_without_the_buyer(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator
) -> None:
    strike(simulator, "reject_4xx")
    reason = (await create(connect(), order())).reason
    for value in ("Quxmann", "Zoé", "Zo\\u00e9", "zoe@example.invalid", "Nulleville", "Inventée", "+33000000001"):
        assert value not in reason
    assert len(reason) <= 2_048


@pytest.mark.parametrize("fault", ["slow_ack", "plain_answer"])
async def test_odd_but_accepting_answers_are_done(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator, fault: str
) -> None:
    strike(simulator, fault)
    assert (await create(connect(), order())).state is OutcomeState.DONE
    assert len(kinds(simulator)) == 1


async def test_a_web_page_proves_nothing_and_the_repeat_is_harmless(
    connect: Connect, order: MakeOrder, simulator: GenericShopSimulator
) -> None:
    simulator.faults.set([FaultRule(fault="html_answer", operation="create_order", times=1)])
    shop = connect()
    first, second = await create(shop, order()), await create(shop, order())
    assert (first.state, second.state) == (OutcomeState.RETRY, OutcomeState.DONE)
    assert len(kinds(simulator)) == 1


@pytest.mark.parametrize(
    "body", [b"", b"OK", b"<p>", b"[" * 200_000, b'{"shop_order_reference": 1e999}', b"\xff", b"9" * 5000]
)
async def test_a_2xx_is_done_whatever_its_body(connect: Connect, order: MakeOrder, body: bytes) -> None:
    outcome = await canned(connect, order(), 204, body)
    assert outcome.state is OutcomeState.DONE
    assert "shop_order_reference" not in outcome.answer


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (200, OutcomeState.DONE),
        (202, OutcomeState.DONE),
        (301, OutcomeState.RETRY),
        (304, OutcomeState.RETRY),
        (308, OutcomeState.RETRY),
        (400, OutcomeState.REJECTED),
        (403, OutcomeState.RETRY),
        (404, OutcomeState.REJECTED),
        (408, OutcomeState.RETRY),
        (409, OutcomeState.REJECTED),
        (425, OutcomeState.RETRY),
        (429, OutcomeState.RETRY),
        (500, OutcomeState.RETRY),
        (502, OutcomeState.RETRY),
        (504, OutcomeState.RETRY),
        (599, OutcomeState.RETRY),
    ],
)
async def test_every_status_has_its_meaning(
    connect: Connect, order: MakeOrder, status: int, state: OutcomeState
) -> None:
    outcome = await canned(connect, order(), status)
    assert outcome.state is state
    assert state is OutcomeState.DONE or outcome.reason


@pytest.mark.parametrize(
    ("header", "body", "seconds"),
    [
        ("12", b"", 12),
        (" 0 ", b"", 0),
        ("99999999999999999999", b"", 86_400),
        ("²", b"", None),
        ("-5", b"", None),
        ("soon", b"", None),
        ("", b'{"retry_after": 30}', 30),
        ("", b'{"retry_after": -30}', None),
        ("", b'{"retry_after": 1e400}', None),
        ("", b'{"retry_after": ' + b"9" * 400 + b"}", 86_400),
        ("", b'{"retry_after": true}', None),
        ("", b"[1]", None),
        ("", b"[" * 200_000, None),
    ],
)
async def test_retry_after_is_honoured_and_never_trusted(
    connect: Connect, order: MakeOrder, header: str, body: bytes, seconds: float | None
) -> None:
    outcome = await canned(connect, order(), 429, body, **({"retry_after": header} if header else {}))
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, seconds)


@pytest.mark.parametrize(("offset", "seconds"), [(90, 90), (-90, 0), (10**7, 86_400)])
async def test_retry_after_as_a_date(
    connect: Connect, order: MakeOrder, clock: StillClock, offset: int, seconds: float
) -> None:
    start = clock.now()
    clock.advance(offset)
    date = format_datetime(clock.now(), usegmt=True)
    clock.present = start
    assert (await canned(connect, order(), 503, retry_after=date)).retry_after == seconds


@pytest.mark.parametrize(
    ("error", "after"),
    [(NotSent("refused", 3), 3), (Ambiguous("time-out"), None), (BadAnswer("too large"), None)],
)
async def test_calls_without_an_answer_are_retried(
    connect: Connect, order: MakeOrder, cancellation: MakeCancel, error: Any, after: float | None
) -> None:
    shop = connect(CannedCaller(error))
    (cancelled,) = await shop.cancel_order([cancellation()])
    for outcome in (await create(shop, order()), cancelled):
        assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, after)
        assert str(error) in outcome.reason


async def test_the_call_is_the_absolute_address_with_the_signed_bytes(connect: Connect, order: MakeOrder) -> None:
    caller = CannedCaller(Answer(200, {}, b""))
    await create(connect(caller), order())
    (call,) = caller.calls
    assert (call.operation, call.method) == ("create_order", "POST")
    assert call.path == "https://shop.example.invalid/shops/blue/webhook"
    assert call.content
    assert call.json is None
    assert call.headers["content-type"] == "application/json"


@pytest.mark.parametrize("settings", [{"delivery": "pull"}, {"webhook_url": None}, {"webhook_url": " "}])
async def test_a_shop_that_pulls_is_not_called(
    connect: Connect, order: MakeOrder, cancellation: MakeCancel, settings: dict[str, Any]
) -> None:
    caller = CannedCaller(NotSent("must not be called"))
    shop = connect(caller, **settings)
    assert (await create(shop, order())).answer == {"delivery": "pull"}
    assert [o.answer for o in await shop.cancel_order([cancellation()])] == [{"delivery": "pull"}]
    assert (await shop.probe_create_order(order())).state is ProbeState.APPLIED
    assert (await shop.probe_cancel_order(cancellation())).state is ProbeState.APPLIED
    assert (await shop.verify()).ok
    assert caller.calls == []


@pytest.mark.parametrize("setting", [False, "false"])
async def test_personal_data_is_withheld_when_switched_off(connect: Connect, order: MakeOrder, setting: Any) -> None:
    caller = CannedCaller(Answer(200, {}, b""))
    await create(connect(caller, send_personal_data=setting), order())
    assert b"Quxmann" not in (caller.calls[0].content or b"")


async def test_cancelling(
    connect: Connect, order: MakeOrder, cancellation: MakeCancel, simulator: GenericShopSimulator
) -> None:
    shop = connect()
    await create(shop, order())
    for _ in range(2):
        (outcome,) = await shop.cancel_order([cancellation()])
        assert outcome.state is OutcomeState.DONE
    assert [kind for kind, _ in kinds(simulator)] == ["create_order", "cancel_order"]
    assert simulator.state()["orders"][0]["state"] == "cancelled"
    assert (await shop.probe_cancel_order(cancellation())).state is ProbeState.NOT_APPLIED


async def test_a_cancellation_that_overtakes_its_order_stops_it(
    connect: Connect, order: MakeOrder, cancellation: MakeCancel, simulator: GenericShopSimulator
) -> None:
    shop = connect()
    await shop.cancel_order([cancellation()])
    await create(shop, order())
    assert simulator.state()["orders"][0]["state"] == "cancelled"


async def test_rotation_reaches_a_shop_that_knows_only_the_old_secret(connect: Connect, order: MakeOrder) -> None:
    assert (await create(connect(secrets=(OLD_SECRET, SECRET)), order())).state is OutcomeState.DONE
    assert (await create(connect(secrets=(OLD_SECRET,)), order())).state is OutcomeState.RETRY


@pytest.mark.parametrize("secrets", [(), ("canary",), ("whsec_canary!",), (SECRET, "canary")])
async def test_unusable_secrets_wait_for_attention_and_are_never_shown(
    connect: Connect, order: MakeOrder, secrets: tuple[str, ...]
) -> None:
    shop = connect(secrets=secrets)
    outcome = await create(shop, order())
    assert (outcome.state, outcome.retry_after) == (OutcomeState.RETRY, 900)
    verified = await shop.verify()
    assert not verified.ok
    assert "webhook_secret" in outcome.reason
    assert "canary" not in outcome.reason + verified.detail + repr(shop.__dict__)


async def test_secrets_are_in_no_text(connect: Connect, order: MakeOrder) -> None:
    leaks = f"debug page: {SECRET}".encode()
    outcome = await canned(connect, order(), 400, leaks)
    assert SECRET.removeprefix("whsec_") not in repr(outcome)
    shop = connect()
    assert SECRET.removeprefix("whsec_") not in repr(vars(shop))


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ("unauthorized_401", "webhook_secret"),
        ("gone_410", "switched off"),
        ("redirect", "final address"),
        ("reject_4xx", "HTTP 422"),
        ("error_500_before_effect", "HTTP 500"),
    ],
)
async def test_verify_tells_what_is_wrong(
    connect: Connect, simulator: GenericShopSimulator, fault: str, words: str
) -> None:
    strike(simulator, fault)
    verified = await connect().verify()
    assert not verified.ok
    assert words in verified.detail


async def test_verify_proves_address_and_secret_and_changes_nothing(
    connect: Connect, simulator: GenericShopSimulator
) -> None:
    assert (await connect().verify()).ok
    assert not (await connect(secrets=(OLD_SECRET,)).verify()).ok
    assert not (await connect(CannedCaller(NotSent("no such host"))).verify()).ok
    assert kinds(simulator) == []
    assert simulator.state()["orders"] == []
