"""Resident memory of one idle service process, as it is started in production."""

from __future__ import annotations

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import psutil

from bench.options import Options
from bench.report import Figure
from bench.stage import Stage
from hub_common.crypto import generate_key
from hub_common.kafka.client import ensure_topics
from hub_contracts.topics import TOPICS
from hub_tools.stack.databases import create_database, drop_database

MODULE = "order_acceptance"
"""A service with everything: three topics, effects, deadlines, web API, connectors."""
START_SECONDS = 60.0
SETTLE_SECONDS = 10.0
"""After the start: joins, first polls and refreshes are over."""


async def measure(stage: Stage, options: Options) -> list[Figure]:
    """Figure of memory."""
    prefix, name = f"b{secrets.token_hex(4)}-", f"bench_{secrets.token_hex(6)}"
    await ensure_topics(stage.kafka, TOPICS, prefix=prefix)
    dsn = await create_database(stage.postgres, name)
    environment = {
        "HUB_DATABASE_DSN": dsn,
        "HUB_KAFKA_BOOTSTRAP": stage.kafka,
        "HUB_TOPIC_PREFIX": prefix,
        "HUB_CREDENTIALS_KEYS": generate_key("bench"),
    }
    try:
        await _migrate(environment)
        async with _service(environment) as pid:
            await asyncio.sleep(SETTLE_SECONDS)
            process = psutil.Process(pid)
            resident = process.memory_info().rss / 1e6
            own = process.memory_full_info().uss / 1e6
    finally:
        await drop_database(stage.postgres, name)
    return [
        Figure(
            bench="memory",
            what=f"{MODULE}, idle",
            against="",
            measured=f"{own:.0f} MB not shared with others",
            value=round(resident, 1),
            spread="",
            target=120,
            unit="MB",
            higher=False,
            details={"rss_mb": round(resident, 1), "uss_mb": round(own, 1)},
        )
    ]


async def _migrate(environment: dict[str, str]) -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, "migrate", env=os.environ | environment, stderr=asyncio.subprocess.PIPE
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()


@asynccontextmanager
async def _service(environment: dict[str, str]) -> AsyncIterator[int]:
    """The running service's process id; it says in its log when it has started. Stopped in order afterwards."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        MODULE,
        env=os.environ | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    assert process.stdout is not None
    seen: list[str] = []
    reading: asyncio.Task[bytes] | None = None
    try:
        async with asyncio.timeout(START_SECONDS):
            while not seen or "service_started" not in seen[-1]:
                line = await process.stdout.readline()
                assert line, "the service ended:\n" + "".join(seen)
                seen.append(line.decode())
        reading = asyncio.create_task(process.stdout.read())
        yield process.pid
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        if reading is not None:
            await reading


if __name__ == "__main__":
    from bench.main import alone

    raise SystemExit(alone("memory"))
