"""`hub up`, `hub down`, `hub demo`: the whole hub on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from hub_tools.demo.run import play
from hub_tools.demo.setting import PRICES, SOLD_OUT, UNLINKED, UNLINKED_SHOP_SKU
from hub_tools.demo.verdict import table_of
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import CONSOLE, CONSOLE_LOGIN, SANDBOX, Cluster
from hub_tools.stack import local
from hub_tools.stack.errors import StackError
from hub_tools.stack.state import DataFolder

_errors = Console(stderr=True, highlight=False)
_out = Console(highlight=False)
SANDBOX_SETTINGS: dict[str, object] = {
    "mirakl": {
        "debit_seconds": 1.0,
        "refund_seconds": 2.0,
        "import_step_seconds": 1.0,
        "offers": [{"sku": sku, "price": price} for sku, price in {**PRICES, UNLINKED: "10.00"}.items()],
    },
    "manomano": {
        "refund_seconds": 2.0,
        "offers": [
            {"sku": sku, "price": price, "stock": 1}
            for sku, price in {**PRICES, SOLD_OUT: "10.00", UNLINKED_SHOP_SKU: "10.00"}.items()
        ],
    },
}
"""The simulated operator debits within a second instead of half a minute, and every offer exists from the start."""


def _say(line: str) -> None:
    _errors.print(line, markup=False, soft_wrap=True)


Apart = Annotated[bool, typer.Option("--apart", help="One process per service instead of one for all.")]


def start_cluster(*, apart: bool) -> Cluster:
    """Start what does not run yet: PostgreSQL, broker, simulators, services."""
    info = local.up(durable=True, say=_say)
    if info.broker_kind == "wheel":
        _say("NOTE: the broker is a Kafka-compatible stand-in from a wheel, for development only")
    cluster = Cluster(info, apart=apart, sandbox_settings=SANDBOX_SETTINGS)
    cluster.prepare(_say)
    cluster.start(_say)
    return cluster


def up(apart: Apart = False) -> None:
    """Start the whole hub; it stays until `hub down`."""
    cluster = start_cluster(apart=apart)
    _marker().unlink(missing_ok=True)
    _where_to_look(cluster)


def down() -> None:
    """Stop services, simulators, broker and PostgreSQL; the data stays."""
    local.down(say=_say)
    _say("the hub is down; `make clean` removes its data")


def demo(
    orders: Annotated[int, typer.Option(min=10, help="How many orders to invent.")] = 300,
    keep: Annotated[bool, typer.Option(help="Leave the hub running afterwards.")] = False,
    apart: Apart = False,
) -> None:
    """Let some hundred orders of two simulated marketplaces flow through the hub, and check every one of them."""
    started = time.monotonic()
    _start_afresh()
    cluster = start_cluster(apart=apart)
    try:
        verdict = play(cluster, orders, _out)
        _out.print(table_of(verdict))
        for line in verdict.wrong[:40]:
            _errors.print(f"WRONG  {line}", markup=False, style="red")
        _out.print(f"demo took {time.monotonic() - started:.0f} s, set-up included")
    except (ApiError, StackError) as error:
        raise StackError(f"{error}; logs are in {cluster.logs()}") from None
    finally:
        if keep:
            _where_to_look(cluster)
        else:
            local.down()
    if verdict.wrong:
        raise typer.Exit(1)
    _out.print("every order is accounted for: none lost, none done twice, none unexplained", style="green")
    if not keep:
        _out.print("next: `make up` starts the hub and keeps it running; README.md says how to connect real accounts")


def _marker() -> Path:
    return DataFolder().path / "demo-only"


def _start_afresh() -> None:
    """The demo begins with empty databases; data that is not a demo's own is never removed for it."""
    folder = DataFolder()
    if folder.path.exists() and (folder.path / "stack.json").exists() and not _marker().exists():
        raise StackError(
            f"{folder.path} holds a hub that was started with `make up`; keep it and set HUB_DATA_DIR to another "
            "folder for the demo, or remove it with: make clean"
        )
    local.clean(say=lambda _: None)
    folder.path.mkdir(parents=True, exist_ok=True)
    _marker().touch()


def _where_to_look(cluster: Cluster) -> None:
    _tell("the hub runs; where to look:")
    secrets = cluster.folder.secrets / "hub.json"
    _tell(f"  web console               {cluster.url(CONSOLE)}/   ({CONSOLE_LOGIN}, console_password in {secrets})")
    _tell(f"  connections               {cluster.url('connection-registry')}/v1/connections")
    _tell(f"  shops post to             {cluster.url('shop-gateway')}/openapi.json")
    _tell(f"  simulators                {cluster.url(SANDBOX)}/")
    _tell(f"  Kafka                     {cluster.stack.bootstrap_servers}")
    _tell(f"  logs                      {cluster.logs()}")
    _tell(f"  operator token            in {secrets}")
    _tell("  in this terminal          .venv/bin/hub status, hub orders find, hub topics tail (docs/command-line.md)")
    _tell("stop it with: make down")


def _tell(line: str) -> None:
    _out.print(line, markup=False, soft_wrap=True)
