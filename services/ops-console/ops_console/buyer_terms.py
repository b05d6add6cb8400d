"""Finding an order by its buyer without keeping anything of the buyer: keyed digests of normalised words.

A plain hash of a name or a postal code is undone by trying all of them; with the deployment's key it cannot be. The
digests tell nothing by themselves, but they are about a person all the same, so erasure removes them.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from uuid import UUID

from pydantic import SecretStr

from hub_common.database import Conn
from hub_contracts.envelope import Event
from hub_contracts.orders import Address, OrderCustomerErased, OrderCustomerRecorded

PURPOSE = b"order-hub: what buyers are looked for by, 1"
"""Binds the derived key to this use: digests made for anything else can never be compared with these."""
DIGEST_BYTES = 16
PHONE_DIGITS = 9
"""The national part: +33 6 39 98 00 01 and 06 39 98 00 01 are one number."""
MOST_WORDS = 6
"""Words of a question that are looked up; nobody types more of a name."""


class TermKeys:
    """The keys under which digests are made; without any, buyers are neither kept nor found.

    New digests are made with the first, all are tried when somebody looks.
    """

    def __init__(self, keys: Sequence[bytes] = ()) -> None:
        self._keys = tuple(hmac.digest(key, PURPOSE, "sha256") for key in keys)

    @classmethod
    def parse(cls, setting: SecretStr) -> TermKeys:
        """From `HUB_CREDENTIALS_KEYS`, which the runtime has checked."""
        entries = (part.strip() for part in setting.get_secret_value().split(",") if part.strip())
        return cls([base64.b64decode(entry.partition(":")[2]) for entry in entries])

    def __bool__(self) -> bool:
        return bool(self._keys)

    def __repr__(self) -> str:
        return f"TermKeys({len(self._keys)})"

    def of_buyer(self, data: OrderCustomerRecorded) -> set[bytes]:
        """Digests of everything that a buyer can be looked for by."""
        words = {word for address in (data.shipping, data.billing) if address for word in _of_address(address)}
        return {_digest(self._keys[0], *word) for word in words} if self._keys else set()

    def of_question(self, text: str) -> list[list[bytes]]:
        """Digests to look for: each list stands for one part of the question, any of its digests will do.

        The first list is the question as a whole; what follows are its words, of which every one must be found.
        """
        parts = [text, *text.split()[:MOST_WORDS]]
        return [
            [_digest(key, *word) for key in self._keys for word in _possible(part, whole=not number)]
            for number, part in enumerate(parts)
        ]


class Learned:
    """The keys of this process. Handlers have nothing but their transaction, so the service leaves them here."""

    keys = TermKeys()


async def save_terms(conn: Conn, events: Sequence[Event[OrderCustomerRecorded]]) -> None:
    """Keep the newest buyer of each order as digests; without keys nothing is kept."""
    if not Learned.keys:
        return
    newest = {event.data.order_id: event.data for event in sorted(events, key=lambda e: e.meta.aggregate_version)}
    # The two topics are read side by side: the story has the erasure even where the buyer's record comes after it.
    rows = await conn.fetch(
        "SELECT DISTINCT order_id FROM story_events WHERE order_id = ANY($1) AND type = $2",
        list(newest),
        OrderCustomerErased.TYPE,
    )
    for row in rows:
        del newest[row["order_id"]]
    pairs = [(order_id, term) for order_id, data in newest.items() for term in Learned.keys.of_buyer(data)]
    await forget_customer(conn, newest)
    await conn.execute(
        "INSERT INTO customer_terms (order_id, term) SELECT * FROM unnest($1::uuid[], $2::bytea[])",
        [pair[0] for pair in pairs],
        [pair[1] for pair in pairs],
    )


async def forget_customer(conn: Conn, order_ids: Iterable[UUID]) -> int:
    """Remove the digests of these orders' buyers (erasure); returns how many there were."""
    status = await conn.execute("DELETE FROM customer_terms WHERE order_id = ANY($1)", list(order_ids))
    return int(status.split()[-1])


def plain(text: str | None) -> str:
    """Lower case, without accents, punctuation and doubled spaces."""
    apart = unicodedata.normalize("NFKD", (text or "").casefold())
    bare = "".join(c for c in apart if not unicodedata.combining(c))
    return " ".join(re.sub(r"[^\w]+", " ", bare).split())


def _of_address(address: Address) -> Iterator[tuple[str, str]]:
    first, last = plain(address.first_name), plain(address.last_name)
    if last:
        yield "last_name", last
        yield from (("last_name", part) for part in last.split() if len(part) > 2)
    if first and last:
        yield "full_name", f"{first} {last}"
        yield "full_name", f"{last} {first}"
    if address.email:
        yield "email", address.email.strip().casefold()
    digits = re.sub(r"\D", "", address.phone or "")
    if len(digits) >= PHONE_DIGITS:
        yield "phone", digits[-PHONE_DIGITS:]
    code = plain(address.postal_code).replace(" ", "")
    if code:
        yield "postal_code", code


def _possible(part: str, *, whole: bool) -> Iterator[tuple[str, str]]:
    """What a part of a question may mean."""
    name = plain(part)
    if name:
        yield "last_name", name
        yield "postal_code", name.replace(" ", "")
        if whole:
            yield "full_name", name
    if "@" in part:
        yield "email", part.strip().casefold()
    digits = re.sub(r"\D", "", part)
    if len(digits) >= PHONE_DIGITS:
        yield "phone", digits[-PHONE_DIGITS:]


def _digest(key: bytes, kind: str, value: str) -> bytes:
    return hmac.digest(key, f"{kind}\n{value}".encode(errors="surrogatepass"), hashlib.sha256)[:DIGEST_BYTES]
