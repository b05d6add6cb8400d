"""A01, V01, PC01, SH12, SH21, RE01: the account and what the operator configured."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from connector_mirakl.sandbox.desk import Desk

Json = dict[str, Any]


def platform_routes(desk: Desk) -> APIRouter:
    """Routes that rarely change their answer."""
    router = APIRouter()

    @router.get("/api/version")
    async def version() -> Response:
        """V01: health only, needs no key; only the status counts."""
        return Response(status_code=200)

    @router.get("/api/account")
    async def account(request: Request) -> Response:
        return await desk.serve(request, "verify", lambda: JSONResponse(_account(desk)))

    @router.get("/api/platform/configuration")
    async def configuration(request: Request) -> Response:
        return await desk.serve(request, "read_configuration", lambda: JSONResponse(_configuration(desk)))

    @router.get("/api/shipping/carriers")
    async def carriers(request: Request) -> Response:
        return await desk.serve(request, "list_carriers", lambda: JSONResponse(_carriers(desk)))

    @router.get("/api/shipping/types")
    async def types(request: Request) -> Response:
        return await desk.serve(request, "read_shipping_types", lambda: JSONResponse(_shipping_types(desk)))

    @router.get("/api/reasons")
    async def reasons(request: Request) -> Response:
        return await desk.serve(request, "list_reasons", lambda: JSONResponse(_reasons(desk)))

    return router


def _carriers(desk: Desk) -> Json:
    return {
        "carriers": [
            {"code": c.code, "label": c.label, "standard_code": c.standard_code, "tracking_url": c.tracking_url}
            for c in desk.settings.profile.carriers
        ]
    }


def _shipping_types(desk: Desk) -> Json:
    return {
        "shipping_types": [
            {
                "code": each.code,
                "label": each.label,
                "description": each.label,
                "click_and_collect": each.click_and_collect,
                "delivery_by_operator": False,
                "mandatory_tracking": each.mandatory_tracking,
                "standard_code": None,
            }
            for each in desk.settings.profile.shipping_types
        ]
    }


def _reasons(desk: Desk) -> Json:
    found = [
        {"code": reason.code, "label": reason.label, "type": reason.type, "is_shop_right": reason.shop}
        for reason in desk.settings.profile.reasons
    ]
    return {"reasons": found, "total_count": len(found)}


def _account(desk: Desk) -> Json:
    address = {"city": "Nowhere", "country_iso_code": "FRA", "street_1": "1 rue de l'Essai", "zip_code": "00000"}
    return {
        "shop_id": desk.settings.shop_id,
        "shop_name": "Simulated Shop",
        "shop_state": "OPEN",
        "currency_iso_code": desk.settings.profile.currency,
        "channels": list(desk.settings.profile.channels),
        "date_created": "2024-01-02T08:00:00Z",
        "last_updated_date": "2024-01-02T08:00:00Z",
        "billing_info": {},
        "contact_informations": {
            "city": "Nowhere",
            "country": "FRA",
            "email": "shop@example.invalid",
            "lastname": "Exemple",
            "street1": "1 rue de l'Essai",
        },
        "default_billing_information": {
            "id": "a0000000-0000-4000-8000-000000000001",
            "default_language": "fr_FR",
            "registration_address": address,
        },
        "domains": ["PRODUCT"],
        "evaluations_count": 0,
        "free_shipping": False,
        "is_professional": True,
        "offers_count": len(desk.world.offers),
        "orders_count": len(desk.world.orders),
        "payment_details": {"paid_balance": 0, "payable_balance": 0, "pending_balance": 0},
        "payment_method_mandatory": False,
        "premium": False,
        "pro_details": {},
        "shipping": {"lead_time_to_ship": 2},
        "shipping_types": ["STD"],
        "shipping_zones": ["EU"],
        "shop_additional_fields": [],
    }


def _configuration(desk: Desk) -> Json:
    several = desk.settings.multi_shipment and not desk.is_on("multi_shipment_off")
    automatic = desk.is_on("automatic_acceptance")
    tax_number = {"mandatory": False}
    return {
        "platform_name": desk.settings.profile.name,
        "tenant_name": "simulated",
        "timezone": "Europe/Paris",
        "modules": {
            "mirakl_catalog_integrator": False,
            "mirakl_catalog_manager": True,
            "mirakl_catalog_transformer": True,
            "mirakl_platform_services": False,
            "offer_management": True,
            "order_management": True,
            "promotions": False,
            "quotes": False,
            "tax_manager": {"activated": False, "tax_provider": {"avalara": False, "vertex": False}},
        },
        "platform_configuration": {
            "customer_model": {"b2b": False, "b2c": True},
            "enhanced_seller_invoicing": {"enabled": False},
            "platform_model": {"drop_ship": False, "marketplace": True, "one_creditor": False},
        },
        "features": {
            **_plain_features(),
            "disable_seller_alternative_carrier": not desk.settings.unregistered_carriers,
            "order_workflows": {
                "order_acceptance": "AUTOMATIC" if automatic else "NOT_AUTOMATIC",
                "no_customer_payment_confirmation": False,
                "pause_debit_workflow": False,
                "pay_on_due_date": False,
                "pay_on_shipment": False,
                "sellers_edit_shipping_origin": False,
                "shipping_and_billing_details_before_acceptance": not desk.settings.hide_addresses_before_acceptance,
            },
            "shipment": {
                "multi_shipment": several,
                "multi_part_item_shipment": several and desk.settings.multi_part_item_shipment,
            },
            "shop_tax_options": {"local_tax_number": tax_number, "tax_identification_number": tax_number},
            "tax_id_number": tax_number,
        },
    }


def _plain_features() -> Json:
    return {
        "catalog": {
            "allow_shop_contribution_to_all_channels": False,
            "exclude_invalid_products": False,
            "list_of_multiple_values_separator": "|",
            "product_acceptance_by_channel": False,
            "product_data_validation_by_channel": False,
            "product_import_only_on_leaf": False,
        },
        "circular_economy_data_collection": False,
        "competitive_pricing_tool": False,
        "direct_payment_customer_store": {"activated": False, "refund_cancel_authorized": False},
        "dropship": {"retail_pricing_enabled": False},
        "kyc_status_per_seller": False,
        "lead_time_to_ship_by_sellers_enabled": "YES",
        "multi_currency": False,
        "multi_payout_psp_per_seller": False,
        "no_reply_needed": True,
        "offer_prices_decimals": "2",
        "operator_csv_delimiter": "SEMICOLON",
        "order_conditions": {
            "lead_time_to_ship": True,
            "maximum_order_quantity": False,
            "minimum_order_quantity": False,
            "package_order_quantity": False,
        },
        "order_tax_mode": "TAX_INCLUDED",
        "payment_confirmation": False,
        "pricing": {
            "channel_pricing": "MULTI",
            "discount_period_required": False,
            "discount_price_creation_in_the_past_blocked": False,
            "scheduled_pricing": True,
            "volume_discount": True,
            "volume_pricing": True,
        },
        "product_data_validation_by_channel": False,
        "promotion": {"cart_promotion_campaign": False, "discount_campaign": False, "seller_promotion": False},
        "returns": {"drop_ship": False, "marketplace": True, "one_creditor": False},
        "tax_collection": {
            "activated": "NO",
            "product_tax_code_mandatory": False,
            "tax_collection_by_operator": False,
        },
        "warehouses": {"geolocation": False, "restricted_countries": []},
    }
