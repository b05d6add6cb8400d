"""What the tests of the stack share: sending and receiving, asking a database, looking for leftover processes."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import asyncpg
import psutil
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

_TIMEOUT_S = 30.0


async def send(bootstrap: str, topic: str, values: list[bytes], *, partition: int = 0) -> None:
    """Send all, acknowledged by the broker."""
    producer = AIOKafkaProducer(bootstrap_servers=bootstrap, acks="all")
    async with asyncio.timeout(_TIMEOUT_S):
        await producer.start()
        try:
            for value in values:
                await producer.send_and_wait(topic, value, partition=partition)
        finally:
            await producer.stop()


async def receive(bootstrap: str, topic: str, count: int, *, partition: int = 0) -> list[bytes]:
    """The first `count` values of a partition."""
    consumer = AIOKafkaConsumer(bootstrap_servers=bootstrap, auto_offset_reset="earliest", fetch_max_wait_ms=20)
    values: list[bytes] = []
    async with asyncio.timeout(_TIMEOUT_S):
        await consumer.start()
        try:
            consumer.assign([TopicPartition(topic, partition)])
            await consumer.seek_to_beginning()
            while len(values) < count:
                values.append((await consumer.getone()).value)
        finally:
            await consumer.stop()
    return values


async def ask(dsn: str, query: str, *arguments: object) -> object:
    """The single value of a query."""
    connection = await asyncpg.connect(dsn, timeout=_TIMEOUT_S)
    try:
        return await connection.fetchval(query, *arguments)
    finally:
        await connection.close()


def modes(folder: Path) -> list[int]:
    """The permission bits of everything in a folder."""
    return [path.stat().st_mode & 0o777 for path in folder.iterdir()]


def gone(pid: int) -> bool:
    """Whether a process has ended (a zombie has)."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def processes_of(folder: Path) -> list[str]:
    """Command lines of running processes that name `folder` or work below it, this one excepted."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.pid == psutil.Process().pid or process.status() == psutil.STATUS_ZOMBIE:
                continue
            line = " ".join(process.cmdline())
            if str(folder) in line or str(folder) in process.cwd():
                found.append(line)
        except psutil.Error:
            continue
    return found


def eventually(true: object, *, timeout: float = 15.0) -> bool:
    """Poll a callable until it returns something true; False when the time (seconds) is over."""
    assert callable(true)
    deadline = time.monotonic() + timeout
    while not true():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.05)
    return True
