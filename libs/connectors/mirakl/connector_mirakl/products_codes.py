"""Codes of Mirakl's product transformation and what to do about them. Data; an operator's profile wins over it."""

from __future__ import annotations

from connector_kit.profiles import Remedy

CODES: tuple[Remedy, ...] = (
    Remedy(
        says="1000",
        means="A mandatory attribute has no value.",
        next_step="Fill the attribute in the row, or map a column to it.",
    ),
    Remedy(
        says="1001",
        means="The category is not known to the operator.",
        next_step="Write the category exactly as the operator does; if it is not there, the operator does not sell it.",
    ),
    Remedy(
        says="1002",
        means="The row has another number of fields than the header.",
        next_step="Give every column a header and remove headers that occur twice.",
    ),
    Remedy(
        says="1004",
        means="No category could be found for the row.",
        next_step="Name the category's column as the operator's mapping expects it.",
    ),
    Remedy(
        says="1006",
        means="The category stands for none of the operator's.",
        next_step="Map it to one of the operator's lowest categories, or correct its spelling.",
    ),
    *(
        Remedy(
            says=code,
            means="The value is not in the operator's list.",
            next_step="Take a value of the attribute's list (VL11, or the reference sheet of the operator's template).",
        )
        for code in ("2006", "3006")
    ),
    *(
        Remedy(says=code, means="A whole number is wanted.", next_step="Write digits only, without decimals.")
        for code in ("2010", "3010")
    ),
    *(
        Remedy(says=code, means="A number is wanted.", next_step="Write a number like 25.6, without unit.")
        for code in ("2011", "3011")
    ),
)


def remedy_of(code: str) -> Remedy | None:
    """What a code means, None for one that is not known here."""
    return next((remedy for remedy in CODES if remedy.says == code), None)
