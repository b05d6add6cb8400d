"""The toy connector with one mistake each: the mistakes that lose orders, do things twice or leak keys."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import MappedOrder, MarketplaceCarrier, OrderWindow, RawOrder, Verification
from connector_kit.http import Ambiguous, Answer, BadAnswer, CallError, Lane
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import AnswerOrder, ShipParcel
from hub_contracts.status import OrderStatus

from .toy import MANIFEST, Toy

log = logging.getLogger("wrong_toy")


class CountsMixedAnswerAsSuccess(Toy):
    def item(self, answer: Answer, reference: str) -> Outcome:
        return Outcome.done()


class MissingItemIsDone(Toy):
    def item(self, answer: Answer, reference: str) -> Outcome:
        outcome = super().item(answer, reference)
        return Outcome.done() if outcome.reason == "not in the answer" else outcome


class ShufflesOutcomes(Toy):
    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        outcomes = list(await super().accept(requests))
        return outcomes[1:] + outcomes[:1]


class DropsAnOutcome(Toy):
    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        return (await super().accept(requests))[1:]


class ResendsAfterTimeout(Toy):
    async def call(self, operation: str, method: str, path: str, body: Any = None, **params: str) -> Answer:
        try:
            return await super().call(operation, method, path, body, **params)
        except Ambiguous:
            return await super().call(operation, method, path, body, **params)


class DoubtIsFailure(Toy):
    def no_answer(self, reason: str) -> Outcome:
        return Outcome.retry(reason)


class DoubtIsSuccess(Toy):
    def no_answer(self, reason: str) -> Outcome:
        return Outcome.done()


class ServerErrorIsRefusal(Toy):
    def refusal(self, answer: Answer) -> Outcome | None:
        return Outcome.rejected("HTTP 500") if answer.status >= 500 else super().refusal(answer)


class AnyTwoHundredIsDone(Toy):
    async def one_parcel(self, request: ShipParcel) -> Outcome:
        outcome = await super().one_parcel(request)
        return Outcome.done() if outcome.reason == "HTTP 200" else outcome


class RepeatIsRefusal(Toy):
    def item(self, answer: Answer, reference: str) -> Outcome:
        outcome = super().item(answer, reference)
        return Outcome.rejected("wrong state") if outcome.reason == "wrong state" else outcome


class KeyRefusedIsOrderRefused(Toy):
    def refusal(self, answer: Answer) -> Outcome | None:
        return Outcome.rejected("refused") if answer.status in (401, 403) else super().refusal(answer)


class ForgetsRetryAfter(Toy):
    def refusal(self, answer: Answer) -> Outcome | None:
        return Outcome.retry("too many calls") if answer.status == 429 else super().refusal(answer)


class LosesTheLastPage(Toy):
    def more(self, body: Mapping[str, Any]) -> bool:
        return super().more(body) and int(body["next"]) < 12


class ErrorIsTheEnd(Toy):
    async def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        try:
            async for page in super().list_orders(window):
                yield page
        except CallError:
            return


class UnreadableIsUnknown(Toy):
    async def read_order(self, reference: str) -> RawOrder | None:
        try:
            return await super().read_order(reference)
        except BadAnswer:
            return None


class LogsTheKey(Toy):
    async def call(self, operation: str, method: str, path: str, body: Any = None, **params: str) -> Answer:
        log.debug("calling with %s", self.context.credentials["token"].get_secret_value())
        return await super().call(operation, method, path, body, **params)


class KeyInTheRepr(Toy):
    def __repr__(self) -> str:
        return f"Toy({self.context.credentials['token'].get_secret_value()})"


class RepeatsTheAnswer(Toy):
    def refusal(self, answer: Answer) -> Outcome | None:
        return Outcome.rejected(answer.body.decode()) if answer.status == 400 else super().refusal(answer)


class KeyInTheError(Toy):
    def parsed(self, answer: Answer) -> dict[str, Any]:
        if answer.status == 401:
            raise BadAnswer(f"refused: {answer.body.decode()}")
        return super().parsed(answer)


class FloatMoney(Toy):
    def amount(self, order: Mapping[str, Any], field: str) -> Decimal:
        return Decimal(float(super().amount(order, field)))


class TextIsNoAmount(Toy):
    def amount(self, order: Mapping[str, Any], field: str) -> Decimal:
        value = order.get(field)
        return Decimal(0) if isinstance(value, str) else super().amount(order, field)


class NullIsZero(Toy):
    def amount(self, order: Mapping[str, Any], field: str) -> Decimal:
        return Decimal(0) if order.get(field) is None else super().amount(order, field)

    def map_order(self, raw: RawOrder) -> MappedOrder:
        mapped = super().map_order(raw)
        return MappedOrder(mapped.snapshot.model_copy(update={"data_alerts": ()}), None)


class GuessesTheStatus(Toy):
    def status(self, word: str) -> OrderStatus:
        return MANIFEST.status_map.get(word, OrderStatus.PENDING)


class CrashesOnNull(Toy):
    def map_order(self, raw: RawOrder) -> MappedOrder:
        _ = self.loaded(raw.body)["address"]["country"]
        return super().map_order(raw)


class CrashesOnOddBytes(Toy):
    def loaded(self, body: bytes) -> Any:
        return Answer(200, {}, body).json()


class ForgetsTheOffset(Toy):
    def instant(self, order: Mapping[str, Any], field: str) -> datetime:
        super().instant(order, field)
        return datetime.fromisoformat(self.text(order, field)).replace(tzinfo=UTC)


class ProbeGuesses(Toy):
    async def seen(self, kind: str, request: AnswerOrder) -> ProbeResult:
        try:
            return await super().seen(kind, request)
        except CallError:
            return ProbeResult(ProbeState.NOT_APPLIED, "not seen")


class ProbeAlwaysSeesIt(Toy):
    async def seen(self, kind: str, request: AnswerOrder) -> ProbeResult:
        return ProbeResult(ProbeState.APPLIED, "surely")


class ProbeNeverSeesIt(Toy):
    async def seen(self, kind: str, request: AnswerOrder) -> ProbeResult:
        return ProbeResult(ProbeState.NOT_APPLIED, "never")


class SpendsUndeclaredCalls(Toy):
    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        await self.call("look_around", "GET", "/me")
        return await super().probe_ship(request)


class SpendsAnothersBudget(Toy):
    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        await self.call("read_order", "GET", f"/orders/{request.order_reference}")
        return await super().probe_ship(request)


class OneCallEach(Toy):
    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        return [(await super(OneCallEach, self).accept([request]))[0] for request in requests]


class Hurries(Toy):
    async def call(self, operation: str, method: str, path: str, body: Any = None, **params: str) -> Answer:
        held = self.context
        object.__setattr__(held, "lane", Lane.DEADLINE)
        return await super().call(operation, method, path, body, **params)


class VerifiesBlindly(Toy):
    async def verify(self) -> Verification:
        return Verification(True, "fine")


class VerifyRaises(Toy):
    async def verify(self) -> Verification:
        await self.read("verify", "/me")
        return Verification(True, "fine")


class DoesMoreThanDeclared(Toy):
    async def list_carriers(self) -> Sequence[MarketplaceCarrier]:
        return ()
