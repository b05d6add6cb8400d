"""A dead letter on a terminal, personal data masked."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.text import Text

from hub_tools.client.masking import is_personal, readable
from hub_tools.client.output import clean

SHOWN = ("service", "cause", "error", "topic", "partition", "record_offset", "key", "event_id", "attempts", "state")


def masked_letter(letter: Mapping[str, Any], *, show: bool) -> dict[str, Any]:
    """The letter with its body opened; personal data masked unless `show`.

    Beyond its first line an error may quote the body.
    """
    value = letter["value"]
    kind = str(letter["headers"].get("ce_type", ""))
    body = readable(str(letter["topic"]), kind, None if value is None else str(value).encode(), show=show)
    hide = not show and is_personal(str(letter["topic"]))
    error = str(letter["error"]).partition("\n")[0] if hide else letter["error"]
    return {**letter, "error": error, "value": body}


def draw_letter(console: Console, letter: Mapping[str, Any]) -> None:
    """Print it."""
    for name in (*SHOWN, "first_failed_at", "died_at", "settled_by", "settled_reason"):
        if letter.get(name) not in (None, ""):
            console.print(Text(clean(f"{name:<16}{letter[name]}")))
    for name, value in letter["headers"].items():
        console.print(Text(clean(f"{'header':<16}{name}: {value}")))
    body = letter["value"]
    text = body if isinstance(body, str) else json.dumps(body, indent=2, default=str, ensure_ascii=False)
    console.print(Text(clean(f"body\n{text}")))
