"""OF21, OF24, OF01, OF02, OF03: reading offers, and the full replace that resets what is left out."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk, Problem, as_list, number, read_body, require
from connector_mirakl.sandbox.import_files import offers_report, read_offers_file
from connector_mirakl.sandbox.import_routes import read_form
from connector_mirakl.sandbox.render import money, wire_date
from connector_mirakl.sandbox.world import SimImport, SimOffer, SimPrice

Json = dict[str, Any]


def offer_routes(desk: Desk) -> APIRouter:
    """Routes for offers and their JSON import."""
    router = APIRouter()

    @router.get("/api/offers")
    async def offers(request: Request) -> Response:
        return await desk.serve(request, "read_offers", lambda: _offers(desk, request))

    @router.post("/api/offers")
    async def replace(request: Request) -> Response:
        body = await read_body(request)
        return await desk.serve(request, "publish_offer", lambda: _replace(desk, body))

    @router.post("/api/offers/imports")
    async def import_file(request: Request) -> Response:
        form = await read_form(request)
        return await desk.serve(request, "import_offers", lambda: _import_file(desk, form))

    @router.get("/api/offers/imports/{import_id}")
    async def status(import_id: str, request: Request) -> Response:
        return await desk.serve(request, "read_offer_import", lambda: _status(desk, import_id))

    @router.get("/api/offers/imports/{import_id}/error_report")
    async def report(import_id: str, request: Request) -> Response:
        return await desk.serve(request, "read_offer_report", lambda: _report(desk, import_id))

    return router


def _offers(desk: Desk, request: Request) -> Response:
    query = request.query_params
    maximum, offset = int(query.get("max", "10")), int(query.get("offset", "0"))
    require(1 <= maximum <= 100, "max must be between 1 and 100")
    sort = query.get("sort", "totalPrice")
    require(sort in ("totalPrice", "price", "productTitle"), "sort is unknown")
    rows = sorted(desk.world.offers.values(), key=lambda offer: (_lowest(offer), offer.id))
    if sort == "productTitle":
        rows.sort(key=lambda offer: offer.title)
    if "sku" in query:
        rows = [offer for offer in rows if offer.sku == query["sku"]]
    page = [_render(offer) for offer in rows[offset : offset + maximum]]
    return JSONResponse({"offers": page, "total_count": len(rows)})


def _lowest(offer: SimOffer) -> float:
    return money(min((price.price for price in offer.prices), default=number(0, "price")))


def _render(offer: SimOffer) -> Json:
    prices = [_price(price) for price in offer.prices]
    applicable = next((p for p in prices if not p["context"].get("channel_codes")), prices[0] if prices else None)
    reasons = [] if offer.quantity else ["ZERO_QUANTITY"]
    shown: Json = {
        "offer_id": offer.id,
        "shop_sku": offer.sku,
        "product_sku": offer.product_sku,
        "product_title": offer.title,
        "product_references": [{"reference": f"{offer.id:013d}", "reference_type": "EAN"}],
        "category_code": "DEMO",
        "category_label": "Demonstration",
        "quantity": offer.quantity,
        "price": applicable["price"] if applicable else None,
        "total_price": applicable["price"] if applicable else None,
        "currency_iso_code": "EUR",
        "state_code": offer.state_code,
        "active": not reasons,
        "inactivity_reasons": reasons,
        "all_prices": prices,
        "applicable_pricing": applicable,
        "channels": sorted({code for price in offer.prices for code in price.channels}),
        "leadtime_to_ship": int(offer.details.get("leadtime_to_ship") or 1),
        "fulfillment": {"center": {"code": "DEFAULT"}},
        "min_shipping_price": 5.9,
        "min_shipping_price_additional": 0,
        "min_shipping_type": "STD",
        "min_shipping_zone": "EU",
        "shipping_deadline": "2030-01-01T00:00:00Z",
        **_details(offer.details),
    }
    if offer.warehouses:
        shown["warehouses"] = [{"code": code, "quantity": count} for code, count in offer.warehouses.items()]
    return shown


def _details(details: Json) -> Json:
    """What OF24 resets, as OF21 shows it: no limit is 0, and the names of dates differ."""
    shown: Json = {
        "description": details.get("description") or "",
        "logistic_class": {"code": details.get("logistic_class") or "DEFAULT", "label": "Logistic class"},
        "offer_additional_fields": [
            {"code": one["code"], "type": one.get("type", "STRING"), "value": one["value"]}
            for one in details.get("offer_additional_fields", [])
        ],
        "available_start_date": details.get("available_started"),
        "available_end_date": details.get("available_ended"),
    }
    for name in ("min_order_quantity", "max_order_quantity", "package_quantity", "min_quantity_alert"):
        shown[name] = details.get(name, 0)
    for name in ("internal_description", "price_additional_info", "allow_quote_requests", "product_tax_code"):
        if name in details:
            shown[name] = details[name]
    return shown


def _price(price: SimPrice) -> Json:
    """One entry of `all_prices`; volume prices repeat the basic price at threshold 1.

    The document requires `unit_discount_price` in volume prices; without a discount it equals the price.
    """
    now = price.price if price.discount is None else price.discount
    entry: Json = {
        "price": money(now),
        "unit_origin_price": money(price.price),
        "unit_discount_price": None if price.discount is None else money(price.discount),
        "discount_start_date": price.discount_start or None,
        "discount_end_date": price.discount_end or None,
        "context": {
            "channel_codes": list(price.channels),
            "customer_group_ids": list(price.groups),
            "customer_organization_ids": list(price.organizations),
            "start_date": price.start or None,
            "end_date": price.end or None,
        },
    }
    reduced = dict(price.discount_ranges)
    entry["volume_prices"] = [
        {
            "quantity_threshold": threshold,
            "price": money(reduced.get(threshold, value)),
            "unit_origin_price": money(value),
            "unit_discount_price": money(reduced.get(threshold, value)),
        }
        for threshold, value in [(1, price.price), *price.ranges]
    ]
    return entry


def _replace(desk: Desk, body: Any) -> Response:
    rows = as_list(body, "offers")
    for row in rows:
        for name in ("shop_sku", "state_code", "update_delete"):
            require(isinstance(row.get(name), str), f"'{name}' is mandatory")
        number(row.get("price"), "price")
    return _taken(desk, rows, "NORMAL")


def _import_file(desk: Desk, form: dict[str, str]) -> Response:
    """OF01, offers only."""
    mode = form.get("import_mode", "")
    require(mode in ("NORMAL", "REPLACE"), "import_mode must be NORMAL or REPLACE")
    require(form.get("with_products", "false") == "false", "products are imported by their own call here")
    return _taken(desk, read_offers_file(form.get("file")), mode)


def _taken(desk: Desk, rows: list[Json], mode: str) -> Response:
    """A repeated request gets the id of the import that is still under way; with `stale_import_id`, of any earlier."""
    stale = desk.faults.strikes("stale_import_id", "publish_offer")
    for known in desk.world.imports.values():
        if known.kind == "offers" and known.rows == rows and (stale or known.status in ("WAITING", "RUNNING")):
            return _located(known)
    running = SimImport(str(3000 + desk.world.number()), "offers", desk.now(), rows, mode=mode)
    running.fails = desk.faults.strikes("import_failed", "publish_offer")
    desk.world.imports[running.id] = running
    return _located(running)


def _located(running: SimImport) -> Response:
    location = {"Location": f"/api/offers/imports/{running.id}"}
    return JSONResponse({"import_id": int(running.id)}, status_code=201, headers=location)


def _status(desk: Desk, import_id: str) -> Response:
    running = _import(desk, import_id)
    return JSONResponse(
        {
            "import_id": int(running.id),
            "date_created": wire_date(running.created),
            "status": running.status,
            "reason_status": "",
            "mode": running.mode,
            "type": "MIRAKL",
            "has_error_report": bool(running.errors),
            "lines_read": len(running.rows),
            "lines_in_success": running.updated,
            "lines_in_error": len(running.errors),
            "lines_in_pending": 0,
            "offer_inserted": running.inserted,
            "offer_updated": running.updated - running.inserted,
            "offer_deleted": 0,
        }
    )


def _report(desk: Desk, import_id: str) -> Response:
    """OF03: the columns sent, then `error-line;error-message` at the end."""
    running = _import(desk, import_id)
    if not running.errors:
        raise Problem(404, "NOT_FOUND", "The import has no error report")
    return Response(offers_report(running.rows, running.errors), media_type="application/octet-stream")


def _import(desk: Desk, import_id: str) -> SimImport:
    running = desk.world.imports.get(import_id)
    if running is None or running.kind != "offers":
        raise Problem(404, "NOT_FOUND", "The import does not exist")
    return running
