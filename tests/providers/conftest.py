from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from demo.provider import DemoProvider, Proxy
from tests.providers.aws.roles import Given
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
def given(script: Scripted) -> Iterator[Given]:
    """An account with a role, where all is well at first."""
    given = Given(script)
    yield given
    given.source.close()


@pytest.fixture(params=["aws-sm", "aws-ssm", "aws-ssm-plain", "file"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """Each kind of provider, for the conformance tests. A new source gets a line here."""
    if request.param == "file":
        store: Store = FileStore(root=tmp_path)
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
