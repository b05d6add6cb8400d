"""Work that will not be cancelled holds nobody up."""

from __future__ import annotations

import asyncio

import pytest

from hub_common.bounded import within


async def test_stubborn_work_is_left_to_itself() -> None:
    release = asyncio.Event()

    async def stubborn() -> None:
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    with pytest.raises(TimeoutError):
        await within(0.01, stubborn())
    release.set()


async def test_results_and_errors_come_through() -> None:
    async def answer() -> int:
        return 7

    async def fail() -> int:
        raise ValueError("no")

    assert await within(5, answer()) == 7
    with pytest.raises(ValueError, match="no"):
        await within(5, fail())
