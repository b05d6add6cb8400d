"""One running hub for all tests of this folder that ask for it: every service in one process, and the simulators.

Started once, because starting takes longer than most tests. Tests therefore bring accounts of their own where they
would disturb each other: a contract of the ManoMano simulator each, a shop each.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from hub_common.testing.otlp import OtlpReceiver
from hub_tools.demo.setting import PRICES, SOLD_OUT, UNLINKED, UNLINKED_SHOP_SKU, build_setting, wait_for_stock
from hub_tools.run.cluster import Cluster
from hub_tools.stack import local
from ops_console.accounts import hash_password

from .browser.desk import PASSWORD
from .hub import CARRIERS, Hub, key_of

CONTRACTS = tuple(range(22000001, 22000013))
"""Contracts of the ManoMano simulator that are handed out to tests, one each."""
PEOPLE = {"admin": "admin:*", "operator": "operator:*", "viewer": "viewer:*", "elsewhere": "operator:another-tenant"}
"""Accounts of the console: login → role and tenants; all have the password of `browser/desk.py`."""
EXTRA = ("RETURN-01", "CANCEL-01", "STATED-01")
"""SKUs that shops with a will of their own sell. The simulators begin with other prices and quantities of them."""
ENVIRONMENT = {
    "HUB_CALL_TIMEOUT_SECONDS": "2",
    "HUB_EFFECT_FLIGHT_SECONDS": "8",
    "HUB_LEASE_SECONDS": "6",
    "HUB_DRAIN_SECONDS": "5",
    "HUB_LOG_LEVEL": "WARNING",
    "HUB_BACKFILL_CHUNK_HOURS": "400",
    "HUB_LOCAL_ACCOUNTS": " ".join(f"{login}:{what}:{hash_password(PASSWORD)}" for login, what in PEOPLE.items()),
}
"""Short times; the order between them is that of production."""
SHOP_SCRIPT: dict[str, Any] = {"carriers": list(CARRIERS), "ship_after_seconds": 0.3, "partial_every_n": 3}


def _sandbox_settings() -> dict[str, Any]:
    ours = {**PRICES, UNLINKED: "10.00"} | dict.fromkeys(EXTRA, "9.00")
    theirs = {**PRICES, SOLD_OUT: "10.00", UNLINKED_SHOP_SKU: "10.00"} | dict.fromkeys(EXTRA, "9.00")
    return {
        "mirakl": {
            "debit_seconds": 0.5,
            "refund_seconds": 1.0,
            "import_step_seconds": 0.5,
            "offers": [{"sku": sku, "price": price} for sku, price in ours.items()],
        },
        "manomano": {
            "refund_seconds": 1.0,
            "api_keys": ["manomano-sandbox-key", *map(key_of, CONTRACTS)],
            "contracts": {"11781522": "FR"} | {str(contract): "FR" for contract in CONTRACTS},
            "offers": [{"sku": sku, "price": price, "stock": 1} for sku, price in theirs.items()],
        },
    }


@pytest.fixture(scope="session")
def traces() -> Iterator[OtlpReceiver]:
    """Receives the spans of the running hub."""
    with OtlpReceiver() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def hub(tmp_path_factory: pytest.TempPathFactory, traces: OtlpReceiver) -> Iterator[Hub]:
    """A running hub in a data folder of its own; everything ends with the tests."""
    folder = Path(tmp_path_factory.mktemp("hub"))
    # PostgreSQL runs under another user when the tests run as root.
    folder.chmod(0o755)
    cluster: Cluster | None = None
    try:
        info = local.up(folder, durable=False)
        environment = ENVIRONMENT | {"HUB_OTLP_ENDPOINT": traces.url}
        cluster = Cluster(info, extra_env=environment, sandbox_settings=_sandbox_settings(), tied=True)
        cluster.prepare()
        cluster.start()
        setting = build_setting(cluster, shop_script=SHOP_SCRIPT)
        wait_for_stock(cluster, setting)
        yield Hub(cluster, setting, traces=traces)
    finally:
        if cluster is not None:
            cluster.stop()
        local.clean(folder)


@pytest.fixture(scope="session")
def contracts() -> Iterator[int]:
    """Contracts that nobody used yet: `next(contracts)`."""
    return iter(CONTRACTS)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """People at the console come last: they bury records and edit them, and others prove that none are buried."""
    folder = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(folder)]
    if ours:
        rest = iter(sorted(ours, key=lambda item: "browser" in item.path.parts))
        items[:] = [next(rest) if item.path.is_relative_to(folder) else item for item in items]
