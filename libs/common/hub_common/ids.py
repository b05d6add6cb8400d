"""New identifiers and randomness, injected: a test that fails can be repeated with the same seed."""

from __future__ import annotations

import random
from typing import Protocol
from uuid import UUID

import uuid_utils


class Ids(Protocol):
    """Source of identifiers and jitter."""

    def new(self) -> UUID:
        """A UUIDv7: unique, ordered by creation time."""
        ...

    def jitter(self, seconds: float) -> float:
        """A random share of `seconds`, from 0 to all of it (full jitter)."""
        ...


class SystemIds:
    """UUIDv7 from the operating system's randomness."""

    def new(self) -> UUID:
        """A fresh UUIDv7."""
        return UUID(int=uuid_utils.uuid7().int)

    def jitter(self, seconds: float) -> float:
        """Full jitter."""
        return random.random() * seconds  # noqa: S311  spreading load, not a secret


class SeededIds:
    """Repeatable identifiers for tests."""

    def __init__(self, seed: int = 1) -> None:
        self._random = random.Random(seed)  # noqa: S311  repeatable on purpose

    def new(self) -> UUID:
        """A repeatable version-4 shaped identifier."""
        return UUID(int=self._random.getrandbits(128), version=4)

    def jitter(self, seconds: float) -> float:
        """Repeatable jitter."""
        return self._random.random() * seconds
