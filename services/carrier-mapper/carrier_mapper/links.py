"""Tracking links from templates.

A template is filled in one pass with percent-encoded values, so a number that contains `{zip}` or `&` cannot change
the link; and a link that needs a postcode is not built without one, because the buyer would land on an error page.
"""

import re
from urllib.parse import quote, urlsplit

MAX_LINK_LENGTH = 2000
"""Longer addresses are cut or refused by common browsers and mail programs."""
_PLACEHOLDER = re.compile(r"\{([A-Za-z]*)\}")
_NAMES = {"n": "n", "zip": "zip", "country": "country", "trackingId": "n"}
"""`{trackingId}` is Mirakl SH21's word for the number."""


def template_problem(template: str) -> str | None:
    """Why a template cannot be used, or None: http(s), a literal host, placeholders only {n}, {zip}, {country}."""
    unknown = [name for name in _PLACEHOLDER.findall(template) if name not in _NAMES]
    if unknown:
        return f"unknown placeholder {{{unknown[0]}}}; known are {{n}}, {{zip}}, {{country}}"
    rest = _PLACEHOLDER.sub("", template)
    if "{" in rest or "}" in rest:
        return "a brace does not belong to a placeholder"
    host_end = re.match(r"https?://[^/?#{}]+[/?#]", template)
    if _PLACEHOLDER.search(template) and host_end is None:
        return "the address must name its host before the first placeholder"
    return link_problem(rest)


def link_problem(link: str) -> str | None:
    """Why an address cannot be shown to a buyer, or None: http(s), a host, no credentials, no blanks, not too long."""
    if len(link) > MAX_LINK_LENGTH:
        return f"longer than {MAX_LINK_LENGTH} characters"
    if any(c.isspace() or not c.isprintable() for c in link):
        return "contains blanks or control characters"
    try:
        parts = urlsplit(link)
        host = parts.hostname
    except ValueError:
        return "not an address"
    if parts.scheme not in ("http", "https") or not host:
        return "must begin with http:// or https:// and name a host"
    if "@" in parts.netloc:
        return "must not carry a user name or password"
    return None


def required_extras(template: str) -> frozenset[str]:
    """What the template needs beside the number: any of `zip`, `country`."""
    return frozenset(_NAMES.get(name, name) for name in _PLACEHOLDER.findall(template)) - {"n"}


def render_link(template: str, number: str | None, postcode: str | None, country: str | None) -> str | None:
    """The link, or None when the template needs a value that is absent. Values are percent-encoded."""
    values = {"n": number, "zip": postcode, "country": country}
    needed = {_NAMES[name] for name in _PLACEHOLDER.findall(template)}
    if any(not values[name] for name in needed):
        return None
    return _PLACEHOLDER.sub(lambda found: quote(values[_NAMES[found[1]]] or "", safe=""), template)
