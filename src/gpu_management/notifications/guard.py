"""Where notifications may go: never to this machine, its network or its cloud's metadata.

A name is looked up once, every address it has is judged, and the connection is made to the one
that was judged: what the name means a moment later does not matter.
"""

import re
import socket
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit, urlunsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network
Resolve = Callable[[str, int], Sequence[str]]
_UNPRINTABLE = re.compile(r"[\x00-\x20\x7f-\x9f\s]")
_PORTS = {"http": 80, "https": 443}
_SHARED = IPv4Network("100.64.0.0/10")
"""Carrier-grade NAT (RFC 6598); clouds answer metadata there too."""


class AddressRefused(Exception):
    """Nothing is sent there; the sentence says why and what would allow it."""


@dataclass(frozen=True, slots=True)
class Outbound:
    """What is allowed beside public addresses over https."""

    networks: tuple[Network, ...] = ()
    allow_http: bool = False


@dataclass(frozen=True, slots=True)
class Pinned:
    """An address that was judged: where to connect, and what name to ask for there."""

    url: str
    host_header: str
    server_name: str


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name, as this machine knows them.

    Raises:
        AddressRefused: the name is not known.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, ValueError) as unknown:
        raise AddressRefused(f"the name {host[:100]} is not known here") from unknown
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def check_form(url: str, outbound: Outbound) -> SplitResult:
    """Return the parts of an address that could be allowed, without looking its name up.

    Raises:
        AddressRefused: no http(s) address, plain http, credentials in it, or a refused number.
    """
    if _UNPRINTABLE.search(url):
        raise AddressRefused("an address has no blanks and no control characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise AddressRefused("this is no address") from error
    if parts.scheme not in _PORTS or not parts.hostname:
        raise AddressRefused("an address begins with https:// and names a host")
    if parts.scheme == "http" and not outbound.allow_http:
        raise AddressRefused("plain http is refused; alerts.notification.allow-http lets it pass")
    if "@" in parts.netloc:
        raise AddressRefused("credentials belong into a header, not into the address")
    if port == 0:
        raise AddressRefused("port 0 cannot be reached")
    literal = _literal(parts.hostname)
    if literal is not None:
        _judge(literal, outbound)
    return parts


def pin(url: str, outbound: Outbound, *, look_up: Resolve = resolve) -> Pinned:
    """Return where to connect for `url`.

    Raises:
        AddressRefused: the address, or one of those that its name has, is not allowed.
    """
    parts = check_form(url, outbound)
    host = parts.hostname or ""
    port = parts.port or _PORTS[parts.scheme]
    found = [ip_address(text.partition("%")[0]) for text in look_up(host, port)]
    if not found:
        raise AddressRefused(f"the name {host[:100]} has no address")
    for address in found:
        _judge(address, outbound)
    chosen = str(found[0]) if found[0].version == 4 else f"[{found[0]}]"  # noqa: PLR2004 - IPv4
    there = urlunsplit((parts.scheme, f"{chosen}:{port}", parts.path or "/", parts.query, ""))
    shown = f"[{host}]" if ":" in host else host
    is_usual = port == _PORTS[parts.scheme]
    return Pinned(there, shown if is_usual else f"{shown}:{port}", host)


def _literal(host: str) -> Address | None:
    try:
        return ip_address(host.partition("%")[0])
    except ValueError:
        return None


def _judge(address: Address, outbound: Outbound) -> None:
    """Let public addresses and those of an allowed network pass."""
    inner = _inner(address)
    for judged in {address, inner}:
        if any(judged.version == n.version and judged in n for n in outbound.networks):
            return
    if _is_public(address) and _is_public(inner):
        return
    raise AddressRefused(
        f"{address} is not a public address; alerts.notification.allowed-networks can allow it"
    )


def _is_public(address: Address) -> bool:
    if isinstance(address, IPv4Address) and address in _SHARED:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def _inner(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 one carries (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    if address in IPv6Network("64:ff9b::/96"):
        return IPv4Address(int(address) & 0xFFFF_FFFF)
    return address
