"""Price and stock: partial update (PATCH v2), create or replace (PUT v1), unfreeze, and the read-back list."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from connector_manomano.sandbox.gate import Gate, answer, gateway, read_json, refused
from connector_manomano.sandbox.render import write_offer
from connector_manomano.sandbox.world import DONE, Result, SimOffer, World

PUT_MAX = 20
"""Observed live: more offers give HTTP 400, code ERR_1405."""
READ = "/api/v1/offer-information/offers"


def _is_price(value: Any) -> bool:
    return isinstance(value, int | Decimal) and not isinstance(value, bool) and value > 0


def _is_stock(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def patch_offer(world: World, contract: int, item: Any) -> Result:
    """Partial update of one offer that exists already; sent values are frozen from then on."""
    if not isinstance(item, dict) or not isinstance(item.get("sku"), str):
        return Result(400, "INVALID_ITEM", "sku is required")
    price, stock = item.get("price"), item.get("stock")
    new_price = price.get("price_vat_included") if isinstance(price, dict) else None
    new_stock = stock.get("quantity") if isinstance(stock, dict) else None
    if (price is not None and not _is_price(new_price)) or (stock is not None and not _is_stock(new_stock)):
        return Result(400, "INVALID_ITEM", "price and quantity must be numbers, not texts")
    if price is None and stock is None:
        return Result(400, "INVALID_ITEM", "price or stock is required")
    offer = world.offers.get((contract, item["sku"]))
    if offer is None:
        return Result(404, "OFFER_NOT_FOUND", "offer not found")
    if new_stock is not None:
        offer.stock, offer.frozen_stock = new_stock, True
        world.record.add("stock", offer.sku, contract=contract, quantity=new_stock)
    if new_price is not None:
        offer.price, offer.frozen_price = Decimal(new_price), True
        world.record.add("price", offer.sku, contract=contract, price=format(offer.price, "f"))
    return DONE


def _object(item: Any, name: str) -> dict[str, Any]:
    given = item.get(name) if isinstance(item, dict) else None
    return given if isinstance(given, dict) else {}


def _put_errors(world: World, contract: int, item: dict[str, Any]) -> list[str]:
    """Why an offer is refused; the codes beside eco participation and content are this simulator's own words."""
    settings, pricing = world.settings, _object(item, "pricing")
    price, retail = pricing.get("price_vat_included"), pricing.get("retail_price_vat_included")
    errors: list[str] = []
    if not _is_price(price) or not _is_stock(item.get("stock")):
        errors.append("INVALID_OFFER")
    elif retail is not None and (not _is_price(retail) or retail <= price):
        errors.append("INVALID_RETAIL_PRICE")
    for entry in _object(item, "shipping").get("carrier_grid") or []:
        if not entry["shipping_time_min"] < entry["shipping_time_max"]:
            errors.append("INVALID_SHIPPING_TIME")
        if entry.get("name") not in settings.carrier_grids:
            errors.append("INVALID_CARRIER_GRID")
    place = pricing if settings.eco_participation_place == "pricing" else item
    if settings.contracts[contract] == "FR" and "eco_participation" not in place:
        errors.append("INVALID_ECO_PARTICIPATION")
    if item.get("sku") in settings.unapproved_skus:
        errors.append("NO_CONTENT_APPROVED")
    return errors


def _put_offer(world: World, contract: int, item: Any) -> dict[str, Any]:
    """Create or replace one offer whole; the rejects are inside of the 2xx."""
    sku = str(item.get("sku")) if isinstance(item, dict) else ""
    errors = _put_errors(world, contract, item) if isinstance(item, dict) else ["INVALID_OFFER"]
    if errors:
        response = {"status": 400, "reason_phrase": "Bad Request"}
        return {"sku": sku, "response": response, "errors": errors, "warnings": []}
    pricing = item["pricing"]
    offer = SimOffer(sku, Decimal(pricing["price_vat_included"]), item["stock"], stated=item)
    offer.retail_price = pricing.get("retail_price_vat_included")
    world.offers[contract, sku] = offer
    world.record.add("publish_offer", sku, contract=contract, price=format(offer.price, "f"), quantity=offer.stock)
    return {"sku": sku, "response": {"status": 200, "reason_phrase": "OK"}, "errors": [], "warnings": []}


