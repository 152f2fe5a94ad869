"""What the API server itself refuses of lastgood's kinds, fills in, and explains."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

import pytest

from tests.chart.rendering import CHART
from tests.e2e.definitions import BOUNDS, KEPT, NAME, RULES, made
from tests.e2e.enforced import kubectl
from tests.e2e.mistakes import PLACES, mistakes, problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.definitions import Json, Refused
    from tests.e2e.enforced import Answer, Server
    from tests.e2e.mistakes import Path

pytestmark = pytest.mark.e2e
API = "/apis/lastgood.dev/v1alpha1"
SNAPSHOTS = "secretsnapshots"


class World:
    """The definitions are there, and a namespace."""

    def __init__(self, server: Server, namespace: str) -> None:
        self.server = server
        self.namespace = namespace

    def path(self, plural: str) -> str:
        within = f"/namespaces/{self.namespace}" if plural == SNAPSHOTS else ""
        return f"{API}{within}/{plural}"

    def create(self, plural: str, body: Json, *, dry: bool = True) -> Answer:
        return self.server.act(None, "POST", self.path(plural), body, dry=dry)

    def change(self, spec: Json) -> Answer:
        """A dry-run patch of the SecretSnapshot that is there."""
        path = f"{self.path(SNAPSHOTS)}/{NAME}"
        return self.server.act(None, "PATCH", path, {"spec": spec}, dry=True)


@pytest.fixture(scope="module")
def world(server: Server) -> Iterator[World]:
    """With one SecretSnapshot that has revoked two versions."""
    crds = ("-f", str(CHART / "crds"))
    kubectl("apply", *crds)
    kubectl("wait", "--for=condition=Established", "--timeout=30s", *crds)
    found = World(server, f"lg-definitions-{secrets.token_hex(4)}")
    kubectl("create", "namespace", found.namespace)
    try:
        body = made(SNAPSHOTS, spec__revoked=["one", "two"])
        answer = found.create(SNAPSHOTS, body, dry=False)
        assert answer.status == 201, answer.message
        yield found
    finally:
        kubectl("delete", "namespace", found.namespace, "--wait=false")


def _id(case: Refused) -> str:
    return f"{case.plural}: {case.says}"


@pytest.mark.parametrize("case", [*RULES, *BOUNDS], ids=_id)
def test_p2_what_breaks_a_rule_is_refused_with_its_message(world: World, case: Refused) -> None:
    """So it is never a policy that a webhook or a controller can't read."""
    answer = world.create(case.plural, case.body)
    assert answer.status == 422, answer.body
    assert case.says in answer.message


@pytest.mark.parametrize(("says", "spec"), KEPT, ids=lambda it: str(it)[:40])
def test_p12_a_snapshot_keeps_source_and_revocations(world: World, says: str, spec: Json) -> None:
    """Anyone who may write it, admins too."""
    answer = world.change(spec)
    assert answer.status == 422, answer.body
    assert says in answer.message


def test_p12_more_can_be_revoked_and_the_same_source_written_again(world: World) -> None:
    """Without the identity that was filled in."""
    answer = world.change({"revoked": ["zero", "two", "one"], "pin": "three"})
    assert answer.status == 200, answer.message
    body = made(SNAPSHOTS, spec__revoked=["one", "two"])
    found = world.server.act(None, "GET", f"{world.path(SNAPSHOTS)}/{NAME}").body
    body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"]
    path = f"{world.path(SNAPSHOTS)}/{NAME}"
    answer = world.server.act(None, "PUT", path, body, dry=True)
    assert answer.status == 200, answer.message


@pytest.mark.parametrize(("plural", "number", "path"), PLACES)
def test_p2_what_is_taken_can_be_read(world: World, plural: str, number: int, path: Path) -> None:
    """Whatever stands in one field, and what can be read is taken."""
    different = {}
    for what, body in mistakes(plural, number, path):
        answer = world.create(plural, body)
        assert answer.status in {201, 400, 422}, answer.body
        found = problem(plural, answer.body if answer.status == 201 else body)
        if (answer.status == 201) != (found is None):
            different[what] = answer.message or found
    assert different == {}


@pytest.mark.parametrize(
    ("plural", "filled"),
    [
        ("secretaccounts", {"spec__revoked": []}),
        (
            "secretpolicies",
            {
                "spec__sources__0__validate": [],
                "spec__classes__steady__onExpired": "serve",
                "spec__classes__steady__propagation": "kubelet",
                "spec__allowEnvValue": False,
                "spec__limits": {
                    "secretsPerPod": 32,
                    "bytesPerSecret": 65536,
                    "snapshotsPerNamespace": 200,
                },
                "spec__agent": {
                    "mode": "follow",
                    "resources": {"limits": {}, "requests": {}},
                },
            },
        ),
        (
            SNAPSHOTS,
            {
                "spec__source__identity": "controller",
                "spec__properties": [],
                "spec__quarantined": [],
                "spec__revoked": [],
                "spec__retention": "168h",
            },
        ),
    ],
    ids=lambda it: it if isinstance(it, str) else "",
)
def test_the_shortest_is_taken_and_filled_in(world: World, plural: str, filled: Json) -> None:
    """All that it did not say, and nothing else."""
    answer = world.create(plural, made(plural, "e2e-shortest"))
    assert answer.status == 201, answer.message
    assert answer.body["spec"] == made(plural, **filled)["spec"]


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("secretaccount.spec.aws.externalID", "External ID (sts:ExternalId)"),
        ("secretpolicy.spec.sources.validate.pem", "The value must be PEM"),
        ("secretpolicy.spec.classes.freshnessBudget", "Age at which a value becomes stale"),
        ("snap.status.conditions.message", "Explanation in one sentence"),
        ("snap.spec.source.reference", "Name of the secret at the provider"),
    ],
)
@pytest.mark.usefixtures("world")
def test_kubectl_explains_a_nested_field(field: str, text: str) -> None:
    """From the docstring of the model."""
    assert text in " ".join(
        kubectl("explain", field, "--api-version=lastgood.dev/v1alpha1").split()
    )
