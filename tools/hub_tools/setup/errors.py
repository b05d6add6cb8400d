"""The one error of the set-up: a sentence for a person, with what to do next, instead of a traceback."""

from __future__ import annotations


class SetupError(Exception):
    """The set-up cannot go on. The message names the cause and the next step; it is printed as it is."""
