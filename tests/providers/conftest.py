from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.provider import DemoProvider, Proxy
from tests.providers.aws.roles import Given as GivenRole
from tests.providers.harness import (
    REGION,
    AwsStore,
    FileStore,
    Scripted,
    SsmStore,
    Store,
    aws_source,
    scripted_server,
    ssm_source,
)
from tests.providers.vault.bao import Bao, Given, VaultStore
from tests.providers.vault.bao import account as bao_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoProvider]:
    """Moto's server; tests keep apart by the names of their secrets."""
    provider = DemoProvider(log=tmp_path_factory.mktemp("moto") / "log", region=REGION)
    yield provider
    provider.stop()


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
def bao(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bao]:
    """OpenBao's server; tests keep apart by the names of their secrets."""
    bao = Bao(tmp_path_factory.mktemp("bao"))
    yield bao
    bao.stop()


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


@pytest.fixture(params=["aws-sm", "aws-ssm", "aws-ssm-plain", "file", "vault"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of provider, for the conformance tests. A new source gets a line here."""
    if request.param == "file":
        store: Store = FileStore(root=tmp_path)
    elif request.param == "vault":
        bao_proxy: Proxy = request.getfixturevalue("bao_proxy")
        given = Given(folder=tmp_path, account=bao_account(bao_proxy.addresses["default"]))
        given.ask("secret/conformance")
        store = VaultStore(bao=request.getfixturevalue("bao"), given=given)
    else:
        proxy: Proxy = request.getfixturevalue("proxy")
        address, moto = proxy.addresses["default"], request.getfixturevalue("provider")
        if request.param == "aws-sm":
            store = AwsStore(provider=moto, source=aws_source(address))
        else:
            kind = "String" if request.param == "aws-ssm-plain" else "SecureString"
            store = SsmStore(provider=moto, source=ssm_source(address), kind=kind)
    yield store
    store.source.close()
