from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.provider import DemoProvider, Proxy
from tests.providers.aws.roles import Given as GivenRole
from tests.providers.aws.stores import moto
from tests.providers.conformance.store import Servers
from tests.providers.harness import Scripted, scripted_server
from tests.providers.vault.bao import Bao

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    """What is started once, when the first test wants it."""
    servers = Servers(lambda: tmp_path_factory.mktemp("server"))
    yield servers
    servers.stop()


@pytest.fixture(scope="session")
def provider(servers: Servers) -> DemoProvider:
    """Moto's server; tests keep apart by the names of their secrets."""
    return servers.of(moto)


@pytest.fixture(scope="session")
def proxy_process(
    provider: DemoProvider, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Proxy]:
    """One fault proxy for all tests."""
    proxy = Proxy(log=tmp_path_factory.mktemp("proxy") / "log", upstream=provider.address)
    yield proxy
    proxy.stop()


@pytest.fixture
def proxy(proxy_process: Proxy) -> Proxy:
    """The proxy without faults, counting from zero."""
    proxy_process.set("pass")
    proxy_process.reset()
    return proxy_process


@pytest.fixture
def script() -> Iterator[Scripted]:
    """A server that answers as the test says."""
    yield from scripted_server()


@pytest.fixture
def given(script: Scripted) -> Iterator[GivenRole]:
    """An account with a role, where all is well at first."""
    given = GivenRole(script)
    yield given
    given.source.close()


@pytest.fixture(scope="session")
def bao(servers: Servers) -> Bao:
    """OpenBao's server; tests keep apart by the names of their secrets."""
    return servers.of(Bao)


@pytest.fixture(scope="session")
def bao_proxy_process(bao: Bao, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    """One fault proxy before it."""
    proxy = Proxy(log=tmp_path_factory.mktemp("bao-proxy") / "log", upstream=bao.address)
    yield proxy
    proxy.stop()


@pytest.fixture
def bao_proxy(bao_proxy_process: Proxy) -> Proxy:
    """The proxy without faults, counting from zero."""
    bao_proxy_process.set("pass")
    bao_proxy_process.reset()
    return bao_proxy_process
