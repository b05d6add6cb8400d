"""How the simulated shop hands out invoices: only to the holder of the secret, only for what the signature was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response

from connector_generic_shop.sandbox.behaviour import DEFAULT_SHOP
from connector_generic_shop.sandbox.receiving import fault_before, secrets_of
from connector_generic_shop.signing import BadSignature, verify

if TYPE_CHECKING:
    from connector_generic_shop.sandbox.simulator import GenericShopSimulator


def invoice_routes(simulator: GenericShopSimulator) -> APIRouter:
    """`GET /shops/{shop_name}/invoice`, and `GET /invoice` for the shop without a name."""
    router = APIRouter()

    @router.get("/invoice")
    async def default_invoice(request: Request) -> Response:
        return await hand_out(simulator, DEFAULT_SHOP, request)

    @router.get("/shops/{shop_name}/invoice")
    async def invoice(shop_name: str, request: Request) -> Response:
        return await hand_out(simulator, shop_name, request)

    return router


async def hand_out(simulator: GenericShopSimulator, shop_name: str, request: Request) -> Response:
    """One invoice, 404 while there is none."""
    shop = simulator.shop(shop_name)
    route_id = request.query_params.get("route_id", "")
    try:
        signed = verify(request.headers, b"", secrets_of(shop), now=simulator.clock.now())
    except BadSignature as error:
        return JSONResponse({"error": str(error)}, 401)
    if signed.message_id != f"invoice_{route_id}":
        return JSONResponse({"error": "webhook-id: was not signed for this route_id"}, 401)
    fault = await fault_before(simulator, "fetch_invoice", {"route_id": route_id})
    if fault is not None:
        return fault
    if simulator.faults.strikes("invoice_as_html", "fetch_invoice"):
        return HTMLResponse("<h1>Please sign in</h1>")
    order = shop.orders.get(route_id)
    when = shop.behaviour.invoice
    shipped = order is not None and any(line.shipped for line in order.lines)
    if order is None or when == "never" or (when == "after_shipment" and not shipped):
        return JSONResponse({"error": "no invoice yet"}, 404)
    empty = simulator.faults.strikes("invoice_empty", "fetch_invoice")
    name = f"facture {order.reference}.pdf"
    return Response(
        b"" if empty else pdf_of(order.reference),
        media_type="application/pdf",
        headers={"content-disposition": f'attachment; filename="{name}"'},
    )


def pdf_of(reference: str) -> bytes:
    """A small file that begins and ends as a PDF does."""
    return b"%PDF-1.4\n% invoice " + reference.encode() + b"\n%%EOF\n"
