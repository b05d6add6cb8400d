"""Proves a connection's credentials with one cheap read through its connector, on the live lane.

The read happens outside of any transaction. Its result is stored only if the connection is still the one that was
checked. A check that fails does not stop a connection that runs: a host that is away for a minute must not hold back
orders, and a revoked key is reported by every call that meets it.
"""

from __future__ import annotations

import asyncio
import itertools
import re
from dataclasses import replace
from typing import Any

from connection_registry.model import Stored
from connector_kit.capabilities import Verification, Verifies
from connector_kit.http import CallError, Lane
from connector_kit.manifest import FieldErrors
from hub_common.crypto import SealError
from hub_common.logs import describe_error
from hub_common.runtime import Runtime
from hub_contracts.base import rfc3339
from hub_contracts.connections import ConnectionState

MAX_DETAIL = 500
_trial_versions = itertools.count(-1, -1)
"""Callers are kept per version of a connection. What is tried out may never be stored, so it gets a version of its own,
and with it a caller whose address is the one being tried and whose circuit breaker is closed."""
_REFUSED = re.compile(r"^HTTP 40[13]\b")
REFUSED_HINT = "the credentials were refused; check that they are complete, not revoked, and of this environment: "


async def try_out(runtime: Runtime, stored: Stored, timeout_seconds: float) -> Verification:
    """Make the cheap read. Never raises for what the outside or the connector does; the detail holds no secret."""
    try:
        made = runtime.book.build(replace(stored.connection, version=next(_trial_versions)), Lane.LIVE)
        if not isinstance(made, Verifies):
            return Verification(False, "this connector cannot check credentials")
        async with asyncio.timeout(timeout_seconds):
            result = await made.verify()
    except TimeoutError:
        result = Verification(False, f"no answer within {timeout_seconds:g} s")
    except FieldErrors as error:
        result = Verification(False, f"settings: {error}")
    except (CallError, SealError) as error:
        result = Verification(False, str(error))
    except Exception as error:  # noqa: BLE001  connectors come from other packages too; a person waits for an answer
        connector = stored.data.connector
        runtime.log.error(
            "verification_failed",
            connection_id=str(stored.connection_id),
            connector=connector,
            **describe_error(error),
        )
        result = Verification(False, f"the connector failed ({type(error).__name__}); the service's log tells more")
    return Verification(result.ok, _presentable(runtime, stored, result.detail))


def _presentable(runtime: Runtime, stored: Stored, detail: str) -> str:
    """The detail without anything that is a credential, whatever a connector quoted."""
    try:
        secrets = [value.get_secret_value() for value in runtime.open_credentials(stored.connection).values()]
    except SealError:
        secrets = []
    for secret in sorted(secrets, key=len, reverse=True):
        if secret:
            detail = detail.replace(secret, "***")
    hint = REFUSED_HINT if _REFUSED.match(detail) else ""
    return (hint + detail).replace("\x00", "")[:MAX_DETAIL]


def with_result(runtime: Runtime, stored: Stored, result: Verification, actor: str) -> Stored:
    """The connection with the result of a check."""
    running = stored.data.state is not ConnectionState.INACTIVE
    verified = result.ok or (running and stored.data.verified)
    record: dict[str, Any] = {
        "ok": result.ok,
        "detail": result.detail,
        "at": rfc3339(runtime.clock.now()),
        "by": actor,
    }
    return replace(
        stored,
        data=stored.data.model_copy(update={"verified": verified}),
        details=replace(stored.details, verification=record),
    )
