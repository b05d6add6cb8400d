"""Finds a carrier in the marketplace's own list.

The list is the marketplace's word: codes differ per Mirakl operator and ManoMano wants the display name with its case
and accents. Sending our own spelling instead gets the shipment refused.
"""

from collections.abc import Collection, Sequence

from carrier_mapper.folding import fold_name
from carrier_mapper.model import MarketplaceCarrier
from carrier_mapper.rules import CarrierTarget


def find_by_names(names: Collection[str], carriers: Sequence[MarketplaceCarrier]) -> tuple[MarketplaceCarrier, ...]:
    """Listed carriers whose label, code or standard code (folded) is among `names` (folded).

    Several hits are narrowed to those named by label, then by own code, because an operator may give one standard code
    to several carriers. More than one left means that nobody may choose for the seller.
    """
    hits = [c for c in carriers if {fold_name(c.label), fold_name(c.code), fold_name(c.standard_code)} & set(names)]
    by_label = [c for c in hits if fold_name(c.label) in names]
    narrowed = by_label or hits
    by_code = [c for c in narrowed if fold_name(c.code) in names]
    return tuple(by_code or narrowed)


def find_target(target: CarrierTarget, carriers: Sequence[MarketplaceCarrier]) -> tuple[MarketplaceCarrier, ...]:
    """The listed carrier a rule or default points at: by code, or by label when it has no code; exact before folded."""
    if target.carrier_code is not None:
        exact = tuple(c for c in carriers if c.code == target.carrier_code)
        return exact or tuple(c for c in carriers if fold_name(c.code) == fold_name(target.carrier_code))
    exact = tuple(c for c in carriers if c.label == target.carrier_name)
    return exact or tuple(c for c in carriers if fold_name(c.label) == fold_name(target.carrier_name))
