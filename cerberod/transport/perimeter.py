"""Where a request comes from and which name it was sent to. Pure: headers and addresses in, verdicts out.

`Host` guards against DNS rebinding (a web page's name that is made to point at this machine), `Origin` against web
pages altogether. `X-Forwarded-For` is believed only as far as proxies of our own wrote it.
"""

import ipaddress
from collections.abc import Iterable, Sequence

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})
_MAX_HOPS = 32


class HostGuard:
    """The names under which this listener may be addressed: loopback, the address it is bound to, and those allowed."""

    def __init__(self, bound_to: str, allowed: Iterable[str]) -> None:
        self._allowed = frozenset(allowed) | {_as_host(bound_to)} | _LOOPBACK_NAMES

    def admits(self, hosts: Sequence[str]) -> bool:
        """Judge the `Host` headers of a request. An allowed name without a port stands for every port."""
        if len(hosts) != 1:
            return False
        host = hosts[0].strip(" \t").lower()
        return host in self._allowed or without_port(host) in self._allowed


def without_port(host: str) -> str:
    """Cut the port off a `Host` header; IPv6 addresses stand in brackets there."""
    name, colon, port = host.rpartition(":")
    return name if colon and port.isascii() and port.isdigit() and len(port) <= 5 else host


def _as_host(address: str) -> str:
    return f"[{address}]" if ":" in address else address


def origin_allowed(origins: Sequence[str], allowed: Sequence[str]) -> bool:
    """Judge the `Origin` headers of a request: none is right, for bots send none; else exactly one that is listed."""
    return not origins or (len(origins) == 1 and origins[0] in allowed)


def client_address(peer: str, forwarded_for: Sequence[str], trusted: Sequence[Network]) -> str:
    """Return the address a request came from: the peer, or what trusted proxies say, read from the right.

    The hop nearest to us that is no proxy of ours is the client; whatever stands left of it, the client may have made
    up. A hop that is no address ends the reading.
    """
    address = _parsed(peer)
    if address is None:
        return peer[:64]
    hops = [hop.strip() for header in forwarded_for for hop in header.split(",")]
    for hop in reversed(hops[-_MAX_HOPS:]):
        if not any(address in network for network in trusted):
            break
        further = _parsed(hop)
        if further is None:
            break
        address = further
    return str(address)


def throttle_key(address: str) -> str:
    """Return what one client can be counted by: its IPv4 address, or its IPv6 network of 64 bits."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed) >> 64 << 64, 64)))
    return address


def _parsed(text: str) -> Address | None:
    """Read an address; IPv4 written as IPv6 is IPv4."""
    try:
        address = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
