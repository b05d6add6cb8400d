"""Comparison of carrier names.

Shops write "Colis Prive", "COLIS_PRIVÉ" or "colis-privé" for one carrier; without one common folding each spelling
would need its own rule and an overlooked one would park parcels.
"""

import unicodedata

_COUNTRY_SYNONYMS = {"UK": "GB"}
"""Shops write UK where ISO 3166 says GB; a rule for GB must see both."""


def fold_name(value: str | None) -> str:
    """Letters and digits only, without case and accents; empty when nothing is left (or for None)."""
    decomposed = unicodedata.normalize("NFKD", value or "")
    return "".join(c for c in decomposed.casefold() if c.isalnum())


def country_code(value: str | None) -> str | None:
    """ISO 3166 alpha-2 in upper case, None for blank. Anything else is returned upper-cased, so it equals no rule."""
    code = (value or "").strip().upper()
    return _COUNTRY_SYNONYMS.get(code, code) or None
