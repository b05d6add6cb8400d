"""The hub as commands see it: services by name, all of them at once, its broker."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import ValidationError

from hub_common.config import KafkaSettings
from hub_common.kafka.security import Broker
from hub_tools.client.errors import CommandError, ExitCode, refused, unreachable, usage
from hub_tools.client.http import ServiceClient
from hub_tools.client.target import BOOTSTRAP, Target, find_target, service_names
from hub_tools.stack import local

T = TypeVar("T")
CONSOLE, REGISTRY, INGEST = "ops-console", "connection-registry", "order-ingest"
SANDBOX = "sandbox"
AT_ONCE = 16
"""Calls in the air; as many as there are services, so that one that hangs delays nobody else."""


@dataclass
class Gathered(dict[str, T]):
    """Answers by service; those that did not answer are in `missing`."""

    missing: dict[str, CommandError] = field(default_factory=dict)

    def items_of(self, member: str = "items") -> list[dict[str, Any]]:
        """The lists of all answers as one, each entry with the name of its service."""
        return [{"service": name, **item} for name, answer in self.items() for item in answer[member]]  # type: ignore[index]

    def unreachable(self) -> list[dict[str, str]]:
        """Who did not answer, as it is shown."""
        return [{"service": name, "error": str(error)} for name, error in sorted(self.missing.items())]

    def exit_code(self) -> ExitCode:
        """What the command ends with because of those that are missing."""
        codes = {error.code for error in self.missing.values()}
        if not codes:
            return ExitCode.DONE
        return ExitCode.REFUSED if codes == {ExitCode.REFUSED} else ExitCode.UNREACHABLE


class Hub:
    """One hub, local or remote."""

    def __init__(self, target: Target) -> None:
        self.target = target

    @property
    def names(self) -> list[str]:
        """Services that have an address, without the simulators."""
        return sorted(name for name in self.target.urls if name != SANDBOX)

    def service(self, name: str, *, timeout: float | None = None) -> ServiceClient:
        """A service's API. Raises `CommandError` when it has no address."""
        if name not in self.target.urls:
            if name in service_names():
                raise unreachable(f"{name}: no address is known; add it to HUB_SERVICE_URLS", name)
            raise usage(f"{name}: no such service; there are {', '.join(self.names)}")
        token = "" if name == SANDBOX else self.target.token
        url = self.target.urls[name]
        return ServiceClient(name, url, token) if timeout is None else ServiceClient(name, url, token, timeout=timeout)

    def gather(self, ask: Callable[[ServiceClient], T], names: Iterable[str] | None = None) -> Gathered[T]:
        """Ask several services at once; none of them failing keeps the others' answers back."""
        found: Gathered[T] = Gathered()
        wanted = list(self.names if names is None else names)
        with ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
            asked = {name: pool.submit(ask, self.service(name)) for name in wanted}
            for name, future in asked.items():
                try:
                    found[name] = future.result()
                except CommandError as error:
                    found.missing[name] = error
        return found

    def owner_of(self, what: str, path: str, service: str | None = None) -> tuple[ServiceClient, Any]:
        """The one service that has this, with its answer. Raises `CommandError` when none says so."""
        found = self.gather(lambda client: client.get(path), [service] if service else None)
        for name, answer in found.items():
            return self.service(name), answer
        others = [error for error in found.missing.values() if error.status != 404]
        if others:
            raise others[0]
        raise refused(f"{what}: {service or 'no service'} knows it{' not' if service else ''}")

    def broker(self) -> Broker:
        """The broker, with who we are there. Raises `CommandError` when it is not known or a setting is wrong."""
        if os.environ.get(BOOTSTRAP):
            try:
                return KafkaSettings().broker
            except ValidationError as error:
                first = error.errors(include_input=False)[0]
                name = "_".join(["HUB", *map(str, first["loc"])]).upper()
                raise usage(f"{name}: {first['msg']}") from None
        if not self.target.local:
            raise usage(f"{BOOTSTRAP}: must be set, since this command reads topics")
        found = next(server for server in local.status(self.target.folder) if server.name == "broker")
        if not found.address:
            raise unreachable("no broker has been started; start one with `hub up`")
        return Broker(found.address)


def open_hub(environ: Mapping[str, str] | None = None) -> Hub:
    """The hub that the environment means. Raises `CommandError`."""
    return Hub(find_target(environ))
