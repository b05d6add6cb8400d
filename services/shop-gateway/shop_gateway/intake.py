"""Taking a shop's post: its bytes are kept before they are read, and one key is never acted upon twice.

Receiving, interpreting and telling are one transaction, so a shop that got its 2xx can forget the post. Should the
interpretation fail by a defect of ours, the bytes are kept all the same and a person is told.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import UUID

import asyncpg
import orjson

from hub_common.connections import Connection, load_connections
from hub_common.errors import is_storage_down
from hub_common.logs import describe_error
from hub_common.tx import Tx
from shop_gateway import post_store
from shop_gateway.config import settings_of
from shop_gateway.interpret import Rules, interpret
from shop_gateway.post_store import StoredPost
from shop_gateway.shop_protocol import BadPost, parse_json
from shop_gateway.verdicts import FAILED, Verdict, conclude, parked

if TYPE_CHECKING:
    from hub_common.runtime import Runtime

ATTEMPTS = 3
"""Two posts that name the same rows in another order may be told apart by the database; then one goes again."""
COLLISIONS = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)


@dataclass(frozen=True, slots=True)
class Incoming:
    """An authenticated post. `dedupe_key` is its identity at this connection; `kind` the resource or webhook type."""

    shop: Connection
    source: str
    kind: str
    body: bytes
    headers: Mapping[str, str]
    dedupe_key: str

    @property
    def fingerprint(self) -> bytes:
        """The same content gives the same value, also when a sender's retry writes the JSON in another order."""
        return hashlib.sha256(f"{self.source}\x00{self.kind}\x00".encode() + _canonical(self.body)).digest()


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of a post; `repeated` when it was known and nothing was done."""

    post_id: UUID
    state: str
    cause: str | None
    detail: str
    errors: tuple[dict[str, str], ...]
    repeated: bool


class KeyReused(Exception):
    """The key stands for another content that was taken."""


def _canonical(body: bytes) -> bytes:
    try:
        return orjson.dumps(parse_json(body), default=str, option=orjson.OPT_SORT_KEYS)
    except (BadPost, TypeError, ValueError, RecursionError):
        return body


def rules_of(runtime: Runtime, *, despite_cancellation: bool = False) -> Rules:
    """Rules from the service's settings."""
    return Rules(settings_of(runtime).clock_ahead_seconds, despite_cancellation)


async def take(runtime: Runtime, incoming: Incoming) -> Taken:
    """Keep a post and act on it. Raises `KeyReused`, or the database's errors when nothing could be kept."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with runtime.transactions.begin() as tx:
                return await _take(tx, incoming, rules_of(runtime))
        except COLLISIONS:
            if attempt == ATTEMPTS:
                raise
        except KeyReused:
            raise
        except Exception as error:
            if is_storage_down(error):
                raise
            runtime.log.error("post_failed", connection_id=str(incoming.shop.connection_id), **describe_error(error))
            return await _keep_failed(runtime, incoming)
    raise AssertionError("the loop returns or raises")


async def _take(tx: Tx, incoming: Incoming, rules: Rules) -> Taken:
    post, fresh = await _keep(tx, incoming)
    if not fresh and post.state != "rejected":
        return Taken(post.post_id, post.state, post.cause, post.detail, tuple(orjson.loads(post.errors)), True)
    verdict = await interpret(tx, post, incoming.shop, rules)
    await conclude(tx, post, verdict)
    return _taken(post, verdict)


def _taken(post: StoredPost, verdict: Verdict) -> Taken:
    errors = tuple({"pointer": error.pointer, "detail": error.rule} for error in verdict.errors)
    return Taken(post.post_id, verdict.state, verdict.cause, verdict.detail, errors, False)


async def _keep(tx: Tx, incoming: Incoming) -> tuple[StoredPost, bool]:
    """Store a post, or find the one of its key. Nothing was done for a rejected one, so its key may be used again."""
    fingerprint = incoming.fingerprint
    values: list[Any] = [
        tx.ids.new(),
        incoming.shop.connection_id,
        incoming.shop.tenant,
        incoming.dedupe_key,
        fingerprint,
        incoming.source,
        incoming.kind,
        incoming.body,
        orjson.dumps(dict(incoming.headers)).decode(),
        tx.now,
    ]
    post = await post_store.insert_post(tx.conn, values)
    if post is not None:
        return post, True
    known = await post_store.post_by_key(tx.conn, incoming.shop.connection_id, incoming.dedupe_key)
    if known.fingerprint == fingerprint:
        return known, False
    if known.state != "rejected":
        raise KeyReused
    await post_store.free_key(tx.conn, known)
    post = await post_store.insert_post(tx.conn, values)
    assert post is not None, "the key was just freed under its row's lock"
    return post, True


async def _keep_failed(runtime: Runtime, incoming: Incoming) -> Taken:
    async with runtime.transactions.begin() as tx:
        post, _ = await _keep(tx, incoming)
        verdict = _failed()
        await conclude(tx, post, verdict)
    return _taken(post, verdict)


def _failed() -> Verdict:
    return parked(FAILED, "the hub failed to interpret it")


async def interpret_again(
    runtime: Runtime, post_id: UUID, *, despite_cancellation: bool = False, actor: str | None = None, wait: bool = True
) -> Taken | None:
    """Interpret a kept post once more; None when it is unknown, settled, or (`wait` off) in other hands."""
    try:
        async with runtime.transactions.begin() as tx:
            post = await post_store.lock_post(tx.conn, post_id, wait=wait)
            if post is None or post.state == "done":
                return None
            shops = await load_connections(tx.conn, [post.connection_id])
            shop = shops[post.connection_id]
            rules = rules_of(runtime, despite_cancellation=despite_cancellation)
            verdict = await interpret(tx, post, shop, rules)
            await conclude(tx, post, verdict, actor=actor)
            return _taken(post, verdict)
    except Exception as error:
        if is_storage_down(error) or isinstance(error, COLLISIONS):
            raise
        runtime.log.error("post_failed", **describe_error(error))
    async with runtime.transactions.begin() as tx:
        post = await post_store.lock_post(tx.conn, post_id)
        if post is None:
            return None
        verdict = _failed()
        await conclude(tx, post, verdict, actor=actor)
        return _taken(post, verdict)
