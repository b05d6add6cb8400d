"""`python -m hub_tools.run.together PLAN`: several services in one process, each with its own database and settings.

Process boundaries are a deployment choice; data boundaries stay.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path

import uvloop

from hub_common.config import ServiceSettings
from hub_common.logs import setup_logging
from hub_common.run import install_signals, serve
from hub_common.service import ServiceSpec
from hub_tools.run.cluster import installed_services


def settings_from(spec: ServiceSpec, environment: dict[str, str]) -> ServiceSettings:
    """Settings of one service, as if these variables were its environment."""
    before = dict(os.environ)
    os.environ.update(environment)
    try:
        return spec.settings()
    finally:
        os.environ.clear()
        os.environ.update(before)


async def _main(plan: dict[str, dict[str, str]]) -> None:
    specs = installed_services()
    pairs = [(specs[name], settings_from(specs[name], environment)) for name, environment in plan.items()]
    stop = asyncio.Event()
    install_signals(stop)
    await serve(pairs, stop=stop)


def main() -> None:
    """Read the plan and run it until told to stop."""
    plan = json.loads(Path(sys.argv[1]).read_text())["services"]
    setup_logging("json", os.environ.get("HUB_LOG_LEVEL", "INFO"))
    uvloop.run(_main(plan))


if __name__ == "__main__":
    main()
