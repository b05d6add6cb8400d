"""A connection's way to the outside: credentials, their verification, and the call budgets that go with them.

What is decided here holds for every connection of a credential at once, because the quota behind it is one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from uuid import UUID

from pydantic import SecretStr

from connection_registry import credentials, store, verification
from connection_registry.checks import Form, least_budgets, manifest_of, resolve_budgets
from connection_registry.model import Note, Stored
from connection_registry.registry import Registry, changed_meanwhile
from connector_kit.capabilities import Verification
from connector_kit.manifest import Manifest
from hub_common.tx import Tx
from hub_contracts.connections import ConnectionState

RESEAL_PAGE = 500


async def set_credentials(
    registry: Registry,
    connection_id: UUID,
    given: Mapping[str, SecretStr],
    actor: str,
    *,
    sharing: bool,
    unchecked: bool,
) -> list[Stored]:
    """Replace the credentials at once, of this connection or (`sharing`) of all of its tenant that have the same.

    A running connection's new credentials are tried first unless `unchecked`. Returns all that changed, this one
    first. Raises `Problem` 422 for fields, 409 when the trial fails or budgets contradict.
    """
    runtime = registry.runtime
    before = await registry.get(connection_id)
    manifest = manifest_of(before.data.connector)
    form = Form(manifest, registry.policy)
    plain = form.credentials(given)
    form.finish()
    result: Verification | None = None
    if before.data.state is not ConnectionState.INACTIVE and not unchecked:
        sealed = runtime.keyring.seal(connection_id, plain)
        candidate = replace(before, data=before.data.model_copy(update={"credentials": sealed}))
        result = await registry.must_pass(candidate)
    async with runtime.transactions.begin() as tx:
        await store.lock_credentials(tx)
        members = await store.lock_group(tx, before.data.credential_ref)
        mine = next((each for each in members if each.connection_id == connection_id), None)
        if mine is None or (result is not None and outside(mine) != outside(before)):
            raise changed_meanwhile(mine.version if mine else before.version)
        chosen = [mine, *(each for each in members if sharing and _same_key(mine, each))]
        written = await _replace(tx, registry, manifest, chosen, plain, result, actor)
    await runtime.connections.refresh()
    return written


async def _replace(
    tx: Tx,
    registry: Registry,
    manifest: Manifest,
    chosen: list[Stored],
    plain: Mapping[str, str],
    result: Verification | None,
    actor: str,
) -> list[Stored]:
    group = [each.connection_id for each in chosen]
    note = Note("credentials_rotated", tuple(f"credentials.{name}" for name in sorted(plain)))
    written = []
    for each in chosen:
        after = await registry.with_credentials(tx, manifest, each, plain, group)
        if result is None:
            after = replace(after, data=after.data.model_copy(update={"verified": False}))
        elif each is chosen[0]:
            after = verification.with_result(registry.runtime, after, result, actor)
        written.append(await store.write(tx, after, note, actor))
    return written


async def verify(registry: Registry, connection_id: UUID, actor: str) -> tuple[Stored, Verification]:
    """Make the cheap read and store what it said. Raises `Problem` 409 when the connection changed meanwhile."""
    before = await registry.get(connection_id)
    result = await registry.try_out(before)
    async with registry.runtime.transactions.begin() as tx:
        stored = await registry.locked(tx, connection_id)
        if outside(stored) != outside(before):
            raise changed_meanwhile(stored.version)
        after = verification.with_result(registry.runtime, stored, result, actor)
        note = Note("verified" if result.ok else "verification_failed")
        if after.data == stored.data:
            # Nothing that others know has changed: no event, so that nobody rebuilds callers for it.
            await store.save_details(tx, after)
            await store.audit(tx, connection_id, stored.version, note, actor)
            return after, result
        after = await store.write(tx, after, note, actor)
    await registry.runtime.connections.refresh()
    return after, result


async def set_budgets(
    registry: Registry, connection_id: UUID, patch: Mapping[str, int | None], actor: str
) -> list[Stored]:
    """Override calls per hour (null takes an override back) for all connections that share the credential.

    Returns those that share it. Raises `Problem` 422 for operations that the connector does not have.
    """
    runtime = registry.runtime
    stored = await registry.get(connection_id)
    manifest = manifest_of(stored.data.connector)
    form = Form(manifest, registry.policy)
    form.budgets(stored.details.budget_overrides, patch)
    form.finish()
    note = Note("budgets_changed", tuple(f"budgets.{name}" for name in sorted(patch)))
    written = []
    async with runtime.transactions.begin() as tx:
        await store.lock_credentials(tx)
        members = await store.lock_group(tx, stored.data.credential_ref)
        mine = next((each for each in members if each.connection_id == connection_id), None)
        if mine is None:
            raise changed_meanwhile(stored.version)
        overrides = form.budgets(mine.details.budget_overrides, patch)
        budgets = least_budgets(resolve_budgets(manifest, overrides, m.data.connector_settings) for m in members)
        for each in members:
            if each.details.budget_overrides != overrides:
                data = each.data.model_copy(update={"budgets": budgets})
                details = replace(each.details, budget_overrides=overrides)
                each = await store.write(tx, replace(each, data=data, details=details), note, actor)
            written.append(each)
    await runtime.connections.refresh()
    return written


async def reseal(registry: Registry, actor: str) -> int:
    """Seal all credentials with the deployment's current key; returns how many were not. One commit each.

    Raises `SealError` when a connection's key is no longer configured.
    """
    runtime, count = registry.runtime, 0
    last: UUID | None = None
    while page := await store.page(runtime.pool, {}, last, RESEAL_PAGE):
        last = page[-1].connection_id
        for each in page:
            sealed = each.data.credentials
            if sealed is None or not runtime.keyring.needs_reseal(sealed):
                continue
            async with runtime.transactions.begin() as tx:
                changed = await credentials.reseal(tx, runtime.keyring, each.connection_id)
                if changed is not None:
                    await store.write(tx, changed, Note("credentials_resealed"), actor)
                    count += 1
    async with runtime.transactions.begin() as tx:
        await credentials.fingerprint_key(tx, runtime.keyring)
    await runtime.connections.refresh()
    return count


def outside(stored: Stored) -> tuple[Any, ...]:
    """Everything that decides what a check talks to."""
    return stored.data.base_url, stored.data.connector_settings, stored.data.credentials


def _same_key(one: Stored, other: Stored) -> bool:
    """Another connection of the tenant with the same credentials (a reference may outlive a key)."""
    mark = one.details.fingerprint
    mine = other.connection_id == one.connection_id
    return not mine and mark is not None and other.tenant == one.tenant and other.details.fingerprint == mark
