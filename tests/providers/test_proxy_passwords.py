"""A proxy's password: as its URL has it, taken or refused, and in no log and no result."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from contract.reasons import FetchFailure
from providers.aws.source.client import Access, Keys, open_clients
from providers.aws.source.secrets_manager import AwsSecretsManager
from providers.http import Http, TlsSettings
from providers.protocol import Failed, FetchRequest
from providers.proxies import from_environment
from tests.make.connect_proxy import USER, ForwardProxy, forward_proxy

if TYPE_CHECKING:
    from collections.abc import Callable

    from _pytest.logging import LogCaptureFixture

CANARY = "p:ss@/3f9c%"
"""With characters that mean something in a URL. The SDK can send ASCII only."""


def by_http(url: str) -> object:
    """A call of a source without an SDK to a server that is not there, through the proxy."""
    proxies = from_environment({"HTTPS_PROXY": url})
    assert CANARY not in repr(proxies)
    http = Http(tls=TlsSettings(), proxies=proxies)
    found = http.ask("GET", "https://a.example.com:1/v1/a", headers={})
    http.close()
    return found


def by_sdk(_: str) -> object:
    """The same by the SDK, which reads the environment itself."""
    access = Access(
        regions=("eu-west-1",),
        endpoint="https://a.example.com:1",
        keys=Keys(access_key="a", secret_key="b"),
    )
    source = AwsSecretsManager(open_clients(access))
    [found] = source.fetch([FetchRequest(reference="/a")]).results
    source.close()
    return found


def url(proxy: ForwardProxy, password: str) -> str:
    """As HTTPS_PROXY has it."""
    return f"http://{USER}:{quote(password, safe='')}@{proxy.address}"


@pytest.mark.parametrize("call", [by_http, by_sdk])
def test_p8_it_is_sent_as_it_is_and_is_nowhere_else(
    call: Callable[[str], object], monkeypatch: pytest.MonkeyPatch, caplog: LogCaptureFixture
) -> None:
    """The right one opens a tunnel, and a wrong one is refused: both say that nobody answers."""
    caplog.set_level(logging.DEBUG)
    with forward_proxy(CANARY) as proxy:
        for password in (CANARY, CANARY + "wrong"):
            monkeypatch.setenv("HTTPS_PROXY", url(proxy, password))
            found = call(url(proxy, password))
            assert isinstance(found, Failed)
            assert found.reason is FetchFailure.UNAVAILABLE
            assert CANARY not in repr(found)
        assert len(proxy.tunnels) == len(proxy.refused) == 1
    for word in (CANARY, quote(CANARY, safe="")):
        assert word not in caplog.text
