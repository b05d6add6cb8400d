"""A small connector that passes the suite. Its methods are cut so that each trap can be sprung by overriding one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from connector_kit.capabilities import (
    ConnectionContext,
    MappedOrder,
    MappingError,
    OrderWindow,
    RawOrder,
    SandboxOptions,
    Verification,
)
from connector_kit.http import Answer, BadAnswer, Call, CallError, NotSent
from connector_kit.manifest import (
    Budget,
    Capability,
    EffectPolicy,
    EnvironmentAddress,
    InputField,
    Manifest,
    OrderTraits,
)
from connector_kit.outcome import Outcome, ProbeResult, ProbeState
from connector_kit.requests import AnswerOrder, SetStock, ShipParcel
from hub_contracts.base import Money
from hub_contracts.connections import ConnectionKind
from hub_contracts.ids import order_id_for
from hub_contracts.orders import Environment, OrderLine, OrderSnapshot
from hub_contracts.status import OrderStatus

from .toy_outside import ToySimulator

TOKEN = "canary-3c1d-of-the-toy"
OWNERS = {
    "list_orders": "order-ingest",
    "read_order": "order-ingest",
    "accept": "order-acceptance",
    "refuse": "order-acceptance",
    "probe_accept": "order-acceptance",
    "ship": "shipment-notifier",
    "probe_ship": "shipment-notifier",
    "set_stock": "stock-sync",
    "read_stock": "stock-sync",
    "verify": "connection-registry",
}
MANIFEST = Manifest(
    name="toy",
    title="Toy",
    kind=ConnectionKind.MARKETPLACE,
    version="0",
    capabilities=frozenset({Capability.ORDERS, Capability.ACCEPT, Capability.SHIP, Capability.STOCK}),
    environments=(EnvironmentAddress(environment=Environment.SANDBOX),),
    auth_fields=(InputField(name="token", title="Token", kind="secret"),),
    status_map={
        "NEW": OrderStatus.PENDING,
        "TO_SHIP": OrderStatus.PREPARATION,
        "SENT": OrderStatus.SHIPPED,
        "REFUSED": OrderStatus.REFUSED,
    },
    orders=OrderTraits(),
    budgets=tuple(Budget(operation=name, calls=60, per_seconds=60, owner=owner) for name, owner in OWNERS.items()),
    effects=(
        EffectPolicy(operation="accept", batch_size=10),
        EffectPolicy(operation="refuse", batch_size=10),
        EffectPolicy(operation="ship"),
        EffectPolicy(operation="set_stock", batch_size=100),
    ),
)
AFTER = {"accept": ("TO_SHIP", "SENT"), "refuse": ("REFUSED",)}


class Toy:
    """One connection."""

    def __init__(self, context: ConnectionContext) -> None:
        self.context = context

    # The wire.

    async def call(self, operation: str, method: str, path: str, body: Any = None, **params: str) -> Answer:
        headers = {"x-token": self.context.credentials["token"].get_secret_value()}
        return await self.context.http.call(
            Call(
                operation,
                method,
                path,
                tuple(params.items()),
                headers,
                body,
                idempotent=method == "GET",
                lane=self.context.lane,
            )
        )

    async def read(self, operation: str, path: str, **params: str) -> Any:
        answer = await self.call(operation, "GET", path, **params)
        if answer.status == 404:
            return None
        return self.parsed(answer)

    def parsed(self, answer: Answer) -> dict[str, Any]:
        if answer.status != 200:
            raise BadAnswer(f"HTTP {answer.status}")
        body = answer.json()
        if not isinstance(body, dict):
            raise BadAnswer("not an object")
        return body

    # Reading.

    async def verify(self) -> Verification:
        try:
            await self.read("verify", "/me")
        except CallError as error:
            return Verification(False, str(error))
        return Verification(True, "the token is taken")

    async def list_orders(self, window: OrderWindow) -> AsyncIterator[Sequence[RawOrder]]:
        bounds = {"updated_from": window.updated_from, "created_from": window.created_from}
        params = {name: bound.isoformat() for name, bound in bounds.items() if bound is not None}
        while True:
            body = await self.page(params)
            if not isinstance(body.get("orders"), list):
                raise BadAnswer("no list of orders")
            yield [RawOrder(order["id"], json.dumps(order, default=str).encode()) for order in body["orders"]]
            if not self.more(body):
                return
            params["after"] = body["next"]

    async def page(self, params: dict[str, str]) -> dict[str, Any]:
        return self.parsed(await self.call("list_orders", "GET", "/orders", **params))

    def more(self, body: Mapping[str, Any]) -> bool:
        return body["next"] is not None

    async def read_order(self, reference: str) -> RawOrder | None:
        found = await self.read("read_order", f"/orders/{reference}")
        return None if found is None else RawOrder(reference, json.dumps(found, default=str).encode())

    def map_order(self, raw: RawOrder) -> MappedOrder:
        order = self.object(self.loaded(raw.body), "order")
        word = self.text(order, "status")
        lines = tuple(self.line(item, at) for at, item in enumerate(self.rows(order, "lines")))
        products = sum((line.line_price.amount for line in lines), Decimal(0))
        shipping, total = self.amount(order, "shipping"), self.amount(order, "total")
        if not lines:
            raise MappingError("lines", "must not be empty")
        snapshot = OrderSnapshot(
            order_id=order_id_for(self.context.connection_id, raw.reference),
            connection_id=self.context.connection_id,
            connector="toy",
            environment=self.context.environment,
            marketplace_reference=raw.reference,
            order_number=raw.reference,
            status=self.status(word),
            marketplace_status=word,
            currency="EUR",
            products_price=products,
            shipping_price=shipping,
            total_price=total,
            lines=tuple(line.model_copy(update={"status": self.status(word)}) for line in lines),
            missing_address_fields=() if isinstance(order.get("address"), dict) else ("address",),
            data_alerts=() if products + shipping == total else ("sums do not add up",),
            created_at=self.instant(order, "created"),
            marketplace_updated_at=self.instant(order, "updated"),
        )
        return MappedOrder(snapshot, None)

    def loaded(self, body: bytes) -> Any:
        try:
            return json.loads(body, parse_float=Decimal, parse_constant=str)
        except (ValueError, RecursionError):
            raise MappingError("body", "is not JSON") from None

    def status(self, word: str) -> OrderStatus:
        if word not in MANIFEST.status_map:
            raise MappingError("status", f"{word!r} is unknown", "status_unknown")
        return MANIFEST.status_map[word]

    def line(self, item: Any, at: int) -> OrderLine:
        line = self.object(item, f"lines[{at}]")
        units = line.get("units")
        if isinstance(units, bool) or not isinstance(units, int) or units < 1:
            raise MappingError(f"lines[{at}].units", "must be a whole number above 0")
        price = self.amount(line, "price")
        return OrderLine(
            line_id=self.text(line, "id"),
            offer_sku=self.text(line, "sku"),
            quantity=units,
            unit_price=Money(amount=price, currency="EUR"),
            line_price=Money(amount=price * units, currency="EUR"),
            shipping_price=Money(amount=Decimal(0), currency="EUR"),
            status=OrderStatus.PENDING,
            marketplace_status="",
        )

    def object(self, value: Any, field: str) -> dict[str, Any]:
        if not isinstance(value, dict):
            raise MappingError(field, "must be an object")
        return value

    def rows(self, order: Mapping[str, Any], field: str) -> Sequence[Any]:
        value = order.get(field)
        if not isinstance(value, list):
            raise MappingError(field, "must be a list")
        return value

    def text(self, order: Mapping[str, Any], field: str) -> str:
        value = order.get(field)
        if not isinstance(value, str) or not value or "\x00" in value:
            raise MappingError(field, "must be a text")
        return value

    def amount(self, order: Mapping[str, Any], field: str) -> Decimal:
        value = order.get(field)
        try:
            exact = Decimal(str(value))
        except ArithmeticError:
            raise MappingError(field, "must be an amount") from None
        if isinstance(value, bool) or not exact.is_finite() or exact.adjusted() > 12:
            raise MappingError(field, "must be an amount")
        return exact

    def instant(self, order: Mapping[str, Any], field: str) -> datetime:
        try:
            return datetime.fromisoformat(self.text(order, field)).astimezone(UTC)
        except ValueError:
            raise MappingError(field, "must be an instant") from None

    # Effects.

    async def send(self, operation: str, method: str, path: str, body: Any) -> Answer | Outcome:
        try:
            answer = await self.call(operation, method, path, body)
        except NotSent as error:
            return Outcome.retry("not sent", after=error.retry_after)
        except CallError as error:
            return self.no_answer(str(error))
        return self.refusal(answer) or answer

    def no_answer(self, reason: str) -> Outcome:
        return Outcome.unknown(reason)

    def refusal(self, answer: Answer) -> Outcome | None:
        if answer.status == 429:
            return Outcome.retry("too many calls", after=answer.retry_after)
        if answer.status in (401, 403):
            return Outcome.retry("the token is refused", after=900)
        if answer.status == 409:
            return Outcome.unknown("wrong state", retry_if_not_applied=False)
        if 400 <= answer.status < 500:
            return Outcome.rejected(f"HTTP {answer.status}")
        return Outcome.unknown(f"HTTP {answer.status}") if answer.status >= 500 else None

    async def batch(self, operation: str, method: str, path: str, items: Mapping[str, Any]) -> list[Outcome]:
        answer = await self.send(operation, method, path, list(items.values()))
        if isinstance(answer, Outcome):
            return [answer for _ in items]
        return [self.item(answer, reference) for reference in items]

    def item(self, answer: Answer, reference: str) -> Outcome:
        try:
            told = answer.json()["results"]
            code = next(item["code"] for item in told if item["id"] == reference)
        except (BadAnswer, KeyError, TypeError, StopIteration):
            return Outcome.unknown("not in the answer")
        if code == 200:
            return Outcome.done(code=code)
        if code == 409:
            return Outcome.unknown("wrong state", retry_if_not_applied=False)
        return Outcome.rejected(f"item answered {code}") if code == 404 else Outcome.unknown(f"item answered {code}")

    async def accept(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        items = {request.order_reference: {"id": request.order_reference} for request in requests}
        return await self.batch("accept", "POST", "/orders/accept", items)

    async def refuse(self, requests: Sequence[AnswerOrder]) -> Sequence[Outcome]:
        items = {request.order_reference: {"id": request.order_reference} for request in requests}
        return await self.batch("refuse", "POST", "/orders/refuse", items)

    async def probe_accept(self, request: AnswerOrder) -> ProbeResult:
        return await self.seen("accept", request)

    async def probe_refuse(self, request: AnswerOrder) -> ProbeResult:
        return await self.seen("refuse", request)

    async def seen(self, kind: str, request: AnswerOrder) -> ProbeResult:
        order = await self.read("probe_accept", f"/orders/{request.order_reference}")
        if order is None:
            return ProbeResult(ProbeState.UNDECIDED, "the order is not shown")
        status = order.get("status")
        if status in AFTER[kind]:
            return ProbeResult(ProbeState.APPLIED, f"the order is {status}")
        return ProbeResult(ProbeState.NOT_APPLIED, f"the order is {status}")

    async def ship(self, requests: Sequence[ShipParcel]) -> Sequence[Outcome]:
        return [await self.one_parcel(request) for request in requests]

    async def one_parcel(self, request: ShipParcel) -> Outcome:
        body = {"number": request.tracking_number, "carrier": request.carrier_name}
        answer = await self.send("ship", "POST", f"/orders/{request.order_reference}/parcels", body)
        if isinstance(answer, Outcome):
            return answer
        return Outcome.done() if answer.status == 201 else Outcome.unknown(f"HTTP {answer.status}")

    async def probe_ship(self, request: ShipParcel) -> ProbeResult:
        order = await self.read("probe_ship", f"/orders/{request.order_reference}")
        if order is None:
            return ProbeResult(ProbeState.UNDECIDED, "the order is not shown")
        shown = request.tracking_number in order.get("parcels", ())
        return ProbeResult(ProbeState.APPLIED if shown else ProbeState.NOT_APPLIED, f"parcel shown: {shown}")

    async def set_stock(self, requests: Sequence[SetStock]) -> Sequence[Outcome]:
        items = {request.offer_sku: {"sku": request.offer_sku, "quantity": request.quantity} for request in requests}
        return await self.batch("set_stock", "PUT", "/stock", items)

    async def probe_stock(self, request: SetStock, answer: Mapping[str, Any]) -> ProbeResult:
        shown = await self.read("read_stock", f"/stock/{request.offer_sku}")
        same = shown is not None and shown.get("quantity") == request.quantity
        return ProbeResult(ProbeState.APPLIED if same else ProbeState.NOT_APPLIED, f"the offer shows {shown}")


class ToyFactory:
    """The toy connector, or one of its wrong variants."""

    def __init__(self, connection: type[Toy] = Toy, manifest: Manifest = MANIFEST) -> None:
        self.connection = connection
        self.manifest = manifest

    def connect(self, context: ConnectionContext) -> Toy:
        return self.connection(context)

    def build_sandbox(self, options: SandboxOptions) -> ToySimulator:
        return ToySimulator(options)
