"""What people do to connections: create, change, switch on and off. Credentials and budgets are in `access`.

Each action reads, decides, may try the outside, and then writes under a lock only if the connection is still what was
decided about. Outside calls are never made while a lock is held.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any
from uuid import UUID

from connection_registry import credentials, store, verification
from connection_registry.bodies import ChangeBody, CreateBody
from connection_registry.checks import Form, manifest_of, needs_base_url, resolve_budgets
from connection_registry.config import RegistrySettings
from connection_registry.domain import PAST, STATE_AFTER, Item, Step, StepRefused, next_state, shop_problem, unmet
from connection_registry.gate import items_of
from connection_registry.model import Details, Note, Stored
from connection_registry.setting_rules import paths
from connector_kit.capabilities import Verification
from connector_kit.manifest import Manifest
from hub_common.http import AddressPolicy
from hub_common.runtime import Runtime
from hub_common.tx import Tx
from hub_common.web import FieldError, Problem
from hub_contracts.connections import ConnectionChanged, ConnectionState, HubSettings

TRIES = 3
"""How often a change is decided anew because somebody else changed the connection meanwhile."""


@dataclass(frozen=True, slots=True)
class Decided:
    """What a change comes to: the connection afterwards, and the audit's note. None = nothing changes."""

    after: Stored | None
    note: Note
    check: bool = False
    """The way to the outside changed: try it before a running connection uses it."""


