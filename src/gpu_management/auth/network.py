"""Where a caller really is, and what its network grants (D-07). Pure."""

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

from gpu_management.auth.access import Role

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class TrustedNetwork:
    """Callers from `network` hold `roles` without credentials; a USER needs a `team` too."""

    network: Network
    roles: frozenset[Role]
    team: str | None = None


def client_address(
    peer: str | None, forwarded_for: Sequence[str], *, trusted_proxies: Sequence[Network]
) -> str | None:
    """Return the address the request came from; None when nobody trustworthy says.

    `forwarded_for` are the values of X-Forwarded-For, read from the right and only as far as
    proxies of ours wrote them. A trusted proxy that names no client tells nothing: its own
    address must not earn the caller the roles of the proxy's network.
    """
    nearest_hop = _address(peer)
    if nearest_hop is None or not _within(nearest_hop, trusted_proxies):
        return None if nearest_hop is None else str(nearest_hop)
    hops = [hop for value in forwarded_for for hop in value.split(",")]
    found: Address | None = None
    for hop in reversed(hops):
        found = _address(hop)
        if found is None or not _within(found, trusted_proxies):
            break
    return None if found is None else str(found)


def is_trusted(peer: str | None, trusted_proxies: Sequence[Network]) -> bool:
    """Return whether the connection comes from a proxy whose headers count."""
    nearest_hop = _address(peer)
    return nearest_hop is not None and _within(nearest_hop, trusted_proxies)


def granted(address: str | None, networks: Sequence[TrustedNetwork]) -> list[TrustedNetwork]:
    """Return the trusted networks that hold `address`."""
    here = _address(address)
    if here is None:
        return []
    return [trusted for trusted in networks if _within(here, [trusted.network])]


def _address(text: str | None) -> Address | None:
    try:
        found = ip_address((text or "").strip())
    except ValueError:
        return None
    # A dual-stack socket shows an IPv4 caller as ::ffff:10.0.0.1.
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return mapped or found


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
