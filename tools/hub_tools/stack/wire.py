"""Asks a Kafka broker over its own protocol whether it is ready, without a client library.

An open port is not enough: Kafka listens before the broker is registered, and a client that connects then gets an
empty cluster and waits. Ready means: a metadata answer that lists at least one broker.
"""

from __future__ import annotations

import socket
import struct

# Metadata, version 1: the oldest that can ask for "no topics, only brokers"; Kafka 4 still answers it
# (source: kafka-clients 4.1, MetadataRequest.json "validVersions").
_METADATA, _VERSION = 3, 1
_CLIENT = b"hub-probe"
# Comes back in the answer; whatever else listens on the port does not know it.
_CORRELATION = 0x48554221
_TIMEOUT_S = 2.0


def broker_ready(bootstrap_servers: str) -> bool:
    """Whether one of `host:port,…` answers as a broker of a cluster with at least one registered broker."""
    return any(_ready(address) for address in bootstrap_servers.split(","))


def _ready(address: str) -> bool:
    host, _, port = address.strip().rpartition(":")
    header = struct.pack(">hhih", _METADATA, _VERSION, _CORRELATION, len(_CLIENT)) + _CLIENT
    request = header + struct.pack(">i", 0)
    try:
        with socket.create_connection((host, int(port)), timeout=_TIMEOUT_S) as connection:
            connection.sendall(struct.pack(">i", len(request)) + request)
            # Size, correlation id, number of brokers.
            answer = _read(connection, 12)
    except (OSError, ValueError):
        return False
    if len(answer) < 12:
        return False
    _, correlation, brokers = struct.unpack(">iii", answer)
    return bool(correlation == _CORRELATION and brokers > 0)


def _read(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            break
        data += part
    return data
