"""What people may ask of carrier-mapper: rules, the marketplace's carriers, and why a parcel got its carrier."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import APIRouter

from carrier_mapper.api_carriers import carriers_router
from carrier_mapper.api_parcels import parcels_router
from carrier_mapper.api_rules import rules_router

if TYPE_CHECKING:
    from hub_common.runtime import Runtime


def routers(runtime: Runtime) -> list[APIRouter]:
    """All routes of the service."""
    return [rules_router(runtime), carriers_router(runtime), parcels_router(runtime)]
