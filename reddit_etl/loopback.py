"""What is of this machine: stand-ins for Reddit and AWS are taken from nowhere else."""

import ipaddress


def is_loopback(host: str | None) -> bool:
    """Whether a host's name or address is this machine's own, without asking a name server."""
    try:
        return host == "localhost" or ipaddress.ip_address(host or "").is_loopback
    except ValueError:
        return False
