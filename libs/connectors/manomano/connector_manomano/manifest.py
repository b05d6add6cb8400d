"""What ManoMano is, as data: environments, fields to type in, status words, shares of the call quota, effect policies.

Prevents that a fact about ManoMano hides in a code path, where nobody could correct it for one seller.
"""

from __future__ import annotations

from datetime import time

from connector_kit.manifest import (
    Budget,
    Capability,
    ChecklistItem,
    EffectPolicy,
    EnvironmentAddress,
    InputField,
    Manifest,
    OrderTraits,
)
from hub_contracts.connections import ConnectionKind
from hub_contracts.orders import Environment
from hub_contracts.status import OrderStatus

COUNTRIES = ("FR", "BE", "DE", "ES", "IT", "UK")
"""Storefronts; a seller has one contract for each (and another one for ManoFulfillment)."""

ORDERS_PER_CALL = 50
"""Array length that known clients cut at for accept, refuse, shipments and refunds."""
OFFERS_PER_PUT = 20
"""More offers in one PUT are refused with ERR_1405 (seen live by a client)."""

OpenRange = tuple[int, time, time]
"""Weekday (Monday is 0), first minute, first minute after."""
OPENING_ZONE = "Europe/Paris"
OPENING_HOURS: tuple[OpenRange, ...] = (
    (0, time(0), time(20)),
    (1, time(7), time(20)),
    (2, time(7), time(20)),
    (3, time(7), time(20)),
    (4, time(7), time(20)),
)
"""Of the sandbox, as told by a second source; closed otherwise."""

HOUR = 3600
QUOTA = "shared quota: one key and one address have some 200 calls an hour for everything together"

AUTH = (InputField(name="api_key", title="API key", kind="secret", help="Made by a Toolbox admin, displayed once."),)

SETTINGS = (
    InputField(
        name="seller_contract_id",
        title="Seller contract id",
        kind="integer",
        help="One contract per country storefront; ManoFulfillment has its own.",
    ),
    InputField(
        name="country",
        title="Country of the contract",
        kind="choice",
        choices=COUNTRIES,
        required=False,
        help="Shown as the channel of the orders.",
    ),
    InputField(
        name="currency",
        title="Currency of the contract",
        required=False,
        help="ISO 4217. Prices in another one are not sent. Without it: GBP for UK, else EUR.",
    ),
    InputField(
        name="thirdparty_name",
        title="Integrator name",
        default="OrderRoutingHub_1.0",
        help="Sent as x-thirdparty-name, in the form Name_version.",
    ),
    InputField(
        name="page_limit",
        title="Orders per page",
        kind="integer",
        default="50",
        help="50 and 100 are known to work; values outside 1 to 100 are brought inside.",
    ),
    InputField(
        name="list_by_status",
        title="List one status at a time",
        kind="boolean",
        default="false",
        help="Only if listings without a status filter are refused; costs one call per status at each poll.",
    ),
    InputField(
        name="refund_path",
        title="Path of the refund call",
        default="/orders/v1/refunds",
        help="Not confirmed by a public source.",
    ),
    InputField(
        name="accept_repeat_codes",
        title="Item codes that may mean: already done",
        default="409,500",
        help="Codes inside a mixed answer after which the order is read again instead of believing the refusal.",
    ),
    InputField(
        name="shipped_when_complete",
        title="SHIPPED means that every unit left",
        kind="boolean",
        default="true",
        help="Off: doubts about one parcel of several always go to an operator.",
    ),
    InputField(
        name="offers_per_call",
        title="Offers per price and stock call",
        kind="integer",
        default="1000",
        help="Lower it if big calls are refused; values outside 1 to 10000 are brought inside.",
    ),
    InputField(
        name="fulfilled_by_manomano",
        title="This is the ManoFulfillment contract",
        kind="boolean",
        default="false",
        help="On: its orders are recorded and never accepted, refused or shipped, and its stock is never set.",
    ),
    InputField(
        name="allow_other_carrier",
        title="Send unknown carriers as Other",
        kind="boolean",
        default="false",
        help="Sources disagree whether ManoMano takes Other. Off: a parcel of an unknown carrier is not sent.",
    ),
    InputField(
        name="require_tracking_link",
        title="Send no parcel without a tracking link",
        kind="boolean",
        default="true",
        help="A shipment without a link was seen to be refused; off sends it all the same.",
    ),
    InputField(
        name="tracking_link_template",
        title="Tracking link where none is known",
        required=False,
        help="An http(s) address with {n} for the number and, if wanted, {carrier}. Used when the parcel has no link.",
    ),
    InputField(
        name="carrier_grids",
        title="Carrier grids",
        required=False,
        help="Names of the grids made in the Toolbox, separated by semicolons. Given: offers with others are not sent.",
    ),
    InputField(
        name="eco_participation_place",
        title="Where an offer's eco participation goes",
        kind="choice",
        choices=("pricing", "offer"),
        default="pricing",
        help="Beside the price or beside the SKU: the place is not confirmed by a public source.",
    ),
    InputField(
        name="honour_opening_hours",
        title="Keep the sandbox's opening hours",
        kind="boolean",
        required=False,
        help="Not set: kept at ManoMano's own sandbox address, not at a simulator of one's own.",
    ),
)

STATUS_MAP = {
    word: OrderStatus(word)
    for word in (
        "WAITING_PAYMENT",
        "REMORSE_PERIOD",
        "PENDING",
        "PREPARATION",
        "SHIPPED",
        "REFUNDING",
        "REFUNDED",
        "REFUSED",
    )
}
"""The hub took these eight words over from ManoMano unchanged."""


