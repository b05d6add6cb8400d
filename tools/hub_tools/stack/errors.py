"""The one error of the local stack: a sentence that says what is wrong and what to do next."""

from __future__ import annotations


class StackError(Exception):
    """The stack cannot do what was asked. Printed as it is, without a traceback."""
