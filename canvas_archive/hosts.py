"""Hosts as people, addresses and servers name them."""

from __future__ import annotations

import ipaddress


def is_ip_address(host: str) -> bool:
    """Return whether this is the number of a host, not its name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_loopback(host: str) -> bool:
    """Return whether a name or address of a host means this machine alone."""
    return ipaddress.ip_address(host).is_loopback if is_ip_address(host) else host == "localhost"
