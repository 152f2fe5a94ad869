"""Which proxy a URL goes through. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Proxies:
    """What HTTPS_PROXY, HTTP_PROXY and NO_PROXY say."""

    https: str | None = field(default=None, repr=False)
    """Proxy's URL for https:// addresses, which may have a password. None: they are reached
    directly."""
    http: str | None = field(default=None, repr=False)
    """The same for http:// addresses."""
    never: tuple[str, ...] = ()
    """Hosts that are reached directly: names with all below them, addresses, CIDRs, or `*`."""

    def of(self, url: str) -> str | None:
        """The proxy for a URL; None: none. ValueError: it is no URL."""
        parts = urlsplit(url)
        proxy = self.https if parts.scheme == "https" else self.http
        host = (parts.hostname or "").rstrip(".")
        if proxy is None or any(_covers(item, host, parts.port) for item in self.never):
            return None
        return proxy


NO_PROXIES = Proxies()


def from_environment(environment: Mapping[str, str]) -> Proxies:
    """As curl and Go read it: lower or upper case, `NO_PROXY` divided by commas."""

    def read(name: str) -> str | None:
        return environment.get(name.lower()) or environment.get(name) or None

    never = (item.strip() for item in (read("NO_PROXY") or "").split(","))
    return Proxies(
        https=_url(read("HTTPS_PROXY")),
        http=_url(read("HTTP_PROXY")),
        never=tuple(item for item in never if item),
    )


def _url(proxy: str | None) -> str | None:
    """`host:port` is taken for http://, as curl and Go do."""
    return proxy if proxy is None or "://" in proxy else f"http://{proxy}"


def _covers(item: str, host: str, port: int | None) -> bool:
    if item == "*":
        return True
    try:
        return ip_address(host) in ip_network(item, strict=False)
    except ValueError:
        pass
    name, colon, its_port = item.rpartition(":")
    if colon and its_port.isdigit():
        if port != int(its_port):
            return False
        item = name.strip("[]")
    bare = item.lstrip(".").removeprefix("*.").lower()
    return host.lower() == bare or host.lower().endswith("." + bare)
