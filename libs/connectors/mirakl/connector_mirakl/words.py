"""The words of messages: as people read them, as they are sent, and when two of them are the same.

Mirakl's document calls a body "message body" and nothing more; screens show some as HTML. A buyer's HTML must not reach
a console as such, and a message of ours must be recognised whichever way it comes back.
"""

from __future__ import annotations

import html
import re
from html.parser import HTMLParser

_MARKUP = re.compile(r"<[a-zA-Z/!][^<>]*>|&(#\d+|#x[0-9a-fA-F]+|[a-zA-Z]+);")
_BREAKS = frozenset({"br", "p", "div", "li", "tr", "h1", "h2", "h3", "h4"})
_SILENT = frozenset({"script", "style", "head", "title"})


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._silent = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _BREAKS:
            self.parts.append("\n")
        self._silent += tag in _SILENT

    def handle_endtag(self, tag: str) -> None:
        if tag in _BREAKS - {"br"}:
            self.parts.append("\n")
        if tag in _SILENT:
            self._silent = max(self._silent - 1, 0)

    def handle_data(self, data: str) -> None:
        if not self._silent:
            self.parts.append(data)


def plain(body: str) -> str:
    """A body without markup, line breaks kept. A text that holds no markup stays as it is."""
    if not _MARKUP.search(body):
        return body
    reader = _Reader()
    reader.feed(body)
    reader.close()
    lines = (" ".join(line.split()) for line in "".join(reader.parts).split("\n"))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()


def as_html(body: str) -> str:
    """A plain text as HTML that shows the same."""
    return html.escape(body, quote=False).replace("\r\n", "\n").replace("\n", "<br/>")


def same_words(shown: str, ours: str) -> bool:
    """Whether a shown body is our text, whatever became of its spaces and markup."""
    return plain(shown).split() == ours.split() or shown.split() == ours.split()
