"""The API servers that the table's cases are carried out against."""

from __future__ import annotations

import datetime as dt
import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from apiserver.running import running
from certs import dev_ca
from tests.apiserver.hook import hook
from tests.apiserver.world import world

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apiserver.running import Running
    from tests.apiserver.world import World


@pytest.fixture(scope="session")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The stand-in, empty at first."""
    folder = tmp_path_factory.mktemp("standin")
    dev_ca.write_pair(folder, ["localhost"], dt.datetime.now(dt.UTC))
    with running(
        ca=folder / dev_ca.CA_FILE,
        certificate=folder / dev_ca.CERT_FILE,
        key=folder / dev_ca.KEY_FILE,
    ) as found:
        yield found


@pytest.fixture(scope="session")
def called(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """The URL and the CA of the cases' webhook."""
    with hook(tmp_path_factory.mktemp("hook")) as found:
        yield found


@pytest.fixture(scope="session")
def stand_in(
    served: Running, called: tuple[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    """As the table's cases see it."""
    kubeconfig = served.kubeconfig(tmp_path_factory.mktemp("admin") / "kubeconfig")

    def forget() -> None:
        served.call(lambda server: server.store.compact())

    admin, anybody = "/api/v1/namespaces", {"metadata": {"name": "default"}}
    with world(kubeconfig, called, patience_s=0, forget=forget) as found:
        assert found.admin.post(admin, json=anybody).status_code == 201
        yield found


@pytest.fixture(scope="session")
def real(called: tuple[str, str]) -> Iterator[World]:
    """The API server of KUBECONFIG, which calls webhooks on this machine."""
    kubeconfig = os.environ.get("KUBECONFIG")
    if not kubeconfig:
        pytest.skip("needs KUBECONFIG")
    with world(Path(kubeconfig), called, patience_s=60) as found:
        yield replace(found, forget=lambda: _has_forgotten(found))


def _has_forgotten(found: World) -> None:
    """A server forgets after five minutes, and nobody can tell it to before."""
    query = {"resourceVersion": "1", "resourceVersionMatch": "Exact"}
    if found.admin.get("/api/v1/secrets", params=query).status_code != 410:
        pytest.skip("this server has forgotten nothing yet")
