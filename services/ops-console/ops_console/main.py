"""Declaration of ops-console."""

from __future__ import annotations

from hub_common.replay import Compared, ReplayPlan
from hub_common.replay_parked import CONNECTIONS
from hub_common.service import ServiceSpec
from hub_contracts.topics import TOPICS
from ops_console.api import routers
from ops_console.config import ConsoleSettings
from ops_console.handlers import ROUTES
from ops_console.pages import pages
from ops_console.tables import METADATA
from ops_console.upkeep import duties, no_effects

COMPACTED = ", ".join(f"'{topic.name}'" for topic in TOPICS if topic.compacted)
"""Topics that forget all but the newest event of a key, so that the story once heard cannot be heard again."""

REPLAY = ReplayPlan(
    tables=(
        Compared(
            "story_events",
            ignore={"received_at": "when this database was written to", "seq": "the order in which it was written"},
            instead={"origin": "CASE origin WHEN 'replay' THEN 'live' ELSE origin END"},
            where=f"topic NOT IN ({COMPACTED})",
        ),
        Compared("orders", ignore={"live": "a replayed order counts as not live; story_events.origin is compared"}),
        Compared("tracking_numbers"),
        Compared("parked_items"),
        Compared("doubts"),
        CONNECTIONS,
    ),
    left_out={
        "parked": "the console parks nothing of its own",
        "customer_terms": "digests of buyers' data, which the topic keeps for a shorter time than stories are kept",
        "order_tallies": "differences that are summed up now and then; their sums follow from `orders`",
        "hourly_tallies": "figures of the last days for charts; they follow from `story_events`",
        "sessions": "who is signed in",
        "sign_in_failures": "wrong passwords of the last day",
        "audit_log": "what people did here; no event has it, it is backed up like any source",
    },
)

SPEC = ServiceSpec(
    name="ops-console",
    package="ops_console",
    own_topic="",
    listens=tuple(topic.name for topic in TOPICS),
    routes=ROUTES,
    metadata=METADATA,
    settings=ConsoleSettings,
    effects=no_effects,
    duties=duties,
    routers=routers,
    self_authenticated=pages,
    replay=REPLAY,
)
