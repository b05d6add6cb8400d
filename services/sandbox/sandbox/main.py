"""Starts the sandbox: no database, no broker, no log-in. It must never stand where real orders are."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence

from pydantic import ValidationError
from pydantic_settings import SettingsError

from hub_common.clock import Clock, SystemClock
from hub_common.logs import get_logger, setup_logging
from hub_common.run import EXIT_NOT_READY, EXIT_USAGE, install_signals
from hub_common.web.server import WebServer, WebServerError
from sandbox.app import build_app
from sandbox.config import SandboxSettings
from sandbox.simulators import build_simulators

name = "sandbox"
"""Read by tools that list what can be started."""


class ForbiddenHere(RuntimeError):
    """Simulators must not run in this deployment."""


def build_server(settings: SandboxSettings, clock: Clock | None = None) -> WebServer:
    """The web server with all simulators, not started yet; tools that run several services in one process use it.

    Raises `ForbiddenHere` in production and `ValueError` for settings of an unknown connector.
    """
    if settings.forbidden:
        raise ForbiddenHere("HUB_ENVIRONMENT is production: simulators are never run beside real orders")
    simulators = build_simulators(clock=clock or SystemClock(), seed=settings.seed, settings=settings.settings)
    return WebServer(build_app(simulators), settings.host, settings.port)


async def serve(server: WebServer, stop: asyncio.Event) -> None:
    """Serve until `stop` is set. Raises `WebServerError` when the address is taken."""
    log = get_logger(name)
    await server.start()
    log.info("sandbox_started", host=server.host, port=server.port)
    try:
        await stop.wait()
    finally:
        await server.stop()
        log.info("sandbox_stopped")


async def _run(server: WebServer) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    await serve(server, stop)


def main(argv: Sequence[str] | None = None) -> int:
    """Entry of `python -m sandbox`; takes no arguments. Returns the exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    if arguments:
        sys.stderr.write(f"sandbox: unknown argument {arguments[0]!r}; settings come from HUB_SANDBOX_*\n")
        return EXIT_USAGE
    try:
        settings = SandboxSettings()
    except SettingsError as error:
        sys.stderr.write(f"sandbox: HUB_SANDBOX_SETTINGS must be a JSON object by connector: {error.__cause__}\n")
        return EXIT_USAGE
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            at = "_".join(str(part) for part in problem["loc"]).upper()
            sys.stderr.write(f"sandbox: {at if at.startswith('HUB_') else 'HUB_SANDBOX_' + at}: {problem['msg']}\n")
        return EXIT_USAGE
    setup_logging(settings.log_format, settings.log_level)
    try:
        asyncio.run(_run(build_server(settings)))
    except ValueError as error:
        sys.stderr.write(f"sandbox: HUB_SANDBOX_SETTINGS: {error}\n")
        return EXIT_USAGE
    except (ForbiddenHere, WebServerError) as error:
        sys.stderr.write(f"sandbox: {error}\n")
        return EXIT_NOT_READY
    return 0
