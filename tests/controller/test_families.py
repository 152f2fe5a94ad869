"""The controller as a process on a cluster of IPv6 alone, or of both families."""

from __future__ import annotations

from http.client import HTTPConnection
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.make.cluster import World


@pytest.mark.usefixtures("ipv6")
def test_the_pages_are_reached_by_both_families(world: World) -> None:
    """With the address of the chart's Deployment; the log names it so that a URL can hold it."""
    world.listen = "[::]:0"
    world.start()
    host, _, port = world.events("controller.started")[0]["listen"].rpartition(":")
    assert host == "[::]"
    for loopback in ("127.0.0.1", "::1"):
        connection = HTTPConnection(loopback, int(port), timeout=10)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
