"""Reading a buyer's data for one order, and putting a delivery address right: operators only, who and why kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends
from pydantic import BaseModel, ConfigDict, Field, model_validator

from hub_common.web import FieldError, Operator, Problem, Role, operator
from shop_gateway.correcting import lock_order, put_right, unknown
from shop_gateway.corrections import WHOLE, corrections_of

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

CanAct = Annotated[Operator, Depends(operator(Role.OPERATOR))]
Text = Annotated[str | None, Field(max_length=200)]


class Correction(BaseModel):
    """Fields of the delivery address that are otherwise than the marketplace gave them; null empties a field.

    Fields that are not named stay as they are.
    """

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)
    first_name: Text = None
    last_name: Text = None
    company: Text = None
    street_1: Text = None
    street_2: Text = None
    street_3: Text = None
    postal_code: Text = None
    city: Text = None
    region: Text = None
    country_code: Annotated[str | None, Field(pattern="^[A-Z]{2}$")] = None
    phone: Text = None
    email: Text = None
    instructions: Text = None

    @model_validator(mode="after")
    def _something(self) -> Correction:
        if not self.model_fields_set:
            raise ValueError("name at least one field")
        return self


class CorrectionBody(BaseModel):
    """A correction and why it is made."""

    model_config = ConfigDict(extra="forbid")
    shipping: Correction
    reason: str = Field(min_length=3, max_length=500)


def correction_router(runtime: Runtime) -> APIRouter:
    """Routes below `/v1/orders`."""
    router = APIRouter(prefix="/v1/orders", tags=["customers"])

    @router.get("/{order_id}/customer")
    async def customer(order_id: UUID, who: CanAct) -> dict[str, Any]:
        """The buyer as the marketplace gave him, and every correction. Personal data: operators only."""
        row = await runtime.pool.fetchrow("SELECT * FROM customers WHERE order_id = $1", order_id)
        corrections = await corrections_of(runtime.pool, order_id)
        if row is None and not corrections and not await _known(runtime, order_id):
            raise unknown(order_id)
        runtime.log.info("customer_shown", order_id=str(order_id), login=who.login)
        return {
            "order_id": order_id,
            "original": orjson.loads(row["body"]) if row and row["body"] else None,
            "recorded_at": row["recorded_at"] if row else None,
            "erased_at": row["erased_at"] if row else None,
            "corrections": [
                dict(each) | {"shipping": orjson.loads(each["shipping"]) if each["shipping"] else None}
                for each in corrections
            ],
        }

    @router.post("/{order_id}/customer-correction")
    async def correct(order_id: UUID, body: CorrectionBody, who: CanAct) -> dict[str, Any]:
        """Keep a correction, use it from the next call to the shop on, and let go on what waited for an address.

        It is told as `shipping_address.corrected.v1`. One that is in force already is not kept or told again.
        """
        given = body.shipping.model_dump(exclude_unset=True)
        async with runtime.transactions.begin() as tx:
            order = await lock_order(tx, order_id)
            _check(order.original, given)
            done = await put_right(tx, order, given, who.login, body.reason)
        if not done.repeated:
            runtime.log.info("customer_corrected", order_id=str(order_id), login=who.login, fields=sorted(given))
        return {
            "order_id": order_id,
            "version": done.version,
            "repeated": done.repeated,
            "corrected_by": done.actor,
            "fields": sorted(given),
            "routes": [{"route_id": each.route_id, "state": each.state} for each in done.orders],
        }

    return router


def _check(original: Mapping[str, Any], given: Mapping[str, str | None]) -> None:
    """Raises `Problem` 422 when nobody could deliver to the address as it would be."""
    after = {**original, **given}
    missing = [name for name in WHOLE if not after.get(name)]
    if not after.get("last_name") and not after.get("company"):
        missing.insert(0, "last_name")
    if missing:
        errors = [FieldError(f"#/shipping/{name}", "is needed for delivery") for name in missing]
        detail = f"The corrected address would lack {', '.join(missing)}."
        raise Problem("address-incomplete", "The address is incomplete", 422, detail, errors=errors)


async def _known(runtime: Runtime, order_id: UUID) -> bool:
    return bool(await runtime.pool.fetchval("SELECT true FROM shop_orders WHERE order_id = $1 LIMIT 1", order_id))