def _share(operation: str, calls: int, owner: str, *, burst: int, reserve: int = 0) -> Budget:
    return Budget(
        operation=operation,
        calls=calls,
        per_seconds=HOUR,
        burst=burst,
        owner=owner,
        deadline_reserve=reserve,
        source=QUOTA,
    )


BUDGETS = (
    _share("list_orders", 60, "order-ingest", burst=10),
    _share("read_order", 10, "order-ingest", burst=4),
    _share("accept", 20, "order-acceptance", burst=5, reserve=2),
    _share("probe_accept", 10, "order-acceptance", burst=3, reserve=1),
    _share("ship", 18, "shipment-notifier", burst=5, reserve=1),
    _share("probe_ship", 8, "shipment-notifier", burst=3, reserve=1),
    _share("upload_invoice", 6, "shipment-notifier", burst=2),
    _share("refund", 6, "refund-service", burst=2),
    _share("probe_refund", 4, "refund-service", burst=2),
    _share("set_offers", 16, "stock-sync", burst=3),
    _share("read_offers", 8, "stock-sync", burst=3),
    _share("publish_offers", 10, "catalog-feed", burst=3),
    _share("release_offers", 2, "catalog-feed", burst=1),
    _share("read_offers_for_publishing", 4, "catalog-feed", burst=3),
    _share("verify", 4, "connection-registry", burst=2),
    _share("audit_list_orders", 8, "reconciliation", burst=3),
    _share("audit_read_order", 3, "reconciliation", burst=1),
    _share("audit_read_offers", 3, "reconciliation", burst=2),
)
"""Shares of the one quota; together 200 an hour. Refusing draws on the share of `accept`, withdrawing an offer on that
of `publish_offers`. The `audit_` shares are those of the same reads when reconciliation makes them."""

EFFECTS = (
    EffectPolicy(operation="accept", kinds=("accept", "refuse"), batch_size=ORDERS_PER_CALL, settle_seconds=10),
    EffectPolicy(operation="ship", batch_size=ORDERS_PER_CALL, settle_seconds=15, confirmations=2),
    EffectPolicy(
        operation="refund", batch_size=ORDERS_PER_CALL, settle_seconds=60, confirmations=2, on_undecided="operator"
    ),
    # Published later than answered, and absolute: looking early would only cost calls.
    EffectPolicy(
        operation="set_offers",
        kinds=("set_stock", "set_price"),
        batch_size=1000,
        settle_seconds=300,
        on_undecided="retry",
    ),
    EffectPolicy(operation="upload_invoice", on_undecided="operator"),
    EffectPolicy(
        operation="publish_offers",
        kinds=("publish_offer",),
        batch_size=OFFERS_PER_PUT,
        settle_seconds=300,
        on_undecided="retry",
    ),
    EffectPolicy(
        operation="release_offers", kinds=("release_offer",), batch_size=1000, settle_seconds=300, on_undecided="retry"
    ),
)

GO_LIVE = (
    ChecklistItem(
        name="feed_complete",
        title="The feed is published without problems",
        help="Both automatic imports of the Toolbox, products and offers, fetch it.",
        check="feed_complete",
    ),
    ChecklistItem(
        name="feed_fetched",
        title="ManoMano fetches the feed",
        help="Toolbox, Catalogue, Automatic import: type the feed's address into both imports (CSV, UTF-8, comma).",
        check="feed_fetched",
    ),
    ChecklistItem(
        name="feed_accepted",
        title="The product feed is accepted",
        help="Toolbox, Catalogue, Import logs: the last report of products shows no errors. No call shows these logs.",
    ),
    ChecklistItem(
        name="templates_right",
        title="The shipping templates are those of the Toolbox",
        help="Names, countries, costs and days agree; every active carrier option is named for each article.",
    ),
    ChecklistItem(
        name="offers_listed",
        title="Offers are listed and none is refused",
        check="offers_listed",
    ),
    ChecklistItem(
        name="account_manager",
        title="The account manager has approved the set-up",
        help="Name the person and the day in the note.",
    ),
)
"""What a seller's guide asks before the first order."""

MANIFEST = Manifest(
    name="manomano",
    title="ManoMano",
    kind=ConnectionKind.MARKETPLACE,
    version="0.1.0",
    capabilities=frozenset(
        {
            Capability.ORDERS,
            Capability.ACCEPT,
            Capability.SHIP,
            Capability.REFUND,
            Capability.STOCK,
            Capability.PRICE,
            Capability.OFFERS,
            Capability.PUBLISH_OFFERS,
            Capability.RELEASE_OFFERS,
            Capability.INVOICE,
            Capability.CARRIERS,
        }
    ),
    environments=(
        EnvironmentAddress(
            environment=Environment.SANDBOX,
            base_url="https://partnersapi.sandbox.manomano.com",
            opening_hours="Monday 00:00-20:00, Tuesday to Friday 07:00-20:00 (CEST); offers are reset every hour",
        ),
        EnvironmentAddress(environment=Environment.PRODUCTION, base_url="https://partnersapi.manomano.com"),
    ),
    auth_fields=AUTH,
    settings_fields=SETTINGS,
    status_map=STATUS_MAP,
    orders=OrderTraits(
        line_acceptance=False,
        partial_shipment=True,
        refund_level="line_quantity",
        releases_on_accept=True,
        accept_within_hours=48,
        requires_tracking_url=True,
        carriers="names",
    ),
    budgets=BUDGETS,
    quota="shared",
    effects=EFFECTS,
    go_live=GO_LIVE,
    # Half of the listing share, so that second pages and second readings have calls left.
    poll_seconds=120,
    currency_default="EUR",
    docs_url="https://www.manomano.dev/",
)
