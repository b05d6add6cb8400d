"""Pages from templates, everything escaped, unknown names an error: a page never shows half of what it should."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import Any

import orjson
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

PACKAGE = "ops_console"
STATIC = "/static"
STATIC_TYPES = {"css": "text/css; charset=utf-8", "js": "text/javascript; charset=utf-8", "svg": "image/svg+xml"}


@cache
def static_file(name: str) -> tuple[bytes, str]:
    """Content and media type. Raises `KeyError` for a name that is not one of our files."""
    known = {entry.name for entry in files(PACKAGE).joinpath("static").iterdir()}
    kind = STATIC_TYPES.get(name.rpartition(".")[2])
    if name not in known or kind is None:
        raise KeyError(name)
    return files(PACKAGE).joinpath("static", name).read_bytes(), kind


@cache
def static_url(name: str) -> str:
    """Address that changes with the content, so that browsers may keep it for ever."""
    digest = hashlib.sha256(static_file(name)[0]).hexdigest()[:12]
    return f"{STATIC}/{digest}/{name}"


class PageTemplates:
    """The console's templates."""

    def __init__(self) -> None:
        self._env = Environment(
            loader=PackageLoader(PACKAGE, "templates"),
            autoescape=select_autoescape(default=True),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        self._env.globals["static"] = static_url
        self._env.filters |= {
            "when": when,
            "left": left,
            "ago": ago,
            "money": money,
            "pretty": pretty,
            "short": short,
            "words": words,
        }

    def page(self, template: str, context: Mapping[str, Any]) -> str:
        """Render. Raises when the template asks for something that `context` does not hold."""
        return self._env.get_template(template).render(context)

    def globals(self, **names: Any) -> None:
        """Make names known to every template."""
        self._env.globals.update(names)


def read_time(value: datetime | str) -> datetime:
    """An instant, also from RFC 3339 text."""
    return value if isinstance(value, datetime) else datetime.fromisoformat(value)


def when(value: datetime | str | None) -> str:
    """An instant as UTC to the second; scripts on the page turn it into the reader's zone."""
    return read_time(value).astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if value else "–"


def span(seconds: float) -> str:
    """`4 d 3 h`, `3 h 12 min`, `12 min`, `40 s`."""
    whole = int(abs(seconds))
    days, rest = divmod(whole, 86_400)
    hours, rest = divmod(rest, 3_600)
    minutes, secs = divmod(rest, 60)
    if days:
        return f"{days} d {hours} h" if hours else f"{days} d"
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    return f"{minutes} min" if minutes else f"{secs} s"


def left(seconds: float | None) -> str:
    """Time left; what is past is said to be late."""
    if seconds is None:
        return "–"
    return f"{span(seconds)} late" if seconds < 0 else span(seconds)


def ago(value: datetime | str | None, now: datetime) -> str:
    """How long since."""
    return f"{span((now - read_time(value)).total_seconds())} ago" if value else "never"


def money(amount: object, currency: str | None = "") -> str:
    """An amount as it is kept, never rounded."""
    if amount is None:
        return "–"
    text = str(amount if isinstance(amount, Decimal) else Decimal(str(amount)))
    return f"{text} {currency}".strip()


def pretty(value: object) -> str:
    """JSON for reading."""
    return orjson.dumps(value, default=str, option=orjson.OPT_INDENT_2).decode()


def short(value: object) -> str:
    """The beginning of an id."""
    text = str(value)
    return text[:8] if len(text) > 12 else text


def words(value: object) -> str:
    """A machine word for reading: `effect_unknown` → `effect unknown`."""
    return str(value).replace("_", " ")
