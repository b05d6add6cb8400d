"""Carriers as ManoMano spells them. There is no endpoint; the name itself is the code, case and accents included.

A connector that sent lower-case names had its shipments refused, so these are copied letter by letter and never folded.
"""

from __future__ import annotations

import difflib
import unicodedata

CARRIER_NAMES: tuple[str, ...] = (
    "Ader", "Amazon Logistics", "APC Overnight", "Asendia", "Austrian Post", "Baudoin", "Bpost", "BRT",
    "CBL Logistica", "CHRONO 13", "Chronopost", "Colis Privé", "Colissimo", "Correos", "Correos Express",
    "CTT Express", "Dachser", "DB Schenker", "Deutsche Post", "DHL", "DHL Freight", "DHL Parcel", "DPD", "DSV",
    "Ducros", "DUSCHEXPRESS", "DX", "Envialia", "Evri", "Fedex", "Fercam", "France Express", "Furdeco",
    "Gebruder Weiss", "Gefco", "Gel", "Geodis", "GLS", "Heppner", "Hermes", "Kuehne Nagel", "La Poste Suivi",
    "Liccardi", "Marmeth", "Mazet", "Mondial Relay", "MRW", "NACEX", "OnTime", "Palletways", "Pallex", "ParcelForce",
    "Post NL", "Poste Italiane", "Prévoté", "Raben", "Relais Colis", "Royal Mail", "Sanidis", "SDA", "Sending",
    "Seur", "Spring", "TDN", "TIPSA", "TNT", "Transaher", "Tred Chariot", "TRS", "Trusk", "UDEL", "UK Mail", "UPS",
    "viaxpress", "VIR", "Whistl", "XDP", "XPO", "Yodel", "Zeleris",
)  # fmt: skip

OTHER = "Other"
"""What an aggregator sends for carriers that are not in the list; the list itself does not hold it."""


def folded(name: str) -> str:
    """A name without case, accents, blanks and signs: for suggestions only, never for what is sent."""
    plain = unicodedata.normalize("NFKD", name)
    return "".join(sign for sign in plain.casefold() if sign.isalnum() and not unicodedata.combining(sign))


_FOLDED = {folded(name): name for name in CARRIER_NAMES}


def nearest(name: str, most: int = 3) -> list[str]:
    """Names of the list that come closest, best first; may be empty."""
    asked = folded(name)
    close = difflib.get_close_matches(asked, _FOLDED, n=most, cutoff=0.6)
    held = [key for key in _FOLDED if len(key) > 2 and (key in asked or (len(asked) > 2 and asked in key))]
    return list(dict.fromkeys(_FOLDED[key] for key in [*close, *held]))[:most]


def carrier_obstacle(name: str) -> str | None:
    """Why a shipment with this carrier would be refused, None when ManoMano knows the name exactly so."""
    if name in CARRIER_NAMES:
        return None
    close = nearest(name)
    hint = f"; nearest: {', '.join(close)}" if close else ""
    return f"carrier_name: {name[:60]!r} is not a carrier of ManoMano, spelt exactly so{hint}"
