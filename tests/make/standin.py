"""The stand-in for the API server, with what the chart installs, and an admin's hands on it."""

from __future__ import annotations

import copy
import datetime as dt
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from apiserver import install
from apiserver.client import IdentityClient
from apiserver.operations import Target
from apiserver.refusal import Refusal
from apiserver.running import running
from apiserver.server import ADMIN
from certs.dev_ca import CA_FILE, CERT_FILE, KEY_FILE, write_pair
from kube import api_resources
from kube.errors import AlreadyExistsError, ConflictError, NotFoundError
from tests.make import kinds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apiserver.authorization import User
    from apiserver.faults import FaultRule
    from apiserver.running import Running
    from apiserver.server import ApiServer, Seen
    from kube.api_resources import Resource

Json = dict[str, Any]
SYSTEM = install.SYSTEM
"""The release's namespace."""
_KINDS = {
    "Namespace": api_resources.NAMESPACES,
    "Pod": api_resources.PODS,
    "Secret": api_resources.SECRETS,
    "SecretAccount": api_resources.SECRET_ACCOUNTS,
    "SecretPolicy": api_resources.SECRET_POLICIES,
    "SecretSnapshot": api_resources.SECRET_SNAPSHOTS,
    "ExternalSecret": api_resources.EXTERNAL_SECRETS,
    "Role": api_resources.ROLES,
    "RoleBinding": api_resources.ROLE_BINDINGS,
}
"""Of objects that tests apply."""
_TRIES = 20
FREE = {"holderIdentity": "", "leaseDurationSeconds": 1}
"""A Lease as a leader leaves it that ends well."""


class StandIn:
    """One API server of a test's own."""

    def __init__(self, server: Running, folder: Path) -> None:
        self._server = server
        self.folder = folder
        token = server.call(lambda found: found.token(ADMIN))
        self.client = IdentityClient(server.url, server.ca, token)
        """An admin's."""

    def kubeconfig(self, name: str, user: User = ADMIN, namespace: str = "default") -> Path:
        """The path of a new kubeconfig."""
        return self._server.kubeconfig(self.folder / name, user, namespace)

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> Json | None:
        """None: there is none. Read in this process: tests look often."""

        def read(server: ApiServer) -> Json | None:
            with suppress(Refusal):
                return server.registry.get(_target(server, resource, namespace, name))
            return None

        return self._server.call(read)

    def items(self, resource: Resource, namespace: str | None = None) -> list[Json]:
        """All of a namespace; None: of all namespaces. Read in this process."""

        def read(server: ApiServer) -> list[Json]:
            found: list[Json] = server.registry.list_(_target(server, resource, namespace), {})[
                "items"
            ]
            return found

        return self._server.call(read)

    def apply(self, content: Json, namespace: str | None = None) -> None:
        """Makes the object, or writes this in its place, no matter who else writes it meanwhile."""
        resource, metadata = _KINDS[content["kind"]], content["metadata"]
        where = metadata.get("namespace", namespace)
        for _ in range(_TRIES):
            found = self.get(resource, metadata["name"], where)
            with suppress(AlreadyExistsError, ConflictError):
                if found is None:
                    self.client.call("POST", resource.path(where), content)
                else:
                    version = {"resourceVersion": found["metadata"]["resourceVersion"]}
                    body = {**content, "metadata": {**metadata, **version}}
                    self.client.call("PUT", resource.path(where, metadata["name"]), body)
                return
        raise AssertionError(f"others keep writing {metadata['name']}")

    def patch(
        self,
        resource: Resource,
        name: str,
        body: Json,
        *,
        namespace: str | None = None,
        subresource: str | None = None,
    ) -> None:
        """A JSON merge patch."""
        self.client.patch(resource.path(namespace, name, subresource), body)

    def delete(self, resource: Resource, name: str, namespace: str | None = None) -> None:
        """Removes an object, if it is there."""
        with suppress(NotFoundError):
            self.client.call("DELETE", resource.path(namespace, name))

    def take_anything(self, resource: Resource) -> None:
        """The definition of a newer version of lastgood, which takes what ours refuses."""
        path = kinds.CUSTOM_RESOURCES.path(name=f"{resource.plural}.{resource.group}")
        found = self.client.call("GET", path)
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        for version in found["spec"]["versions"]:
            version["schema"]["openAPIV3Schema"] = anything
        self.client.call("PUT", path, found)

    def break_requests(self, rule: FaultRule) -> None:
        """Requests have this fault until `repair`."""
        self._server.call(lambda found: found.faults.add(rule))

    def repair(self) -> None:
        """No request has a fault any more."""
        self._server.call(lambda found: found.faults.clear())

    def saved(self) -> Callable[[], None]:
        """What brings objects, kinds, Services and version back to how they are now."""

        def copies(server: ApiServer) -> tuple[dict[str, Any], ...]:
            custom: dict[str, Any] = {"custom": server.registry._custom}
            return copy.deepcopy((vars(server.store), custom))

        saved = self._server.call(copies)
        services, version = self._server.call(lambda it: (dict(it.services), it.version))

        def restore(server: ApiServer) -> None:
            store, custom = copy.deepcopy(saved)
            vars(server.store).update(store)
            server.registry._custom.clear()
            server.registry._custom.update(custom["custom"])
            server.services.clear()
            server.services.update(services)
            server.version = version
            server.faults.clear()

        return lambda: self._server.call(restore)

    def be(self, version: str) -> None:
        """Says that it is this version of Kubernetes."""

        def change(server: ApiServer) -> None:
            server.version = version

        self._server.call(change)

    def route(self, service: tuple[str, str], address: str | None) -> None:
        """Where a Service (namespace and name) leads; None: there is no such Service."""
        if address is None:
            self._server.call(lambda found: found.services.pop(service, None))
        else:
            self._server.call(lambda found: found.services.update({service: address}))

    def seen(self) -> list[Seen]:
        """Every request that came, oldest first."""
        return self._server.call(lambda found: list(found.seen))

    def written(self) -> list[tuple[str, Json]]:
        """Every form that every object ever had, with the plural of its kind."""

        def all_of(server: ApiServer) -> list[tuple[str, Json]]:
            kinds = {kind.store: kind.plural for kind in server.registry.kinds()}
            return [
                (plural, change.after)
                for store, plural in kinds.items()
                for change in server.store.since(store, 0)
                if change.after is not None
            ]

        return self._server.call(all_of)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a CA's certificate, and a certificate and its key for `localhost`."""
    folder = tmp_path_factory.mktemp("certificates")
    write_pair(folder, ["localhost"], dt.datetime.now(dt.UTC))
    return folder


@contextmanager
def installed(certificates: Path) -> Iterator[StandIn]:
    """As the chart installs it, without its webhook."""
    ca, certificate, key = (certificates / name for name in (CA_FILE, CERT_FILE, KEY_FILE))
    with (
        tempfile.TemporaryDirectory(prefix="lastgood-test-") as folder,
        running(ca=ca, certificate=certificate, key=key) as found,
    ):
        found.run(lambda server: install.install(server, webhook=False))
        yield StandIn(found, Path(folder))


def _target(
    server: ApiServer, resource: Resource, namespace: str | None, name: str | None = None
) -> Target:
    kind = server.registry.kind(resource.group, resource.version, resource.plural)
    assert kind is not None, resource
    return Target(kind=kind, namespace=namespace or "", name=name)
