"""`hub up`, `hub down`, `hub demo`: the whole hub on this machine."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from hub_tools.client.output import AsJson, emit, say, teller, words, write
from hub_tools.commands.stack import stop
from hub_tools.demo.run import play
from hub_tools.demo.setting import PRICES, SOLD_OUT, UNLINKED, UNLINKED_SHOP_SKU
from hub_tools.demo.verdict import Verdict, table_of
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import CONSOLE, CONSOLE_LOGIN, SANDBOX, Cluster
from hub_tools.stack import local
from hub_tools.stack.errors import StackError
from hub_tools.stack.model import Say
from hub_tools.stack.state import DataFolder

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


Apart = Annotated[bool, typer.Option("--apart", help="One process per service instead of one for all.")]


def start_cluster(*, apart: bool, tell: Say) -> Cluster:
    """Start what does not run yet: PostgreSQL, broker, simulators, services."""
    info = local.up(durable=True, say=tell)
    if info.broker_kind == "wheel":
        tell("NOTE: the broker is a Kafka-compatible stand-in from a wheel, for development only")
    cluster = Cluster(info, apart=apart, sandbox_settings=SANDBOX_SETTINGS)
    cluster.prepare(tell)
    cluster.start(tell)
    return cluster


def up(apart: Apart = False, as_json: AsJson = False) -> None:
    """Start the whole hub; it stays until `hub down`."""
    cluster = start_cluster(apart=apart, tell=teller(as_json))
    _marker().unlink(missing_ok=True)
    found = places(cluster)
    emit(found, as_json, lambda console: _draw_places(console, found))


def down(as_json: AsJson = False) -> None:
    """Stop services, simulators, broker and PostgreSQL; the data stays."""
    stop(as_json, "the hub is down; `make clean` removes its data")


def demo(
    orders: Annotated[int, typer.Option(min=10, help="How many orders to invent.")] = 300,
    keep: Annotated[bool, typer.Option(help="Leave the hub running afterwards.")] = False,
    apart: Apart = False,
    as_json: AsJson = False,
) -> None:
    """Let some hundred orders of two simulated marketplaces flow through the hub, and check every one of them."""
    started = time.monotonic()
    _start_afresh()
    console = words(as_json)
    cluster = start_cluster(apart=apart, tell=teller(as_json))
    try:
        verdict = play(cluster, orders, console)
        seconds = time.monotonic() - started
        _draw_ledger(console, verdict, seconds)
    except (ApiError, StackError) as error:
        raise StackError(f"{error}; logs are in {cluster.logs()}") from None
    finally:
        if keep:
            _draw_places(console, places(cluster))
        else:
            local.down()
    hub = places(cluster) if keep else None
    answer = {**verdict.as_dict(), "seconds": round(seconds, 1), "hub": hub}
    emit(answer, as_json, lambda shown: _draw_verdict(shown, verdict, keep=keep))
    if verdict.wrong:
        raise typer.Exit(1)


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


def places(cluster: Cluster) -> dict[str, Any]:
    """Where everything of a running hub is; of secrets only the file that keeps them."""
    return {
        "up": True,
        "data_dir": str(cluster.folder.path),
        "console": {"url": f"{cluster.url(CONSOLE)}/", "login": CONSOLE_LOGIN},
        "services": [{"service": name, "url": cluster.url(name)} for name in cluster.specs],
        "sandbox": {"url": f"{cluster.url(SANDBOX)}/"},
        "broker": {"kind": cluster.stack.broker_kind, "bootstrap_servers": cluster.stack.bootstrap_servers},
        "postgres": {"kind": cluster.stack.postgres_kind},
        "logs": str(cluster.logs()),
        "secrets_file": str(cluster.folder.secrets / "hub.json"),
    }


def _draw_places(console: Console, found: dict[str, Any]) -> None:
    url = {each["service"]: each["url"] for each in found["services"]}
    entry, secrets = found["console"], found["secrets_file"]
    lines = [
        "the hub runs; where to look:",
        f"  web console               {entry['url']}   ({entry['login']}, console_password in {secrets})",
        f"  connections               {url['connection-registry']}/v1/connections",
        f"  shops post to             {url['shop-gateway']}/openapi.json",
        f"  simulators                {found['sandbox']['url']}",
        f"  Kafka                     {found['broker']['bootstrap_servers']}",
        f"  logs                      {found['logs']}",
        f"  operator token            in {secrets}",
        "  in this terminal          .venv/bin/hub status, hub orders find, hub topics tail (docs/command-line.md)",
        "stop it with: make down",
    ]
    write(console, lines)


def _draw_ledger(console: Console, verdict: Verdict, seconds: float) -> None:
    """As soon as it is known: stopping the hub takes its time."""
    console.print(table_of(verdict))
    for line in () if console.quiet else verdict.wrong[:40]:
        say(f"WRONG  {line}", style="red")
    console.print(f"demo took {seconds:.0f} s, set-up included")


def _draw_verdict(console: Console, verdict: Verdict, *, keep: bool) -> None:
    if verdict.wrong:
        return
    console.print("every order is accounted for: none lost, none done twice, none unexplained", style="green")
    if not keep:
        console.print(
            "next: `make up` starts the hub and keeps it running; README.md says how to connect real accounts"
        )
