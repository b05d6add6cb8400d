"""The `hub` command: the tree of commands, each loaded when it is named. How they end is in group.py.

Loading all of them takes seconds, since some bring the services along; nobody waits that long for a completion.
"""

from __future__ import annotations

import typer

from hub_tools.group import EPILOG, HubGroup
from hub_tools.lazy import Place

RUN, LOOK, BUILD = "Run a hub here", "Look at a hub and mend it", "Work on the code"
PLACES: dict[str, Place] = {
    "up": Place("run", RUN),
    "down": Place("run", RUN),
    "demo": Place("run", RUN),
    "stack": Place("stack", RUN),
    "compose-env": Place("compose_env", RUN),
    "hash-password": Place("hash_password", RUN, "hash_password_command"),
    "status": Place("status", LOOK),
    "doctor": Place("doctor", LOOK),
    "orders": Place("orders", LOOK),
    "topics": Place("topics", LOOK),
    "parked": Place("parked", LOOK),
    "dlq": Place("dlq", LOOK),
    "effects": Place("effects", LOOK),
    "connections": Place("connections", LOOK),
    "carriers": Place("carriers", LOOK),
    "stock": Place("stock", LOOK),
    "backfill": Place("backfill", LOOK),
    "privacy": Place("privacy", LOOK),
    "replay": Place("replay", LOOK),
    "lint": Place("lint", BUILD),
    "bench": Place("bench", BUILD),
    "new-connector": Place("new_connector", BUILD),
    "new-service": Place("new_service", BUILD),
    "register-service": Place("new_service", BUILD),
    "k8s-base": Place("new_service", BUILD),
}
"""Command → module of `hub_tools.commands`, which has an `app` (a group) or a function of that name, and heading."""


class Root(HubGroup):
    """The root of the tree."""

    places = PLACES


app = typer.Typer(cls=Root, no_args_is_help=True, pretty_exceptions_enable=False, epilog=EPILOG)


@app.callback()
def hub() -> None:
    """Run, look at and mend an order-routing hub: the one on this machine, or the one that HUB_URL_TEMPLATE (or
    HUB_SERVICE_URLS), HUB_TOKEN and HUB_KAFKA_BOOTSTRAP name."""


def main() -> None:
    """Entry point; exit codes are in `hub --help`."""
    app()
