"""Which addresses the hub may call. A seller types in a shop's address; it must not make us call our own inside.

Checked twice: the spelling of the URL before anything is done (`check_url`), and the address that is really connected
to after the name was resolved (`AddressPolicy.refuse_reason`, used by `backend`), which defeats names whose answer
changes between check and use.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

import httpx

Network = IPv4Network | IPv6Network
Address = IPv4Address | IPv6Address

BLOCKED: tuple[Network, ...] = (
    IPv4Network("0.0.0.0/8"),  # this host
    IPv4Network("10.0.0.0/8"),  # private
    IPv4Network("100.64.0.0/10"),  # shared: inside of carriers and clouds
    IPv4Network("127.0.0.0/8"),  # loopback
    IPv4Network("168.63.129.16/32"),  # looks public; one cloud's management address for its virtual machines
    IPv4Network("169.254.0.0/16"),  # link-local, cloud metadata
    IPv4Network("172.16.0.0/12"),  # private
    IPv4Network("192.0.0.0/24"),  # protocol assignments
    IPv4Network("192.0.2.0/24"),  # documentation
    IPv4Network("192.88.99.0/24"),  # 6to4 relays
    IPv4Network("192.168.0.0/16"),  # private
    IPv4Network("198.18.0.0/15"),  # benchmarks
    IPv4Network("198.51.100.0/24"),  # documentation
    IPv4Network("203.0.113.0/24"),  # documentation
    IPv4Network("224.0.0.0/4"),  # multicast
    IPv4Network("240.0.0.0/4"),  # reserved, broadcast
    IPv6Network("::/96"),  # unspecified, loopback, IPv4-compatible
    IPv6Network("64:ff9b::/96"),  # translated IPv4
    IPv6Network("64:ff9b:1::/48"),  # translated IPv4, local use
    IPv6Network("100::/64"),  # discard
    IPv6Network("2001::/32"),  # Teredo: an IPv4 address inside
    IPv6Network("2001:db8::/32"),  # documentation
    IPv6Network("2002::/16"),  # 6to4: an IPv4 address inside
    IPv6Network("3fff::/20"),  # documentation
    IPv6Network("5f00::/16"),  # segment routing
    IPv6Network("fc00::/7"),  # unique local
    IPv6Network("fe80::/10"),  # link-local
    IPv6Network("fec0::/10"),  # site-local
    IPv6Network("ff00::/8"),  # multicast
)
"""Never called unless `allow_networks` says so. IPv4-mapped IPv6 addresses are unwrapped before the comparison."""

DEFAULT_PORTS = {"http": 80, "https": 443}
PUBLIC_PORTS = frozenset({443, 8443})
_AUTHORITY = re.compile(
    r"(https?)://(\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::([0-9]{1,5}))?(?=[/?]|$)", re.IGNORECASE | re.ASCII
)
_NUMERIC_LABEL = re.compile(r"[0-9]+|0x[0-9a-f]*", re.IGNORECASE | re.ASCII)
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\#]")
_DOTS = re.compile(r"/(?:\.|%2e){1,2}(?=/|$)", re.IGNORECASE)


class AddressRefused(ValueError):
    """An address that we do not call. The message names host and rule, never path, query or resolved addresses."""


@dataclass(frozen=True, slots=True)
class AddressPolicy:
    """What may be called. Addresses in `allow_networks` (sandboxes) may be private, plain http and on any port.

    Public addresses need https (unless `https_only` is off) and one of `ports` (None = any).
    """

    allow_networks: tuple[Network, ...] = ()
    https_only: bool = True
    ports: frozenset[int] | None = PUBLIC_PORTS

    @classmethod
    def parse(cls, networks: str) -> AddressPolicy:
        """From `HUB_ALLOW_PRIVATE_NETWORKS`: CIDR networks, comma-separated. Raises `ValueError` naming a bad one."""
        found: list[Network] = []
        for text in (part.strip() for part in networks.split(",") if part.strip()):
            try:
                found.append(ip_network(text))
            except ValueError:
                raise ValueError(f"HUB_ALLOW_PRIVATE_NETWORKS: {text!r} is not a network such as 10.1.0.0/16") from None
        return cls(allow_networks=tuple(found))

    def allows_specially(self, address: Address) -> bool:
        """Whether the address lies in one of `allow_networks`."""
        plain = unwrap(address)
        return any(plain in network for network in self.allow_networks)

    def refuse_reason(self, address: Address, port: int, *, tls: bool) -> str:
        """Why this address may not be connected to, "" when it may."""
        if self.allows_specially(address):
            return ""
        plain = unwrap(address)
        if any(plain in network for network in BLOCKED) or not plain.is_global:
            return "is not a public address"
        if self.https_only and not tls:
            return "must be called over https"
        if self.ports is not None and port not in self.ports:
            return f"may not be called on port {port}"
        return ""


def unwrap(address: Address) -> Address:
    """`::ffff:127.0.0.1` is 127.0.0.1."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return mapped or address


