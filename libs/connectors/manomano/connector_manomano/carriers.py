"""Carriers as ManoMano spells them. There is no endpoint; the name itself is the code, case and accents included.

A connector that sent lower-case names had its shipments refused, so these are copied letter by letter and never folded.
"""

from __future__ import annotations

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
