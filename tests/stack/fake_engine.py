"""A container engine that speaks enough of Docker's HTTP interface (1.44) to create, start, stop and kill containers.

Its "containers" are the broker from the wheel on the requested host port. With it the container rung is tested on
machines where no engine runs: what is asked of the engine, and that a container is found again after a restart.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

from hub_tools.stack.wheel import WheelBroker

_PATH = re.compile(r"^(?:/v[\d.]+)?/(?P<what>[^?]*)")


class FakeEngine:
    """One engine on a Unix socket; `created` holds the body of every container that was asked for."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.created: dict[str, dict[str, Any]] = {}
        self.calls: list[str] = []
        self._running: dict[str, WheelBroker] = {}
        engine = self

        class Handler(BaseHTTPRequestHandler):
            """Hands every request to the engine."""

            protocol_version = "HTTP/1.1"

            def _any(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                body = json.loads(self.rfile.read(size) or b"null")
                found = _PATH.match(self.path)
                status, answer = engine.answer(f"{self.command} {found['what'] if found else ''}", body)
                data = b"" if answer is None else json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_DELETE = _any

            def address_string(self) -> str:
                return "local"

            def log_message(self, format: str, *args: object) -> None:
                """Nothing: tests read `calls`."""

        self._server = ThreadingUnixStreamServer(str(folder / "engine.sock"), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """For DOCKER_HOST."""
        return f"unix://{self._folder / 'engine.sock'}"

    def close(self) -> None:
        """End the engine and its containers."""
        for broker in self._running.values():
            broker.kill()
        self._server.shutdown()
        self._server.server_close()

    def answer(self, call: str, body: dict[str, Any] | None) -> tuple[int, Any]:
        """Status and JSON for one request; 404 for what this engine does not know."""
        self.calls.append(call)
        if call == "GET version":
            return 200, {"Version": "27.0", "ApiVersion": "1.44", "MinAPIVersion": "1.24"}
        if call in ("GET networks", "GET images/json"):
            return 200, []
        if call.startswith("GET images/"):
            return 200, {"Id": "sha256:0", "RepoTags": [], "Config": {}}
        if call == "POST containers/create":
            identity = f"{len(self.created):064x}"
            self.created[identity] = body or {}
            return 201, {"Id": identity, "Warnings": []}
        verb, _, rest = call.partition(" containers/")
        identity, _, action = rest.partition("/")
        if identity not in self.created:
            return 404, {"message": f"no such object: {call}"}
        return self._act(f"{verb} {action}".strip(), identity)

    def _act(self, action: str, identity: str) -> tuple[int, Any]:
        running = identity in self._running
        if action == "GET json":
            state = {"Status": "running" if running else "exited", "Running": running}
            return 200, {"Id": identity, "Name": "/fake", "State": state, "Config": {"Labels": {}}, "Image": "sha256:0"}
        actions: dict[str, Callable[[str], None]] = {
            "POST start": self._start,
            "POST stop": self._stop,
            "POST kill": self._stop,
            "DELETE": self._remove,
        }
        if action not in actions:
            return 404, {"message": action}
        actions[action](identity)
        return 204, None

    def _start(self, identity: str) -> None:
        (bindings,) = self.created[identity]["HostConfig"]["PortBindings"].values()
        broker = WheelBroker(self._folder / identity, state={"port": int(bindings[0]["HostPort"])})
        broker.start()
        self._running[identity] = broker

    def _stop(self, identity: str) -> None:
        self._running.pop(identity).kill()

    def _remove(self, identity: str) -> None:
        if identity in self._running:
            self._stop(identity)
        del self.created[identity]
