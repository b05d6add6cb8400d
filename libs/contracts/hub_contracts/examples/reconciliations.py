"""Examples of `hub.reconciliations` and of offers and products that were stated whole (`hub.catalog`)."""

from __future__ import annotations

from datetime import date
from uuid import UUID

from hub_contracts.catalog import OfferListed, OfferListingRejected, ProductImportEnded
from hub_contracts.examples.world import LAMP_SKU, ORDER, ORDER_REFERENCE, PIXMANIA, Example, at
from hub_contracts.ids import difference_id_for, effect_id_for, statement_id_for
from hub_contracts.reconciliations import (
    DifferenceFound,
    DifferenceKind,
    DifferenceResolved,
    Repair,
    StatementIssued,
)

_OFFER_KEY = f"{PIXMANIA}:{LAMP_SKU}"
_STATUS = difference_id_for(PIXMANIA, "status", ORDER_REFERENCE)
_LISTING = effect_id_for(f"publish_offer:{_OFFER_KEY}:1")
_IMPORT = UUID("019cadf2-8d48-7c31-9b5e-4f0a7d21c6f4")

EXAMPLES: tuple[Example, ...] = (
    Example(
        DifferenceFound(
            difference_id=_STATUS,
            connection_id=PIXMANIA,
            kind=DifferenceKind.STATUS,
            order_id=ORDER,
            marketplace_reference=ORDER_REFERENCE,
            hub_value="PREPARATION",
            marketplace_value="SHIPPED (SHIPPED)",
            owner="order-ingest",
            repair=Repair.REREAD,
            next_step="Nothing: the order is read again.",
            found_at=at(days=2),
        ),
        key=str(ORDER),
        time=at(days=2),
    ),
    Example(
        DifferenceResolved(
            difference_id=_STATUS,
            connection_id=PIXMANIA,
            kind=DifferenceKind.STATUS,
            order_id=ORDER,
            resolution="the next comparison shows no difference",
            found_at=at(days=2),
        ),
        key=str(ORDER),
        time=at(days=2, hours=1),
        version=2,
    ),
    Example(
        StatementIssued(
            statement_id=statement_id_for(PIXMANIA, "2026-03-04"),
            connection_id=PIXMANIA,
            day=date(2026, 3, 4),
            orders=212,
            orders_compared=212,
            offers=80,
            offers_compared=80,
            effects=431,
            effects_by_kind={"accept": 198, "ship": 203, "refund": 4, "stock": 26},
            differences_open=0,
            differences_found=1,
            differences_resolved=1,
            complete=True,
            compared_at=at(days=2, hours=14),
        ),
        key=str(PIXMANIA),
        time=at(days=2, hours=15),
    ),
    Example(
        OfferListed(
            connection_id=PIXMANIA,
            offer_sku=LAMP_SKU,
            effect_id=_LISTING,
            version=1_772_442_845_250,
            confirmed_by="probe",
        ),
        key=str(PIXMANIA),
        time=at(hours=6),
    ),
    Example(
        OfferListingRejected(
            connection_id=PIXMANIA,
            offer_sku=LAMP_SKU,
            effect_id=_LISTING,
            version=1_772_442_845_251,
            problems=("state: the state of the product is unknown",),
            import_reference="2045",
        ),
        key=str(PIXMANIA),
        time=at(hours=7),
    ),
    Example(
        ProductImportEnded(
            import_id=_IMPORT,
            connection_id=PIXMANIA,
            effect_id=effect_id_for(f"import_products:{_IMPORT}"),
            file_name="lamps.csv",
            import_reference="311",
            rows_read=12,
            rows_taken=11,
            rows_failed=1,
            problems=("row 7: 1000 the attribute brand is required",),
        ),
        key=str(PIXMANIA),
        time=at(hours=9),
    ),
)
