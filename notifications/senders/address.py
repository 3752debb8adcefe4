"""Which addresses the console may connect to: https, and no machine of its own network unless the settings name it.

Resolved once and connected to by the address that was judged, so that a name cannot answer differently the second
time. Follows OWASP's cheat sheet on server-side request forgery.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from notifications.senders.outcome import CannotSend, SendFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
# Global by the registry, and still doors into a private network: 6to4, Teredo and both NAT64 prefixes.
TUNNELS = tuple(
    ipaddress.ip_network(net) for net in ("2002::/16", "2001::/32", "64:ff9b::/96", "64:ff9b:1::/48")
)
# Kept for protocols as a whole; Python before 3.11.10 calls most of it global.
PROTOCOLS = ipaddress.ip_network("192.0.0.0/24")


class AddressRefused(CannotSend):
    """The address is none that the console may connect to."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address that was judged: `ip` is connected to, `host` is spoken to."""

    scheme: str
    host: str
    port: int
    ip: str
    path: str


def parse(url: str) -> tuple[str, str, int, str]:
    """Return scheme, host, port and path of a URL in the one form that is accepted."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise AddressRefused("This is no URL.") from None
    host = parts.hostname or ""
    if not host or any(c.isspace() or not c.isprintable() for c in url) or "\\" in url or "%" in host:
        raise AddressRefused("This is no URL with a host.")
    if not url.isascii():
        raise AddressRefused(
            "The URL has letters beyond ASCII: write its host as xn--… and its path with %XX."
        )
    if parts.username is not None or parts.password is not None:
        raise AddressRefused(
            "The URL names a user or a password; put secrets into its path or into the signing secret."
        )
    is_allowed = host in settings.NOTIFICATION_ALLOW_HOSTS
    if parts.scheme != "https" and not (parts.scheme == "http" and is_allowed):
        raise AddressRefused("The URL must begin with https://.")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return parts.scheme, host, port or (443 if parts.scheme == "https" else 80), path


def is_public(address: Address) -> bool:
    """Whether an address belongs to the public internet; what is hidden inside another form is judged as itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if any(address in net for net in TUNNELS) or address.is_site_local:
            return False
    elif address in PROTOCOLS:
        return False
    return address.is_global and not (
        address.is_multicast or address.is_reserved or address.is_loopback or address.is_link_local
    )


def resolve(host: str, port: int) -> Sequence[str]:
    """Return the addresses of a name; decimal, octal and hexadecimal forms of IPv4 come out as what they mean."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        # DNS may be down as well as the name wrong.
        raise SendFailed(f"{host} has no address now: {error}") from error
    return list(dict.fromkeys(str(item[4][0]) for item in found))


def judge(url: str) -> Target:
    """Return where to connect for a URL, or raise `AddressRefused`; one private address of a name refuses all."""
    scheme, host, port, path = parse(url)
    addresses = resolve(host, port)
    if host not in settings.NOTIFICATION_ALLOW_HOSTS:
        for text in addresses:
            if not is_public(ipaddress.ip_address(text.partition("%")[0])):
                raise AddressRefused(
                    f"{host} is at {text}, which is not on the public internet. If it is meant, whoever runs the "
                    "console adds the host to NOTIFICATION_ALLOW_HOSTS."
                )
    return Target(scheme, host, port, addresses[0], path)
