"""An operator's profile sets the call budgets of its connections, and never two numbers for one shared quota."""

from __future__ import annotations

from typing import Any

INTEGRATOR = {"operator_profile": "integrator"}
HOST = "http://127.0.0.1:9"


async def operator(desk: Any, **changes: Any) -> str:
    """A Mirakl connection; all of them have the same key and address."""
    return str(await desk.marketplace(connector="mirakl", base_url=HOST, **({"connector_settings": {}} | changes)))


async def listing(desk: Any, connection_id: str) -> int:
    """Calls per hour for listing orders."""
    return int((await desk("GET", f"/connections/{connection_id}"))["budgets"]["list_orders"])


async def test_a_profile_sets_the_budgets_until_the_connection_states_its_own(desk: Any) -> None:
    """Mirakl OR11: an integrator may list four times an hour, a seller's own integration once a minute."""
    one = await operator(desk)
    assert await listing(desk, one) == 60
    await desk("PATCH", f"/connections/{one}", {"connector_settings": INTEGRATOR})
    assert await listing(desk, one) == 4
    await desk("PATCH", f"/connections/{one}/budgets", {"budgets": {"list_orders": 3}})
    await desk("PATCH", f"/connections/{one}", {"connector_settings": {"operator_profile": None}})
    assert await listing(desk, one) == 3


async def test_a_new_connection_begins_with_its_profiles_budgets(desk: Any) -> None:
    assert await listing(desk, await operator(desk, connector_settings=INTEGRATOR)) == 4


async def test_who_shares_a_quota_cannot_be_stricter_alone(desk: Any) -> None:
    one, two = await operator(desk), await operator(desk)
    path = f"/connections/{one}"
    rules = await desk.refused("PATCH", path, {"connector_settings": INTEGRATOR}, status=409)
    assert (
        f"4 per hour by this connection's operator profile and 60 at connection {two}" in rules["#/budgets/list_orders"]
    )
    assert [await listing(desk, each) for each in (one, two)] == [60, 60]
    await desk("PATCH", f"{path}/budgets", {"budgets": {name.rsplit("/", 1)[1]: 4 for name in rules}})
    await desk("PATCH", path, {"connector_settings": INTEGRATOR})
    assert [await listing(desk, each) for each in (one, two)] == [4, 4]


async def test_who_joins_a_stricter_quota_takes_it(desk: Any) -> None:
    one = await operator(desk, connector_settings=INTEGRATOR)
    joining = await operator(desk)
    assert [await listing(desk, each) for each in (one, joining)] == [4, 4]
    await desk("PATCH", f"/connections/{joining}/budgets", {"budgets": {"ship": 5}})
    assert [await listing(desk, each) for each in (one, joining)] == [4, 4], "the strictest holds for both"
