"""The work that subject and floors are given: stock levels as shops report them, every SKU another one."""

from __future__ import annotations

import random
from collections.abc import Sequence
from uuid import UUID

from hub_common.clock import SystemClock
from hub_common.ids import SystemIds
from hub_common.kafka.records import OutRecord
from hub_contracts.envelope import Metadata, encode_headers
from hub_contracts.shop_activity import StockReported
from hub_contracts.topics import SHOP_ACTIVITY

SHOP = UUID("0192f6a0-7c1e-7b3a-9d55-0b8a4c1f2e11")
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


def skus(count: int) -> list[str]:
    """Distinct SKUs of a believable shape and length."""
    return [f"GDN-{number:07d}-{'RED' if number % 3 else 'ANTHRACITE'}" for number in range(count)]


def stock_reports(prefix: str, chosen: Sequence[str]) -> list[OutRecord]:
    """One event per SKU, as the shop gateway would send it, with new ids."""
    ids, clock, levels = SystemIds(), SystemClock(), random.Random(7)
    records: list[OutRecord] = []
    for sku in chosen:
        now = clock.now()
        data = StockReported(
            shop_connection_id=SHOP, shop_sku=sku, warehouse="main", quantity=levels.randint(0, 400), reported_at=now
        )
        meta = Metadata(ids.new(), data.TYPE, "shop-gateway", now, sku, "tenant-1", 1, traceparent=TRACE)
        records.append(
            OutRecord(prefix + SHOP_ACTIVITY, sku.encode(), data.model_dump_json().encode(), encode_headers(meta))
        )
    return records
