"""The number of an order that people see, and its short form of at most 14 characters. Pure.

Some shops and carriers cut longer numbers, and two orders cut alike are one order to them. A short number is derived,
never cut; the table `order_numbers` keeps it unique and leads back to the order, whose full reference is always kept.
"""

from __future__ import annotations

import hashlib

from hub_contracts.orders import OrderSnapshot

LIMIT = 14
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no letter that is taken for a digit on the telephone. 14 of them are 70 bits."""
SOURCES = ("marketplace_reference", "commercial_reference")


def full_number(snapshot: OrderSnapshot, source: str) -> str:
    """The number by the connection's setting; the marketplace's reference where the order does not have that field."""
    if source == "commercial_reference" and snapshot.commercial_reference:
        return snapshot.commercial_reference
    return snapshot.marketplace_reference


def short_code(length: int, *parts: object) -> str:
    """A code of `length` characters that is always the same for the same parts."""
    number = int.from_bytes(hashlib.sha256("\x1f".join(map(str, parts)).encode()).digest(), "big")
    code = ""
    for _ in range(length):
        number, digit = divmod(number, len(ALPHABET))
        code += ALPHABET[digit]
    return code


def candidate(number: str, order_id: object, attempt: int) -> str:
    """The short number to try: the number itself when it fits, then codes, another one for each further attempt."""
    if attempt == 0 and len(number) <= LIMIT:
        return number
    return short_code(LIMIT, "order-number", order_id, attempt)
