"""Starts services: one per process (`python -m order_ingest`), or several in one for a laptop."""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import Sequence

from pydantic import ValidationError

from hub_common.config import ServiceSettings
from hub_common.errors import StorageDown
from hub_common.logs import setup_logging
from hub_common.memory import tune_collector
from hub_common.migrate import SchemaTooOld, upgrade
from hub_common.runtime import Runtime
from hub_common.service import ServiceSpec

EXIT_USAGE = 2
EXIT_NOT_READY = 3


async def serve(pairs: Sequence[tuple[ServiceSpec, ServiceSettings]], *, stop: asyncio.Event) -> None:
    """Run services until `stop` is set, then stop them in order. A second signal ends the process at once."""
    runtimes = [Runtime(spec, settings) for spec, settings in pairs]
    started: list[Runtime] = []
    try:
        for runtime in runtimes:
            await runtime.start()
            started.append(runtime)
        tune_collector()
        await stop.wait()
    finally:
        await asyncio.gather(*(runtime.stop() for runtime in started))


def install_signals(stop: asyncio.Event) -> None:
    """SIGTERM and SIGINT ask for an orderly stop; asked twice, the process ends."""
    loop = asyncio.get_running_loop()

    def asked() -> None:
        if stop.is_set():
            sys.stderr.write("second signal: ending at once\n")
            raise SystemExit(1)
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked)


async def _main(spec: ServiceSpec, settings: ServiceSettings) -> None:
    stop = asyncio.Event()
    install_signals(stop)
    await serve([(spec, settings)], stop=stop)


def main(spec: ServiceSpec, argv: Sequence[str] | None = None) -> int:
    """Entry of `python -m <service>`: no argument runs it, `migrate` brings its schema to head, `replay` compares its
    tables with what its topics tell (`replay_scratch`)."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        settings = spec.settings()
    except ValidationError as error:
        for problem in error.errors(include_input=False):
            name = "HUB_" + "_".join(map(str, problem["loc"])).upper()
            sys.stderr.write(f"{spec.name}: {name}: {problem['msg']}\n")
        return EXIT_USAGE
    setup_logging(settings.log_format, settings.log_level)
    if arguments == ["migrate"]:
        upgrade(spec.package, settings.database_dsn.get_secret_value())
        return 0
    if arguments == ["replay"]:
        from hub_common import replay_scratch

        return replay_scratch.main(spec, settings)
    if arguments:
        sys.stderr.write(f"{spec.name}: unknown argument {arguments[0]!r}; use no argument, or: migrate, replay\n")
        return EXIT_USAGE
    import uvloop

    try:
        uvloop.run(_main(spec, settings))
    except (StorageDown, SchemaTooOld) as error:
        sys.stderr.write(f"{spec.name}: {error}\n")
        return EXIT_NOT_READY
    return 0
