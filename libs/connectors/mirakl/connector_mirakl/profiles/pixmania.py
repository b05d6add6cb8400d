"""Pixmania: what its product integration guide for sellers asks beyond Mirakl's own rules."""

from __future__ import annotations

from connector_kit.profiles import OfferField, OfferRules, OperatorProfile, Remedy

STATES = {
    "10": "refurbished, excellent condition",
    "11": "new",
    "12": "refurbished, very good condition",
    "13": "refurbished, good condition",
}

FIELDS = (
    OfferField(code="warranty", title="Warranty in months", kind="integer"),
    OfferField(
        code="warehouselocation",
        title="Where the goods lie",
        kind="choice",
        choices=("France", "Espana", "Europe", "Hors_Zone_EU"),
    ),
)

OFFER_MESSAGES = (
    ("product does not exist", "le produit n'existe pas", "No product with this identifier is in the catalogue.",
     "Check the product id and its type (EAN or SKU), or import the product first."),
    ("existing offer to update", "aucune offre existante", "An update names an offer that is not there.",
     "Check the offer's SKU; to create it, state its product and import in mode NORMAL."),
    ("duplicated in the source file", "dupliqué dans le fichier", "Two rows carry the same offer SKU.",
     "Give every offer a SKU of its own and send it once."),
    ("state of the product is unknown", "état du produit", "The condition is no code of the operator.",
     "Send the code, not the label: 11 new, 10 excellent, 12 very good, 13 good."),
    ("different from the product linked", "est différent du produit", "The SKU stood for another product before.",
     "Use another offer SKU; one of a deleted offer stays taken for 30 days."),
    ("'price' is mandatory", "prix' est obligatoire", "The price is missing or cannot be read.",
     "State the price as a plain number with a point, without a currency sign."),
    ("price' field is mandatory", "price’ field is mandatory", "The price is missing or cannot be read.",
     "State the price as a plain number with a point, without a currency sign."),
    ("logistic family", "famille logistique", "The logistic class is not one of the operator's.",
     "Send the code of an active logistic class (SH31), or leave it out."),
    ("leadtime-to-ship", "délai d'expédition", "The time to ship is not allowed.",
     "Lower the lead time; 0 means shipped on the same day."),
    ("discount range date", "plage de dates de remise", "The discount's dates are wrong.",
     "Write dates as yyyy-mm-dd, the start not after the end."),
    ("discount price", "prix de remise", "The discount price is empty or not below the price.",
     "Lower the discount price below the price, or leave the discount out."),
)  # fmt: skip
"""Message in English, in French, what it means, what to do."""


def _remedies() -> tuple[Remedy, ...]:
    return tuple(
        Remedy(says=words, means=means, next_step=step)
        for english, french, means, step in OFFER_MESSAGES
        for words in (english, french)
    )


PIXMANIA = OperatorProfile(
    name="pixmania",
    title="Pixmania",
    source="product integration guide of the operator, for sellers",
    connector_settings={"price_dates": "day", "time_zone": "Europe/Paris"},
    accept_within_hours=120,
    deliver_within_days=10,
    invoice="on_ship",
    tracking_before_hand_over=False,
    offers=OfferRules(
        product_id_types=("EAN", "SKU"),
        states=STATES,
        channels=("ES_B2C",),
        lead_time_days_max=9,
        fields=FIELDS,
        live_after_minutes={"": 15, "ES_B2C": 30},
    ),
    remedies=_remedies(),
)
"""Goods must arrive in under 10 days, so an offer that takes 10 days to leave cannot keep the promise."""
