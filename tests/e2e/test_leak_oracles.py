"""What a stolen token of the controller still learns about a foreign Secret: the examples of
docs/design/010. Validation of an update comes before every policy, and some of its errors depend on
the old object.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest

from kube.api_resources import SECRETS
from tests.e2e.controlled import PATIENCE_S
from tests.e2e.enforced import kubectl
from tests.e2e.leak.scene import CONTROLLER
from tests.e2e.test_leak import scene  # noqa: F401 - a fixture
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.leak.scene import Scene

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(240)]
Json = dict[str, Any]
OURS = "lastgood.dev/snapshot"


class Thief:
    """Has the controller's token, and knows names only."""

    def __init__(self, scene: Scene) -> None:  # noqa: F811 - the fixture
        self._scene = scene
        token = scene.identity(CONTROLLER).token
        self.client = httpx.Client(
            base_url=scene.address.url,
            verify=scene.address.tls,
            headers={"Authorization": f"Bearer {token}"},
            timeout=30,
        )

    def put(self, name: str, **body: object) -> tuple[int, str]:
        """Status and message of a dry run."""
        metadata = {"name": name} | dict(body.pop("metadata", {}))  # type: ignore[call-overload]
        whole = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, **body}
        return self._told(self.client.put(self._path(name) + "?dryRun=All", json=whole))

    def post(self, name: str, query: str = "?dryRun=All") -> tuple[int, str]:
        whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}, "type": OURS}
        return self._told(self.client.post(SECRETS.path(self._scene.team) + query, json=whole))

    def delete(self, name: str, **preconditions: str) -> tuple[int, str]:
        body = {"dryRun": ["All"], "preconditions": preconditions}
        return self._told(self.client.request("DELETE", self._path(name), json=body))

    def truth(self, name: str) -> Json:
        """What the thief does not know."""
        return self._scene.before[self._path(name)]

    def _path(self, name: str) -> str:
        return SECRETS.path(self._scene.team, name)

    @staticmethod
    def _told(answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, str(answer.json().get("message", ""))


@pytest.fixture
def thief(scene: Scene) -> Iterator[Thief]:  # noqa: F811 - the fixture
    """Its client is closed at the end."""
    made = Thief(scene)
    with made.client:
        yield made


def test_p14_what_a_stolen_token_still_learns(thief: Thief, scene: Scene) -> None:  # noqa: F811 - the fixture
    """Each row of the table in docs/design/010, one installation for all of them."""
    _existence(thief)
    _uid_and_version(thief)
    _type(thief)
    _immutable_content(thief)
    _deletion_and_finalizers(thief)
    _quota(thief, scene.team)
    assert not scene.changed(CONTROLLER)


def _existence(thief: Thief) -> None:
    assert thief.put("leak-opaque", type="Opaque")[0] == 422
    assert thief.put("lg-leak-none", type=OURS)[0] == 404
    assert thief.delete("leak-none")[0] == 404
    for name in ("leak-opaque", "leak-none"):  # only a snapshot's name may be made
        status, told = thief.post(name)
        assert (status, "ValidatingAdmissionPolicy" in told) == (422, True)


def _uid_and_version(thief: Thief) -> None:
    """Errors of preconditions quote what is there."""
    known = thief.truth("leak-opaque")["metadata"]
    status, told = thief.put("leak-opaque", metadata={"uid": "0"}, type="Opaque")
    assert (status, known["uid"] in told) == (409, True)
    status, told = thief.delete("leak-opaque", uid="0")
    assert (status, known["uid"] in told) == (409, True)
    status, told = thief.delete("leak-opaque", resourceVersion="1")
    assert (status, known["resourceVersion"] in told) == (409, True)


def _type(thief: Thief) -> None:
    """Whether a guess of it is right."""
    assert "type: Invalid value" in thief.put("leak-tls", type="Opaque")[1]
    assert "type: Invalid value" not in thief.put("leak-tls", type="kubernetes.io/tls")[1]


def _immutable_content(thief: Thief) -> None:
    """Whether a guess of all keys and values at once is right; of another Secret nothing."""
    wrong = {"data": {"k": "YQ=="}, "type": "Opaque", "immutable": True}
    right = wrong | {"data": thief.truth("leak-immutable")["data"]}
    partly = right | {"data": {**right["data"], "z": "YQ=="}}  # type: ignore[dict-item]
    refused = "data: Forbidden: field is immutable when `immutable` is set"
    assert refused in thief.put("leak-immutable", **wrong)[1]
    assert refused in thief.put("leak-immutable", **partly)[1]
    assert "ValidatingAdmissionPolicy" in thief.put("leak-immutable", **right)[1]
    guess = {"data": thief.truth("leak-opaque")["data"], "type": "Opaque"}
    assert thief.put("leak-opaque", **guess) == thief.put("leak-opaque", type="Opaque")


def _deletion_and_finalizers(thief: Thief) -> None:
    """That it is being deleted, and whether a guess of a finalizer's name is right."""
    right = thief.truth("leak-deleting")["metadata"]["finalizers"]
    told = thief.put("leak-deleting", metadata={"finalizers": ["a.b/c"]}, type="Opaque")[1]
    assert "no new finalizers can be added if the object is being deleted" in told
    told = thief.put("leak-deleting", metadata={"finalizers": right}, type="Opaque")[1]
    assert "ValidatingAdmissionPolicy" in told
    told = thief.put("leak-finalizer", metadata={"finalizers": ["a.b/c"]}, type="Opaque")[1]
    assert "ValidatingAdmissionPolicy" in told


def _quota(thief: Thief, team: str) -> None:
    """How many Secrets a namespace with a quota has, once Kubernetes has counted them."""

    def counted() -> bool:
        status, told = thief.post("lg-leak-one-more")
        assert status == 403 or "quota" not in told
        return "exceeded quota: leak, requested: secrets=1, used: secrets=" in told

    kubectl("create", "quota", "leak", "--hard=secrets=1", "-n", team)
    try:
        until("the quota", counted, PATIENCE_S)
    finally:
        kubectl("delete", "quota", "leak", "-n", team)
