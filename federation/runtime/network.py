"""Whose a network address is, as far as it tells: what limits for each caller are counted by.

>>> network_of("192.0.2.7"), network_of("2001:db8:1:2:3::4"), network_of("::ffff:192.0.2.7"), network_of("unix")
('192.0.2.7', '2001:db8:1:2::/64', '192.0.2.7', '')
"""

from __future__ import annotations

import ipaddress

_IPV6_NETWORK = 64  # what one customer is given, and may take any address of


def network_of(address: str) -> str:
    """An IPv4 address, the /64 network of an IPv6 address, or empty for what is neither."""
    try:
        found = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.ip_network((found, _IPV6_NETWORK), strict=False))
