"""The one error of scaffolding."""

from __future__ import annotations


class ScaffoldError(Exception):
    """Nothing was written; the message is one line that names the broken rule and what to do."""
