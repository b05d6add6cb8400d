"""Operators that the connector knows by name. All data: a new one is a new table here and no line of code elsewhere."""

from __future__ import annotations

from connector_kit.profiles import OperatorProfile
from connector_mirakl.profiles.pixmania import PIXMANIA

PROFILES: tuple[OperatorProfile, ...] = (PIXMANIA,)
