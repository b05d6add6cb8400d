"""Idle TCP ports that stay ours.

Ports are taken from below the range that the kernel hands to outgoing connections. A broker restarts on its old port;
were that port in the outgoing range, a client that retries its connection meanwhile could be given the very same port
as its own source, connect to itself, and keep the broker from ever binding again.
"""

from __future__ import annotations

import secrets
import socket

from .errors import StackError
from .waiting import wait_until

# Linux hands out 32768-60999, macOS 49152-65535 (net.ipv4.ip_local_port_range, net.inet.ip.portrange).
_FIRST, _LAST = 20000, 32000
_TRIES = 200


def idle_port() -> int:
    """A port on 127.0.0.1 that nobody listens on. Another process may still take it first: be ready to ask again."""
    for _ in range(_TRIES):
        port = _FIRST + secrets.randbelow(_LAST - _FIRST)
        if is_idle(port):
            return port
    raise StackError(f"no idle port between {_FIRST} and {_LAST} on 127.0.0.1; stop what listens there (ss -ltn)")


def becomes_idle(*ports: int, timeout: float = 3.0) -> bool:
    """Wait up to `timeout` seconds for all `ports`; False when one stays taken.

    A killed server may hold its port a moment longer: its first thread is gone, and with it the process as others see
    it, while another of its threads still has the sockets.
    """
    try:
        wait_until(lambda: all(is_idle(port) for port in ports), timeout=timeout, what="port taken")
    except StackError:
        return False
    return True


def is_idle(port: int) -> bool:
    """Whether a server could listen on 127.0.0.1:`port` now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: connections in TIME_WAIT from before a restart do not count as in use.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True
