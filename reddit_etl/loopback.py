"""Loopback addresses: stand-ins for Reddit and AWS are accepted only there."""

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Whether a host name or address is a loopback one, without a DNS query."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