def check_url(url: str, policy: AddressPolicy) -> httpx.URL:
    """Parse an address that may be called. Raises `AddressRefused` for everything that could be read in two ways.

    Refused: other schemes than http(s), user names, fragments, control characters, hosts that are not plain ASCII
    names or canonical IP addresses (`0x7f.1`, `127.1`, `2130706433`, trailing dot), `.` and `..` in the path.
    """
    match = _AUTHORITY.match(url)
    if match is None:
        raise AddressRefused(_spelling_rule(url))
    if _UNSAFE.search(url):
        raise AddressRefused("address: may not hold spaces, control characters, backslashes or '#'")
    if _DOTS.search(url.partition("?")[0]):
        raise AddressRefused("address: path may not hold '.' or '..' segments")
    scheme, host = match[1].lower(), match[2].lower()
    port = int(match[3] or DEFAULT_PORTS[scheme])
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        raise AddressRefused("address: cannot be parsed") from None
    seen = (parsed.scheme, parsed.raw_host.decode(), parsed.port or DEFAULT_PORTS[scheme])
    if seen != (scheme, host.strip("[]"), port) or not 0 < port < 65536:
        raise AddressRefused("address: host or port can be read in two ways")
    _check_host(host, port, scheme, policy)
    return parsed


def _spelling_rule(url: str) -> str:
    authority = url.partition("://")[2].partition("/")[0]
    if not re.match(r"https?://", url, re.IGNORECASE):
        return "address: must begin with https://"
    if "@" in authority:
        return "address: may not hold a user name"
    return "address: host must be a plain name or IP address"


def _check_host(host: str, port: int, scheme: str, policy: AddressPolicy) -> None:
    literal = _literal(host)
    if literal is not None:
        reason = policy.refuse_reason(literal, port, tls=scheme == "https")
        if reason:
            raise AddressRefused(f"host {host} {reason}")
        return
    if policy.allow_networks:
        return  # scheme and port depend on the address, which is known when connecting
    if policy.https_only and scheme != "https":
        raise AddressRefused(f"host {host} must be called over https")
    if policy.ports is not None and port not in policy.ports:
        raise AddressRefused(f"host {host} may not be called on port {port}")


def _literal(host: str) -> Address | None:
    """The IP address that a host spells out, None for a name. Raises `AddressRefused` for half-numeric spellings."""
    if host.startswith("["):
        try:
            return ip_address(host[1:-1])
        except ValueError:
            raise AddressRefused(f"host {host} is not an IPv6 address") from None
    labels = host.split(".")
    if not all(labels) or len(host) > 253:
        raise AddressRefused(f"host {host[:80]} has an empty label or ends with a dot")
    if _NUMERIC_LABEL.fullmatch(labels[-1]):
        try:
            return IPv4Address(host)
        except ValueError:
            raise AddressRefused(f"host {host} is an odd spelling of an IP address") from None
    return None
