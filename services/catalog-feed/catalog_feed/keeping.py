"""Drops the content of product files that ended long ago: a table of megabytes nobody asks for slows down backups."""

from __future__ import annotations

from datetime import timedelta

from catalog_feed import store_imports
from hub_common.transactions import Transactions


class FileKeeper:
    """The duty that forgets old files; what became of them stays."""

    def __init__(self, transactions: Transactions, *, days: int) -> None:
        self._transactions = transactions
        self._keep = timedelta(days=days)

    async def step(self) -> bool:
        """Drop some; False when none is old enough."""
        async with self._transactions.begin() as tx:
            return await store_imports.forget_content(tx.conn, tx.now - self._keep) > 0
