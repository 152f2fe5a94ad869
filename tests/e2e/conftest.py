"""One namespace for all tests, in which Pod Security `restricted` is enforced; deleted with
them.
"""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.ages import CONFIG_MAP
from tests.e2e import admission
from tests.e2e.cluster import POLICY, Cluster
from tests.e2e.controlled import controlled  # noqa: F401 - a fixture
from tests.e2e.guarded import guarded, server  # noqa: F401 - fixtures
from tests.e2e.installed import installed  # noqa: F401 - a fixture
from tests.e2e.opted_in import account, running  # noqa: F401 - fixtures
from tests.e2e.replica import webhook
from tests.e2e.settings import Settings, from_environment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.admission import Place
    from tests.e2e.enforced import Server
    from tests.e2e.replica import Webhook

SYMLINKS = Path("/proc/sys/fs/protected_symlinks")


@pytest.fixture(scope="session")
def settings() -> Settings:
    """The settings; without them every test here is skipped."""
    found = from_environment()
    if isinstance(found, str):
        pytest.skip(found)
    return found


@pytest.fixture(scope="session")
def cluster(settings: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """The namespace, with an empty freshness ConfigMap in it."""
    namespace = f"lastgood-e2e-{secrets.token_hex(4)}"
    policy = tmp_path_factory.mktemp("policy")
    (policy / "policy.yaml").write_text(POLICY.format(namespace=namespace), encoding="utf-8")
    made = Cluster(namespace=namespace, settings=settings, policy=policy)
    labels = {"pod-security.kubernetes.io/enforce": "restricted"}
    metadata = {"name": namespace, "labels": labels}
    made.create({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
    try:
        ages = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": CONFIG_MAP}}
        made.create(ages)
        yield made
    finally:
        made.remove()


@pytest.fixture
def value() -> str:
    """A secret that no other test has: a JSON object with the member `password`."""
    return json.dumps({"password": secrets.token_hex(16)})


@pytest.fixture(scope="session")
def protected_symlinks(settings: Settings) -> Iterator[None]:
    """The kernel's guard of links in sticky directories is on, where the node is this machine; what
    it was comes back.
    """
    before = SYMLINKS.read_text() if settings.node_is_here else "1"
    if before.strip() != "1":
        SYMLINKS.write_text("1")
    yield
    if before.strip() != "1":
        SYMLINKS.write_text(before)


@pytest.fixture(scope="module")
def place(server: Server) -> Iterator[Place]:  # noqa: F811 - the fixture
    """Namespaces, account and policy of a module's tests of the webhook."""
    with admission.place(server) as found:
        yield found


@pytest.fixture
def replica(place: Place) -> Iterator[Webhook]:
    """A webhook that the API server calls and trusts."""
    port = admission.free_port()
    with admission.called(place, port), webhook(place, port) as found:
        admission.admitted(place, found)
        yield found
