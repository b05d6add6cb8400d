"""`python -m connection_registry`."""

from __future__ import annotations

from connection_registry.main import SPEC
from hub_common.run import main

raise SystemExit(main(SPEC))