class Registry:
    """The actions, over one runtime."""

    def __init__(self, runtime: Runtime) -> None:
        assert isinstance(runtime.settings, RegistrySettings)
        self.runtime = runtime
        self.settings = runtime.settings
        self.policy = AddressPolicy.parse(runtime.settings.allow_private_networks)

    async def get(self, connection_id: UUID) -> Stored:
        """One connection. Raises `Problem` 404."""
        return _found(await store.read(self.runtime.pool, connection_id), connection_id)

    async def locked(self, tx: Tx, connection_id: UUID) -> Stored:
        """One connection, locked. Raises `Problem` 404."""
        return _found(await store.lock(tx, connection_id), connection_id)

    async def create(self, body: CreateBody, actor: str) -> Stored:
        """A new connection, inactive. Raises `Problem` 422 with every rule broken, 409 for contradicting budgets."""
        manifest = manifest_of(body.connector)
        form = Form(manifest, self.policy)
        base_url = form.base_url(body.base_url)
        self._environment(form, body, base_url)
        own_settings = form.connector_settings({}, body.connector_settings)
        settings = form.settings(HubSettings(), body.settings)
        plain = form.credentials(body.credentials) if body.credentials else {}
        overrides = form.budgets({}, body.budgets)
        form.finish()
        connection_id = self.runtime.ids.new()
        data = ConnectionChanged(
            connection_id=connection_id,
            connector=manifest.name,
            kind=manifest.kind,
            label=body.label,
            environment=body.environment,
            state=ConnectionState.INACTIVE,
            base_url=base_url,
            settings=settings,
            connector_settings=own_settings,
            credential_ref="",
            budgets=resolve_budgets(manifest, overrides, own_settings),
        )
        contacts = tuple(each.model_dump() for each in body.contacts)
        details = Details(self.runtime.clock.now(), actor, body.note, contacts, budget_overrides=overrides)
        new = Stored(body.tenant, 0, data, details)
        async with self.runtime.transactions.begin() as tx:
            await self._check_routing(tx, new)
            new = await self._first_credentials(tx, manifest, new, plain)
            written = await store.write(tx, new, Note("created", tuple(sorted(body.model_fields_set))), actor)
        await self.runtime.connections.refresh()
        return written

    async def _first_credentials(self, tx: Tx, manifest: Manifest, new: Stored, plain: Mapping[str, str]) -> Stored:
        if not plain:
            ref = credentials.first_ref(manifest, new.connection_id)
            return replace(new, data=new.data.model_copy(update={"credential_ref": ref}))
        await store.lock_credentials(tx)
        return await self.with_credentials(tx, manifest, new, plain, [new.connection_id])

    def _environment(self, form: Form, body: CreateBody, base_url: str | None) -> None:
        try:
            if needs_base_url(form.manifest, body.environment, base_url):
                form.add("base_url", f"is required: {form.manifest.title} has no fixed address")
        except KeyError:
            form.add("environment", f"{form.manifest.title} has no {body.environment.value} environment")

    async def with_credentials(
        self, tx: Tx, manifest: Manifest, stored: Stored, plain: Mapping[str, str], group: list[UUID]
    ) -> Stored:
        """Sealed, fingerprinted and given its reference; `store.lock_credentials` is held."""
        key = await credentials.fingerprint_key(tx, self.runtime.keyring)
        now = credentials.rotated_at(tx)
        sealed = credentials.seal_into(stored, self.runtime.keyring, key, manifest, plain, now)
        return await credentials.settle_ref(tx, manifest, sealed, group)

    async def change(self, connection_id: UUID, body: ChangeBody, actor: str) -> Stored:
        """Change label, note, contacts, address or settings. Returns the connection as it then is.

        Raises `Problem` 422 with every rule broken; 409 when a running connection would lose what it needs, when its
        new address fails the check (`unchecked` skips that), or when `expected_version` is not the present one.
        """

        async def decide(stored: Stored) -> Decided:
            if body.expected_version is not None and body.expected_version != stored.version:
                raise changed_meanwhile(stored.version)
            return self._changed(stored, body)

        return await self._carry_out(connection_id, decide, actor, unchecked=body.unchecked)

    def _changed(self, stored: Stored, body: ChangeBody) -> Decided:
        manifest = manifest_of(stored.data.connector)
        form, given = Form(manifest, self.policy), body.model_fields_set
        update: dict[str, Any] = {}
        if "label" in given and body.label is not None:
            update["label"] = body.label
        if "base_url" in given:
            update["base_url"] = form.base_url(body.base_url)
            if needs_base_url(manifest, stored.data.environment, update["base_url"]):
                form.add("base_url", f"is required: {manifest.title} has no fixed address")
        if body.connector_settings:
            own = form.connector_settings(stored.data.connector_settings, body.connector_settings)
            update["connector_settings"] = own
            update["budgets"] = resolve_budgets(manifest, stored.details.budget_overrides, own)
        if body.settings:
            update["settings"] = form.settings(stored.data.settings, body.settings)
        form.finish()
        update = {name: value for name, value in update.items() if getattr(stored.data, name) != value}
        outside = bool({"base_url", "connector_settings"} & update.keys())
        details = replace(
            stored.details,
            note=body.note if body.note is not None else stored.details.note,
            contacts=stored.details.contacts
            if body.contacts is None
            else tuple(each.model_dump() for each in body.contacts),
        )
        if outside:
            update["verified"] = False
        after = replace(stored, data=stored.data.model_copy(update=update), details=details)
        touched = sorted(given - {"settings", "connector_settings", "expected_version", "unchecked"})
        fields = [*touched, *paths(body.settings or {}, "settings")]
        fields += paths(body.connector_settings or {}, "connector_settings")
        return Decided(None if after == stored else after, Note("changed", tuple(fields)), outside)

    async def step(self, connection_id: UUID, step: Step, actor: str) -> Stored:
        """Activate, pause, resume or deactivate. Repeats change nothing. Raises `Problem` 409 with what is unmet."""
        async with self.runtime.transactions.begin() as tx:
            stored = await self.locked(tx, connection_id)
            try:
                target = next_state(stored.data.state, step)
            except StepRefused as error:
                raise Problem("wrong-state", "Not possible in this state", 409, str(error)) from None
            if target is None:
                return stored
            update: dict[str, Any] = {"state": STATE_AFTER[step]}
            if step is Step.ACTIVATE:
                _refuse_unmet(unmet(await items_of(tx.conn, stored)), "The connection cannot be activated yet.")
                update["activated_at"] = tx.now
            after = replace(stored, data=stored.data.model_copy(update=update))
            written = await store.write(tx, after, Note(PAST[step], ("state",)), actor)
        await self.runtime.connections.refresh()
        return written

    async def _carry_out(
        self, connection_id: UUID, decide: Callable[[Stored], Awaitable[Decided]], actor: str, *, unchecked: bool
    ) -> Stored:
        for _ in range(TRIES):
            before = await self.get(connection_id)
            decided = await decide(before)
            if decided.after is None:
                return before
            running = before.data.state is not ConnectionState.INACTIVE
            after = decided.after
            if running and decided.check and not unchecked:
                result = await self.must_pass(after)
                after = verification.with_result(self.runtime, after, result, actor)
            written = await self._store_if_same(before, after, decided.note, actor, unchecked=unchecked)
            if written is not None:
                await self.runtime.connections.refresh()
                return written
        raise changed_meanwhile(before.version)

    async def _store_if_same(
        self, before: Stored, after: Stored, note: Note, actor: str, *, unchecked: bool
    ) -> Stored | None:
        moved = after.data.base_url != before.data.base_url and after.data.credentials is not None
        rebudgeted = after.data.budgets != before.data.budgets
        async with self.runtime.transactions.begin() as tx:
            if moved or rebudgeted:
                await store.lock_credentials(tx)
            stored = await self.locked(tx, before.connection_id)
            if stored.version != before.version:
                return None
            await self._check_routing(tx, after)
            if stored.data.state is not ConnectionState.INACTIVE:
                await self._keep_gate(tx, stored, after, unchecked=unchecked)
            if rebudgeted:
                after = await self._shared_budgets(tx, after)
            if moved:
                after = await self._moved(tx, after)
            return await store.write(tx, after, note, actor)

    async def _shared_budgets(self, tx: Tx, after: Stored) -> Stored:
        """Who shares a quota keeps its budgets, whatever profile it names; fewer calls must be set for all."""
        group = await store.lock_group(tx, after.data.credential_ref)
        twin = next((each for each in group if each.connection_id != after.connection_id), None)
        if twin is None:
            return after
        credentials.refuse_fewer(after.data.budgets, twin)
        return replace(after, data=after.data.model_copy(update={"budgets": dict(twin.data.budgets)}))

    async def _moved(self, tx: Tx, after: Stored) -> Stored:
        """Another address is another quota: the fingerprint is taken anew."""
        manifest = manifest_of(after.data.connector)
        key = await credentials.fingerprint_key(tx, self.runtime.keyring)
        plain = credentials.open_plain(self.runtime.keyring, after)
        mark = credentials.fingerprint(key, manifest, after, plain)
        after = replace(after, details=replace(after.details, fingerprint=mark))
        return await credentials.settle_ref(tx, manifest, after, [after.connection_id])

    async def _keep_gate(self, tx: Tx, stored: Stored, after: Stored, *, unchecked: bool) -> None:
        """A running connection must not lose a condition that it was activated with."""
        open_before = {item.name for item in unmet(await items_of(tx.conn, stored))}
        allowed = open_before | ({"credentials_verified"} if unchecked else set())
        lost = tuple(item for item in unmet(await items_of(tx.conn, after)) if item.name not in allowed)
        _refuse_unmet(lost, "The connection runs, and this change would take away what it needs; deactivate it first.")

    async def _check_routing(self, tx: Tx, after: Stored) -> None:
        rules = after.data.settings.routing
        shops = await store.read_many(tx.conn, [rule.shop_connection_id for rule in rules]) if rules else {}
        errors = []
        for number, rule in enumerate(rules):
            shop = shops.get(rule.shop_connection_id)
            problem = shop_problem(after.seen, shop.seen) if shop else "is not a known connection"
            if problem:
                errors.append(FieldError(f"#/settings/routing/{number}/shop_connection_id", problem))
        if errors:
            detail = f"{len(errors)} rule(s) broken; see errors."
            raise Problem("invalid-connection", "Invalid connection", 422, detail, errors=errors)

    async def try_out(self, stored: Stored) -> Verification:
        """One cheap read as this connection; see `verification`."""
        return await verification.try_out(self.runtime, stored, self.settings.verify_timeout_seconds)

    async def must_pass(self, candidate: Stored) -> Verification:
        """Try what a running connection shall become. Raises `Problem` 409 with what the check said."""
        result = await self.try_out(candidate)
        if not result.ok:
            detail = (
                f"The connection runs, so the change was tried first, and the check said: {result.detail}. Nothing was"
                " changed. Repeat with unchecked=true to change it all the same."
            )
            raise Problem("check-failed", "The check failed", 409, detail)
        return result


def _found(stored: Stored | None, connection_id: UUID) -> Stored:
    if stored is None:
        raise Problem("connection-unknown", "No such connection", 404, f"There is no connection {connection_id}.")
    return stored


def changed_meanwhile(version: int) -> Problem:
    """The 409 for a decision that was made about an older version."""
    detail = f"Somebody else changed the connection; it is at version {version} now. Read it again and repeat."
    return Problem("changed-meanwhile", "Changed meanwhile", 409, detail)


def _refuse_unmet(items: tuple[Item, ...], detail: str) -> None:
    if items:
        errors = [FieldError(f"checklist:/{item.name}", f"{item.detail}: {item.next_step}") for item in items]
        raise Problem("activation-blocked", "Conditions are not met", 409, detail, errors=errors)
