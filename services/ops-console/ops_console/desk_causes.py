"""What each cause of waiting means and what to do about it, as data. A test holds it against docs/operations.md.

An operator at night reads a machine word once and a sentence never: without this table each cause would have to be
looked up, and the ones nobody knows are the ones that wait longest.
"""

from __future__ import annotations

from typing import NamedTuple


class Known(NamedTuple):
    """A cause in plain words."""

    means: str
    do: str


CAUSES: dict[str, Known] = {
    # every service that sends effects
    "effect_unknown": Known(
        "Nobody can tell whether it was done outside.", "Look there, then settle the effect as applied or not."
    ),
    "effect_stuck": Known(
        "Tried eight times, still refused for passing reasons.", "Check credentials and address; trying goes on."
    ),
    # order-ingest
    "credentials_refused": Known("The marketplace refuses our key.", "Enter working credentials at the connection."),
    "order_unreadable": Known(
        "The marketplace's answer breaks a rule.", "Look at the raw answer; a later one or a newer connector goes on."
    ),
    "status_unknown": Known(
        "The marketplace uses a word that the connector does not know.", "Add it to the connector's status map."
    ),
    "status_regressed": Known(
        "The marketplace shows a status that cannot follow.", "Compare with the marketplace; it goes on by itself."
    ),
    "buyer_kept_for_open_order": Known(
        "The order is open for so long that its buyer should have been erased.", "Ship, refuse or cancel it, or erase."
    ),
    "connection_unknown": Known("Its connection was not heard of yet.", "Nothing, when the connection was just made."),
    # order-acceptance
    "acceptance_held": Known(
        "The order waits for a decision of a person.", "Accept or refuse it; or mend stock, link or price."
    ),
    "answer_rejected": Known(
        "The marketplace would not take our answer.", "Look there; the next poll shows what became of it."
    ),
    # order-router
    "sku_unlinked": Known("No shop article is linked to the SKU.", "Link it; suggestions are at the connection."),
    "sku_link_mode_unset": Known("It is not said how SKUs are linked.", "Choose the link mode at the connection."),
    "sku_missing": Known("The marketplace gives no product SKU.", "Pass offer SKUs through, or choose by hand."),
    "no_shop": Known("No shop may serve the line.", "Activate a shop, add a routing rule, or choose by hand."),
    "shop_unknown": Known("A rule or link names a shop that is not there.", "Correct the rule or the link."),
    "shop_inactive": Known("The shop is not active.", "Activate it, or correct the rule."),
    "environment_mismatch": Known(
        "Sandbox and production were mixed.", "Correct the connection, link or rule: each needs its own kind."
    ),
    "country_unknown": Known("The country of delivery is missing.", "Nothing, when the address comes later."),
    "refund_before_routing": Known("It was refunded before it was routed.", "Settle the refund, or route by hand."),
    "line_cancelled_after_routing": Known(
        "A line was cancelled that a shop already has.", "See that the shop does not send it, then close."
    ),
    # shop-gateway
    "customer_missing": Known("The buyer's address is not there yet.", "Nothing, when it comes later."),
    "shop_takes_no_orders": Known("The shop's connection takes no orders.", "Correct routing or the connection."),
    "shop_order_rejected": Known("The shop refuses the order.", "Mend what it objects to, then send it again."),
    "shop_cancel_rejected": Known(
        "The shop does not cancel.", "Stop the parcel at the shop, or refund when it comes back."
    ),
    "order_unknown": Known("It is about an order not heard of.", "Nothing, when the order comes; else look at ingest."),
    "order_ambiguous": Known("Several orders fit.", "Let the shop name the order by its id."),
    "line_unknown": Known("It names a line that the order does not have.", "Ask the shop for the right line."),
    "shipped_too_many": Known("More was shipped than was ordered.", "Correct the parcel's lines in the shop."),
    "returned_too_many": Known("More came back than was shipped.", "Correct the return in the shop."),
    "cancelled_too_many": Known("More was cancelled than was ordered.", "Correct the cancellation in the shop."),
    "reference_reused": Known("The shop used a reference twice.", "Let the shop post it under a reference of its own."),
    "shipped_after_cancellation": Known("A cancelled order was shipped.", "Get the parcel back, then close."),
    "post_failed": Known("A shop's post could not be handled.", "Look at the log of that time, then try it again."),
    # carrier-mapper
    "carrier_unmapped": Known("No rule names the marketplace's carrier.", "Add a carrier rule at the connection."),
    "carrier_ambiguous": Known("Several carriers fit the number.", "Add an explicit carrier rule."),
    "carrier_not_at_marketplace": Known(
        "The marketplace does not know the carrier.", "Point rule or default at one of its list."
    ),
    "marketplace_carriers_unknown": Known(
        "The marketplace's carriers are not known.", "Fetch the list, or add a rule."
    ),
    "no_default_carrier": Known("No default carrier is chosen.", "Choose default carriers at the connection."),
    "tracking_number_missing": Known("The parcel has no tracking number.", "Enter it in the shop; it posts again."),
    "tracking_number_unusable": Known("The tracking number cannot be one.", "Correct it in the shop; it posts again."),
    "numbers_disagree": Known("The parcel's numbers are of two carriers.", "Split the parcel, or name the carrier."),
    # shipment-notifier
    "shipment_rejected": Known(
        "The marketplace refuses the parcel.", "Correct parcel or carrier; or tell it by hand and close."
    ),
    "tracking_changed": Known(
        "Tracking changed after the marketplace was told.", "Correct it in the back office, then close."
    ),
    "tracking_url_missing": Known("The marketplace demands a tracking link.", "Give the carrier's rule a template."),
    "parcel_empty": Known("The parcel holds nothing.", "Correct its lines in the shop."),
    "order_past_shipping": Known("The order cannot be shipped any more.", "Look at it in the back office."),
    "invoice_missing": Known("The marketplace demands an invoice.", "Write it in the shop, or upload it by hand."),
    "invoice_rejected": Known("The marketplace refuses the invoice.", "Correct the document, then fetch it again."),
    # refund-service
    "reason_unmapped": Known("The shop's reason has no counterpart.", "Set reason map or default at the connection."),
    "reason_unknown": Known("The mapped reason is not the marketplace's.", "Choose one of its list."),
    "refund_rejected": Known("The marketplace refuses the refund.", "Refund by hand or there, then close."),
    "cancel_rejected": Known("The marketplace does not cancel.", "Ship, or refund; then close."),
    "exceeds_paid": Known("More would be refunded than was paid.", "Compare the ledger; refund the rest, or close."),
    "refunded_elsewhere": Known(
        "It was refunded in the back office.", "Compare the ledger; refund the rest, or close."
    ),
    "quantity_invalid": Known("The quantity cannot be.", "Ask the shop; refund by hand with the right one."),
    "amount_unsupported": Known("The marketplace takes no such amount.", "Refund an amount that it takes."),
    "partial_refund_unsupported": Known("It refunds whole lines only.", "Refund the line, or in its back office."),
    "refund_unsupported": Known("It takes no refunds from us.", "Refund in its back office, then close."),
    "order_cancelled": Known("The order was cancelled: nothing was paid.", "Close, or tell the shop."),
    "cancel_before_acceptance": Known("It is not accepted yet.", "Refuse the order instead."),
    "cancel_unsupported": Known("The marketplace takes no cancellations.", "Let it come back, or refund by hand."),
    "already_shipped": Known("It is on its way.", "Let it come back as a return, or refund by hand."),
    "return_unanswered": Known("A buyer's return waits for our answer.", "Accept or refuse the return."),
    "return_order_unknown": Known("A return for an order not heard of.", "Fetch the order's day with a backfill."),
    "return_state_unknown": Known("The return's state is a new word.", "Look at it in the back office."),
    "return_answer_rejected": Known("The marketplace refuses our answer.", "Answer there or again, then close."),
    # stock-sync
    "offer_missing": Known("The marketplace has no such offer.", "Publish the product there, then push again."),
    "offer_rejected": Known("The marketplace refuses stock or price.", "Correct it; it is sent when it changes."),
    "offer_drifts": Known("The marketplace keeps showing something else.", "Find who changes it too, then push again."),
    "price_invalid": Known("The shop states a price not above 0.", "Correct it in the shop."),
    # catalog-feed
    "feed_blocked": Known("The feed lacks data.", "Complete product data, price or shipping template."),
    "listing_rejected": Known("The marketplace refuses the listing.", "Each problem names its field; state it again."),
    "release_rejected": Known("The offer was not released.", "Release it in the back office, or ask again."),
    "product_import_incomplete": Known("Rows of a product file failed.", "Read the report; send a corrected file."),
    "feed_shrunk": Known("Many articles are gone.", "Find out why; if right, force the version."),
    # message-service
    "message_unanswered": Known("A buyer waits for an answer.", "Write it here or at the marketplace."),
    "message_rejected": Known("The marketplace refuses the message.", "Write it in another way, or there."),
    # notification-service
    "notification_undelivered": Known(
        "A notification did not arrive.", "Mend the address or the mail server; look at what it was about."
    ),
    # dead letters
    "undecodable": Known(
        "The bytes are no event of ours.", "Find who wrote them. Edit and redrive, or discard with a reason."
    ),
    "permanent": Known(
        "It can never work as it stands.", "Mend the cause, usually by a release, then redrive; or edit the record."
    ),
    "retries_exhausted": Known("Tried for a day without success.", "Mend the cause, then redrive."),
    "edited": Known("A corrected copy.", "It was sent; see what it came from."),
}

NO_WORDS = Known("", "Read the detail of each item; it says what it waits for.")


def known(cause: str | None) -> Known:
    """What a cause means; causes of services outside this repository have no words here."""
    return CAUSES.get(cause or "", NO_WORDS)
