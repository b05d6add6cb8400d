"""How a failure is classified decides whether work is tried again, set aside for a person, or just waits."""

from __future__ import annotations

import asyncpg
from pydantic import ValidationError

from hub_contracts.envelope import BadEnvelope
from hub_contracts.status import TransitionNotAllowed


class Transient(Exception):
    """Will probably work later: the event and everything later with its key wait in the retry table."""


class Permanent(Exception):
    """Will never work as it stands: dead letter at once."""


class StorageDown(Exception):
    """The database does not answer; nothing can be recorded, so the batch is simply not committed yet."""


_PERMANENT: tuple[type[BaseException], ...] = (Permanent, ValidationError, BadEnvelope, TransitionNotAllowed)
_STORAGE: tuple[type[BaseException], ...] = (
    StorageDown,
    ConnectionError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.TooManyConnectionsError,
)


def is_permanent(error: BaseException) -> bool:
    """True when trying again cannot help."""
    return isinstance(error, _PERMANENT)


def is_storage_down(error: BaseException) -> bool:
    """True when the database is unreachable, as opposed to refusing this statement."""
    if isinstance(error, asyncpg.InterfaceError):
        text = str(error)
        return "closed" in text or "connection" in text
    return isinstance(error, _STORAGE) or (isinstance(error, OSError) and not isinstance(error, FileNotFoundError))
