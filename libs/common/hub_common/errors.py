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
    # Full, or a standby: no event is to blame, and none may use up its attempts because of it.
    asyncpg.DiskFullError,
    asyncpg.OutOfMemoryError,
    asyncpg.ReadOnlySQLTransactionError,
)


def is_permanent(error: BaseException) -> bool:
    """True when trying again cannot help."""
    return isinstance(error, _PERMANENT)


def is_storage_down(error: BaseException) -> bool:
    """True when the database cannot take anything, as opposed to refusing this statement."""
    if isinstance(error, asyncpg.InterfaceError):
        text = str(error)
        return "closed" in text or "connection" in text
    return isinstance(error, _STORAGE) or (isinstance(error, OSError) and not isinstance(error, FileNotFoundError))


def words_of(error: BaseException) -> str:
    """An error for rows, records and logs. Of a body that breaks its model the names of fields and the rules only:
    the library's own text quotes the values, and they may be a buyer's."""
    if not isinstance(error, ValidationError):
        return f"{type(error).__name__}: {error}"
    found = error.errors(include_input=False, include_url=False, include_context=False)[:5]
    told = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}".removeprefix(": ") for one in found)
    return f"{type(error).__name__}: {'; '.join(told)}"
