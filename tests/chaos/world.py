"""The hub under test: one process per service, a broker and a database that can be hurt, simulators that stay honest.

The simulators are the outside: they are never killed, and their own record is what the hub is measured against.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import asyncpg

from hub_tools.demo.outside import REFUSED, Outside, look_outside
from hub_tools.demo.scenario import Story, invent
from hub_tools.demo.setting import PRICES, Setting, build_setting, wait_for_stock
from hub_tools.run.api import ApiError
from hub_tools.run.cluster import SANDBOX, Cluster
from hub_tools.stack import local
from hub_tools.stack.broker import open_broker, open_postgres
from hub_tools.stack.model import Broker, Postgres
from hub_tools.stack.state import DataFolder
from hub_tools.stack.waiting import run_sync

ORDERS = int(os.environ.get("HUB_CHAOS_ORDERS", "60"))
"""Orders per fault; CI takes the default, a release takes thousands."""
CALM_SECONDS = float(os.environ.get("HUB_CHAOS_CALM_SECONDS", "240"))
"""How long the hub may take to be done after the last fault."""

ROUND_SECONDS = 0.5
"""Between two looks at the world; the looks themselves cost the machine something."""

ENVIRONMENT = {
    "HUB_CALL_TIMEOUT_SECONDS": "1.5",
    "HUB_EFFECT_FLIGHT_SECONDS": "6",
    "HUB_LEASE_SECONDS": "4",
    "HUB_DRAIN_SECONDS": "5",
    "HUB_LOG_LEVEL": "WARNING",
}
"""Short times, so that recovery is seen within minutes; the order between them is that of production."""

SHOP_SCRIPT: dict[str, Any] = {
    "carriers": ["DPD", "UPS"],
    "ship_after_seconds": 0.5,
    "partial_every_n": 5,
    "return_every_n": 15,
    "return_after_seconds": 1.0,
}


@dataclass
class World:
    """Everything that a fault test can touch."""

    cluster: Cluster
    setting: Setting
    broker: Broker
    postgres: Postgres
    story: Story = field(default_factory=Story)

    def orders(self, count: int) -> None:
        """Let the marketplaces have `count` more orders, in small groups, as buyers would."""
        skus = sorted(PRICES)
        for number in range(count):
            position = self.story.total + number
            lines = [
                {"sku": skus[(position + step) % len(skus)], "price": PRICES[skus[(position + step) % len(skus)]]}
                | {"quantity": 1 + step}
                for step in range(1 + position % 2)
            ]
            invent(self.cluster, self.story, ("manomano", "mirakl")[number % 2], 1, skus=lines)

    def outside(self) -> Outside:
        """What the simulated outside holds now."""
        return look_outside(self.cluster.api(SANDBOX))

    def faults(self, connector: str, *rules: dict[str, Any]) -> None:
        """Set the fault switches of a simulator; none = well-behaved again."""
        self.cluster.api(SANDBOX).put(f"/{connector}/_sandbox/faults", list(rules))

    def revive(self) -> None:
        """Start every service that is not running."""
        for name in self.cluster.specs:
            if not self.cluster.supervisor.status(name).running:
                self.cluster.start_service(name)

    def settle_doubts(self) -> int:
        """Do what an operator does about effects that cannot be seen from outside: look, and say what is true."""
        settled = 0
        refunds = self.outside().refunds_by_order
        for item in self._doubts():
            reference = str(item["request"]["order_reference"])
            verdict = "applied" if refunds.get(reference, 0) > self._confirmed(reference) else "not_applied_resend"
            body = {"verdict": verdict, "evidence": "looked it up in the simulated back office"}
            path = f"/v1/operations/effects/{item['effect_id']}/settle"
            self.cluster.api("refund-service").post(path, body)
            settled += 1
        return settled

    def _doubts(self) -> list[dict[str, Any]]:
        try:
            answer = self.cluster.api("refund-service").get("/v1/operations/effects?state=UNKNOWN&limit=1000")
        except ApiError:
            return []
        return [item for item in answer["items"] if item["needs_operator"]]

    def _confirmed(self, reference: str) -> int:
        answer = self.cluster.api("refund-service").get("/v1/operations/effects?state=DONE&kind=refund&limit=1000")
        return sum(1 for item in answer["items"] if item["request"]["order_reference"] == reference)

    def until(self, holds: Callable[[], bool], what: str, seconds: float = 60) -> None:
        """Wait until something is seen; fail saying what was not."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not seen within {seconds:.0f} s: {what}"
            time.sleep(ROUND_SECONDS)

    def waiting_events(self, service: str) -> int:
        """Rows in a service's outbox: committed, and not told to the broker yet."""
        return int(run_sync(self._count(service, "SELECT count(*) FROM outbox")))

    def database_is_missed(self, service: str) -> bool:
        """Whether a service says that it is not ready because its database is away."""
        try:
            self.cluster.api(service).get("/readyz")
        except ApiError as error:
            return error.status == 503
        return False

    async def _count(self, service: str, sql: str) -> int:
        conn = await asyncpg.connect(self.cluster.dsn(service))
        try:
            return int(await conn.fetchval(sql))
        finally:
            await conn.close()

    def until_done(self, during: Callable[[], None] = lambda: None) -> Outside:
        """Wait until every order is shipped or refused at its marketplace; fail with what is missing."""
        deadline = time.monotonic() + CALM_SECONDS
        while True:
            during()
            self.revive()
            outside = self.outside()
            wanted = {(m, ref) for m, refs in self.story.references.items() for ref in refs}
            missing = {order for order in wanted if outside.statuses.get(order) not in REFUSED} - outside.shipped()
            if not missing and self.settle_doubts() == 0:
                return outside
            assert time.monotonic() < deadline, self._why(sorted(missing), outside)
            time.sleep(ROUND_SECONDS)

    def _why(self, missing: list[tuple[str, str]], outside: Outside) -> str:
        lines = [f"{len(missing)} orders are not done, e.g.:"]
        lines += [f"  {order}: {outside.statuses.get(order)}" for order in missing[:5]]
        for name in self.cluster.specs:
            try:
                api = self.cluster.api(name)
                parked = api.get("/v1/operations/parked")["items"]
                waiting = api.get("/v1/operations/effects?limit=1000")["items"]
                letters = api.get("/v1/operations/dead-letters")["items"]
            except ApiError as error:
                lines.append(f"  {name}: {error}")
                continue
            open_effects = [e for e in waiting if e["state"] not in ("DONE", "REJECTED", "SUPERSEDED")]
            lines += [f"  {name}: parked {item['cause']}: {item['detail'][:120]}" for item in parked[:3]]
            lines += [f"  {name}: {e['kind']} is {e['state']}: {e['reason'][:120]}" for e in open_effects[:3]]
            lines += [f"  {name}: dead letter: {letter['error'][:160]}" for letter in letters[:3]]
        return "\n".join(lines)


@contextmanager
def running_world(folder: Path) -> Iterator[World]:
    """Start everything in `folder`; end everything afterwards."""
    info = local.up(folder, durable=True)
    sandbox = {
        "mirakl": {"debit_seconds": 0.5, "refund_seconds": 1.0, "import_step_seconds": 0.5},
        "manomano": {
            "refund_seconds": 1.0,
            "offers": [{"sku": sku, "price": price, "stock": 1} for sku, price in PRICES.items()],
        },
    }
    cluster = Cluster(info, apart=True, extra_env=ENVIRONMENT, sandbox_settings=sandbox, tied=True)
    try:
        cluster.prepare()
        cluster.start()
        setting = build_setting(cluster, shop_script=SHOP_SCRIPT)
        wait_for_stock(cluster, setting)
        data = DataFolder(folder)
        state = data.read()
        yield World(
            cluster,
            setting,
            open_broker(data.broker, state=state.broker),
            open_postgres(data.postgres, state=state.postgres),
        )
    finally:
        cluster.stop()
        local.clean(folder)
