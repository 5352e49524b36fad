"""Addresses and networks as settings name them."""

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from urllib.parse import urlsplit

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network


def address_and_port(text: str) -> tuple[Address, int]:
    """Read `10.0.1.5:5433` or `[fd00::5]:5433`.

    Raises:
        ValueError: it is something else, or an address that is none of its own (`0.0.0.0`).
    """
    parts = urlsplit(f"//{text}")
    if parts.port is None:
        raise ValueError("it must be an address and a port, such as 10.0.1.5:5433")
    address = ip_address(parts.hostname or "")
    if address.is_unspecified:
        raise ValueError("it must be the one address at which other machines reach this one")
    return address, parts.port


def networks(text: str) -> tuple[Network, ...]:
    """Read `10.0.0.0/16, 10.9.0.7`.

    Raises:
        ValueError: one of them is no network, or everybody's.
    """
    found = tuple(ip_network(one) for one in listed(text))
    if any(network.prefixlen == 0 for network in found):
        raise ValueError("everybody is too many: name the networks that the machines are in")
    return found


def listed(text: str) -> tuple[str, ...]:
    """Return what stands between commas."""
    return tuple(one.strip() for one in text.split(",") if one.strip())


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can reach an address."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