async def _patch(gate: Gate, request: Request) -> Response:
    body = await read_json(request)
    content = body.get("content") if isinstance(body, dict) else None
    if not isinstance(content, list) or not content:
        return refused(400, "INVALID_BODY", "content must be a non-empty array")
    for entry in content:
        contract = entry.get("seller_contract_id") if isinstance(entry, dict) else None
        if isinstance(contract, bool) or not isinstance(contract, int) or not isinstance(entry.get("items"), list):
            return refused(400, "INVALID_BODY", "entries need an integer seller_contract_id and items")
        if contract not in gate.world.settings.contracts:
            return gateway(403, "You cannot consume this service")
    missing = gate.faults.strikes("missing_item_207", "set_offers")
    answered: list[dict[str, Any]] = []
    good = True
    for entry in content:
        contract = entry["seller_contract_id"]
        results = [(item, patch_offer(gate.world, contract, item)) for item in entry["items"]]
        good = good and all(result.good for _, result in results)
        items = [{"sku": _sku(item), "result": result.body()} for item, result in results]
        answered.append({"seller_contract_id": contract, "items": items[1 if missing else 0 :]})
    plain = answer(200, {"request_id": f"req-{len(gate.world.record.entries)}"})
    return await gate.leave("set_offers", plain if good and not missing else answer(207, {"content": answered}))


def _sku(item: Any) -> Any:
    return item.get("sku") if isinstance(item, Mapping) else None


def _read(gate: Gate, request: Request, contract: int) -> Response:
    query = request.query_params
    page, limit = query.get("page", "1"), query.get("limit", "50")
    if not page.isdecimal() or not limit.isdecimal() or int(page) < 1 or not 1 <= int(limit) <= 1000:
        return refused(400, "INVALID_PARAMETER", "page and limit must be numbers")
    skus, online = query.get("skus"), query.get("offer_online", "true")
    offers = [offer for (owner, _), offer in sorted(gate.world.offers.items()) if owner == contract]
    # Without the filter only what is online comes back, which is why one known client asks twice.
    offers = [offer for offer in offers if (offer.stock > 0) == (online == "true")]
    offers = [offer for offer in offers if skus is None or offer.sku in skus.split(",")]
    start = (int(page) - 1) * int(limit)
    pages = max(1, -(-len(offers) // int(limit)))
    content = [write_offer(offer) for offer in offers[start : start + int(limit)]]
    pagination = {"items": len(offers), "limit": int(limit), "page": int(page), "pages": pages}
    return answer(200, {"content": content, "pagination": pagination})


async def _unfreeze(gate: Gate, request: Request) -> Response:
    body = await read_json(request)
    if not isinstance(body, dict) or body.get("seller_contract_id") not in gate.world.settings.contracts:
        return refused(400, "INVALID_BODY", "seller_contract_id, skus and fields are required")
    for sku in body.get("skus", []):
        offer = gate.world.offers.get((body["seller_contract_id"], sku))
        if offer is not None:
            offer.frozen_price = offer.frozen_price and "PRICE" not in body.get("fields", [])
            offer.frozen_stock = offer.frozen_stock and "STOCK" not in body.get("fields", [])
            gate.world.record.add("release_offer", sku, contract=body["seller_contract_id"], fields=body.get("fields"))
    return await gate.leave("unfreeze", answer(200, {"request_id": "unfreeze"}))


async def _put(gate: Gate, request: Request, contract: int) -> Response:
    items = await read_json(request)
    if not isinstance(items, list) or not items:
        return refused(400, "INVALID_BODY", "the body must be a non-empty array")
    if len(items) > PUT_MAX:
        return refused(400, "ERR_1405", f"at most {PUT_MAX} offers per request")
    content = [_put_offer(gate.world, contract, item) for item in items]
    if gate.faults.strikes("missing_item_207", "put_offers"):
        content = content[1:]
    return await gate.leave("put_offers", answer(200, {"content": content}))


def offer_routes(gate: Gate) -> APIRouter:
    """The offer calls."""
    router = APIRouter()

    @router.patch("/api/v2/offer-information/offers")
    async def set_offers(request: Request) -> Response:
        return gate.enter(request, "set_offers") or await _patch(gate, request)

    @router.patch("/api/v1/offer-information/offers-unfreeze")
    async def unfreeze(request: Request) -> Response:
        return gate.enter(request, "unfreeze") or await _unfreeze(gate, request)

    @router.put("/api/v1/offers")
    async def put_offers(request: Request) -> Response:
        stop = gate.enter(request, "put_offers")
        if stop is not None:
            return stop
        contract = gate.contract(request)
        return contract if isinstance(contract, Response) else await _put(gate, request, contract)

    @router.get(READ)
    async def read_offers(request: Request) -> Response:
        stop = gate.enter(request, "read_offers")
        if stop is not None:
            return stop
        contract = gate.contract(request)
        return contract if isinstance(contract, Response) else _read(gate, request, contract)

    return router
