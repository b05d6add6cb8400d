"""Verification against connectors that misbehave, and against changes that happen while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import pytest

from connection_registry.store import LOCK_CREDENTIALS
from connector_kit.capabilities import Verification
from connector_kit.http import NotSent
from hub_contracts.connections import ConnectionChanged

WAITING = """
SELECT EXISTS (SELECT 1 FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
               AND database = (SELECT oid FROM pg_database WHERE datname = current_database()))
"""


class Odd:
    """A connector whose `verify` does what the test says."""

    def __init__(self, act: Callable[[], Awaitable[Verification]]) -> None:
        self.verify = act


def odd_connector(desk: Any, monkeypatch: pytest.MonkeyPatch, act: Callable[[], Awaitable[Verification]]) -> None:
    monkeypatch.setattr(desk.harness.runtime.book, "build", lambda _connection, _lane: Odd(act))


async def test_a_connector_that_quotes_the_key_gives_nothing_away(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def quote() -> Verification:
        return Verification(False, f"HTTP 401: key {desk.KEY} is not known\x00")

    connection = await desk.marketplace()
    odd_connector(desk, monkeypatch, quote)
    detail = (await desk("POST", f"/connections/{connection}/verify"))["detail"]
    assert detail.startswith("the credentials were refused")
    assert detail.endswith("key *** is not known")


@pytest.mark.parametrize("error", [RuntimeError, KeyError])
async def test_a_connector_that_breaks_is_an_answer_without_its_words(
    desk: Any, monkeypatch: pytest.MonkeyPatch, capsys: Any, error: type[Exception]
) -> None:
    async def explode() -> Verification:
        raise error(f"api key={desk.KEY}")

    connection = await desk.marketplace()
    odd_connector(desk, monkeypatch, explode)
    result = await desk("POST", f"/connections/{connection}/verify")
    assert result["detail"] == f"the connector failed ({error.__name__}); the service's log tells more"
    assert desk.KEY not in capsys.readouterr().err


async def test_a_call_that_was_not_made_says_why(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async def held() -> Verification:
        raise NotSent("verify: call budget is used up", retry_after=900)

    connection = await desk.marketplace()
    odd_connector(desk, monkeypatch, held)
    assert "budget is used up" in (await desk("POST", f"/connections/{connection}/verify"))["detail"]


async def test_a_connector_without_verification_says_so(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await desk.marketplace()
    monkeypatch.setattr(desk.harness.runtime.book, "build", lambda _connection, _lane: object())
    assert "cannot check" in (await desk("POST", f"/connections/{connection}/verify"))["detail"]


async def test_the_result_of_a_connection_that_changed_meanwhile_is_not_stored(
    desk: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await desk.marketplace()

    async def change_then_agree() -> Verification:
        await desk("PATCH", f"/connections/{connection}", {"connector_settings": {"seller_contract_id": 99}})
        return Verification(True, "fine")

    odd_connector(desk, monkeypatch, change_then_agree)
    problem = await desk("POST", f"/connections/{connection}/verify", expect=409)
    assert problem["type"] == "urn:hub:problem:changed-meanwhile"
    assert (await desk("GET", f"/connections/{connection}"))["verified"] is False


async def test_a_label_changed_meanwhile_does_not_matter(desk: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = await desk.marketplace()

    async def rename_then_agree() -> Verification:
        await desk("PATCH", f"/connections/{connection}", {"label": "renamed"})
        return Verification(True, "fine")

    odd_connector(desk, monkeypatch, rename_then_agree)
    shown = (await desk("POST", f"/connections/{connection}/verify"))["connection"]
    assert (shown["verified"], shown["label"], shown["version"]) == (True, "renamed", 3)


async def test_a_change_made_while_another_is_tried_out_is_not_lost(
    desk: Any, manomano: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = await desk.live_marketplace(manomano.url)
    tried: list[int] = []

    async def rename_once_then_agree() -> Verification:
        tried.append(1)
        if len(tried) == 1:
            await desk("PATCH", f"/connections/{connection}", {"label": "renamed"})
        return Verification(True, "fine")

    odd_connector(desk, monkeypatch, rename_once_then_agree)
    patch = {"connector_settings": {"seller_contract_id": desk.OTHER_CONTRACT}}
    shown = await desk("PATCH", f"/connections/{connection}", patch)
    assert (shown["label"], shown["connector_settings"]["seller_contract_id"]) == ("renamed", desk.OTHER_CONTRACT)
    assert len(tried) == 2


async def test_connections_made_at_the_same_time_with_one_key_share_it(desk: Any) -> None:
    other = await desk.marketplace(key=desk.NEW_KEY)
    await asyncio.gather(*(desk.marketplace() for _ in range(6)))
    bodies = await desk.harness.runtime.pool.fetch(
        "SELECT body FROM connections WHERE connection_id <> $1", UUID(other)
    )
    found = {ConnectionChanged.model_validate_json(row["body"]).credential_ref for row in bodies}
    assert len(found) == 1


async def test_who_shares_a_credential_is_decided_one_after_the_other(desk: Any) -> None:
    pool = desk.harness.runtime.pool
    async with pool.acquire() as conn, conn.transaction():
        await conn.execute(LOCK_CREDENTIALS)
        creating = asyncio.create_task(desk.marketplace())
        async with asyncio.timeout(20):
            while not creating.done() and not await conn.fetchval(WAITING):
                await asyncio.wait({creating}, timeout=0.02)
        assert not creating.done()
    assert await creating
