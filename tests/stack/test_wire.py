"""Ready means: the broker answers and knows of a broker. An open port alone has made tests start too early."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hub_tools.stack.ports import idle_port
from hub_tools.stack.wire import broker_ready

# What the probe sends and wants back.
_ID = 0x48554221


@contextmanager
def _answering(answer: bytes) -> Iterator[str]:
    """A server on loopback that gives every connection the same answer and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            while True:
                try:
                    connection, _ = server.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1024)
                    connection.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"


@pytest.mark.parametrize(
    ("answer", "ready"),
    [
        (struct.pack(">iii", 8, _ID, 1), True),
        (struct.pack(">iii", 8, _ID, 0), False),
        (b"HTTP/1.1 400 Bad Request\r\n", False),
        (b"\x00\x00", False),
        (b"", False),
    ],
    ids=["one broker", "no broker yet", "not Kafka", "cut short", "silent"],
)
def test_ready(answer: bytes, ready: bool) -> None:
    with _answering(answer) as address:
        assert broker_ready(address) is ready


def test_one_of_several_is_enough_and_nonsense_is_not() -> None:
    nobody = f"127.0.0.1:{idle_port()}"
    with _answering(struct.pack(">iii", 8, _ID, 1)) as address:
        assert broker_ready(f"{nobody},{address}")
    assert not broker_ready(nobody)
    assert not broker_ready("no port here")
