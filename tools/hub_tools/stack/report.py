"""What runs, as one document: every command that starts or stops servers answers it, so scripts learn one shape."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from . import local
from .state import DataFolder
from .supervisor import Supervisor


def report() -> dict[str, Any]:
    """Servers and processes of the data folder as they are now. Holds no secret; starts and changes nothing."""
    servers = local.status()
    services = Supervisor(DataFolder().services).statuses()
    return {
        "up": all(server.running for server in servers),
        "data_dir": str(DataFolder().path),
        "servers": [asdict(server) for server in servers],
        "services": [{**asdict(service), "log": str(service.log)} for service in services],
    }
