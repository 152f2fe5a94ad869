"""`lastgood check` on the stand-in API server: a healthy installation, and each way to break it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from apiserver.authorization import User
from apiserver.faults import Fault, FaultRule
from apiserver.server import ADMIN
from cli.checks.table import AFTER, BEFORE
from cli.exit_codes import CommandError
from kube import api_resources as kinds
from tests.cli.broken_installations import BROKEN
from tests.cli.installation import FakeClock, healthy, hook
from tests.make.standin import SYSTEM, certificates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.cli.broken_installations import Broken
    from tests.cli.installation import Hook, Installation

__all__ = ["certificates"]
RBAC = "rbac.authorization.k8s.io"
ROLE_BINDINGS = kinds.Resource(RBAC, "v1", "rolebindings")
NOT_HERE = {
    "ca-bundle": "warning",  # the tests' CA lives a week
    "webhook-certificate": "skipped",  # the stand-in proxies to no pod
    "logins": "skipped",
    "providers": "skipped",
}
"""What is not ok of the healthy installation."""


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hook]:
    """Of the webhook and the policies."""
    with hook(tmp_path_factory.mktemp("hook")) as found:
        yield found


@pytest.fixture(scope="module")
def made(
    certificates: Path, tmp_path_factory: pytest.TempPathFactory, answers: Hook
) -> Iterator[tuple[Installation, Callable[[], None]]]:
    """A healthy one, and what makes it so again."""
    with healthy(certificates, tmp_path_factory.mktemp("kubeconfigs"), answers) as found:
        yield found, found.saved()


@pytest.fixture
def installation(made: tuple[Installation, Callable[[], None]]) -> Installation:
    """A healthy one."""
    found, restore = made
    restore()
    found.clock, found.user = FakeClock(), ADMIN
    found.lead(SYSTEM)
    return found


def test_a_healthy_installation(installation: Installation) -> None:
    """Each line is ok, nothing is written, and nothing is waited for."""
    before = len(installation.server.written())
    code, out, err = installation.checked("--wait", "1h")
    assert (code, err) == (0, "")
    assert out.endswith("28 ok, 1 warning, 0 failed, 3 skipped\n")
    lines = installation.lines()
    assert {n: it["level"] for n, it in lines.items() if it["level"] != "ok"} == NOT_HERE
    assert len(installation.server.written()) == before
    assert installation.clock.slept == 0


@pytest.mark.parametrize("broken", BROKEN.values(), ids=BROKEN)
def test_a_broken_installation(broken: Broken, installation: Installation) -> None:
    """The line that finds it says what, what to do, and where to read on; the exit code is 1 if it
    is a failure.
    """
    broken.break_(installation)
    line = installation.lines()[broken.line]
    assert (line["level"], broken.says in line["message"]) == (broken.level, True), line
    assert line["hint"]
    assert line["docs"] == f"docs/check.md#{broken.line}"


def test_each_line_is_seen_to_find_something() -> None:
    """Lines without a broken installation here are decided in test_check_decisions.py."""
    elsewhere = {"admission-api", "definitions-served", "your-rights", "webhook-certificate"}
    assert {it.name for it in AFTER} - elsewhere == {it.line for it in BROKEN.values()}


def test_what_people_read(installation: Installation) -> None:
    """A line for each check, and three for what is not ok."""
    installation.server.delete(kinds.LEASES, "lastgood-controller", SYSTEM)
    _, out, _ = installation.checked()
    assert (
        "  failed   one controller leads: there is no Lease lastgood-controller\n"
        "           kubectl -n lastgood-system logs -l app.kubernetes.io/component=controller\n"
        "           see docs/check.md#leader\n"
    ) in out


@pytest.mark.parametrize("words", [(), ("--pre",)], ids=["after", "before"])
def test_a_caller_without_rights(words: tuple[str, ...], installation: Installation) -> None:
    """Lines say what the caller may not, and nothing fails for that."""
    installation.user = User("nobody", ("system:authenticated",))
    lines = installation.lines(*words)
    if words:
        assert lines["install-rights"]["level"] == "failed"
        assert "you may not create clusterrole" in lines["install-rights"]["message"]
        return
    levels = {it["level"] for name, it in lines.items() if name != "your-rights"}
    assert levels == {"ok", "skipped"}
    assert lines["leader"]["message"] == ("you may not list leases in namespace lastgood-system")
    assert lines["your-rights"]["level"] == "warning"
    revoke = "revoke (patch secretsnapshots.lastgood.dev in namespace default)"
    assert f"refresh, pin, rollback, {revoke}" in lines["your-rights"]["message"]
    assert lines["definitions"]["message"] == "you may not get customresourcedefinitions"
    assert lines["definitions-served"]["level"] == "ok"


def test_a_team_that_may_edit_its_namespace(installation: Installation) -> None:
    """Verbs are meant for the namespace of --namespace; who may not list what admins made may not
    `render` by the cluster's policies.
    """
    installation.user = User("dev")
    subject = {"kind": "User", "name": "dev"}
    for role in ("lastgood-view", "lastgood-edit"):
        reference = {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}
        body = {"metadata": {"name": role}, "roleRef": reference, "subjects": [subject]}
        installation.create(ROLE_BINDINGS, body, "payments")
    said = installation.lines("-n", "payments")["your-rights"]["message"]
    assert "presync" not in said
    assert "render, policy (list secretaccounts.lastgood.dev)" in said
    assert "refresh" in installation.lines("-n", "default")["your-rights"]["message"]


def test_an_api_server_that_hides_its_version(installation: Installation) -> None:
    """Hardened ones do; wrong credentials are one sentence."""
    rule = FaultRule(fault=Fault.STATUS, path="/version", code=403, times=float("inf"))
    installation.server.break_requests(rule)
    line = installation.lines()["kubernetes-version"]
    assert (line["level"], line["message"]) == ("skipped", "you may not get /version")
    installation.server.repair()
    installation.server.break_requests(FaultRule(fault=Fault.STATUS, code=401, times=float("inf")))
    with pytest.raises(CommandError, match="rejected your credentials"):
        installation.checked()


def test_a_replica_that_does_not_answer(installation: Installation) -> None:
    """Its page is skipped: whether the webhook answers is another line's."""
    path = ".*/proxy/metrics"
    for fault in (
        FaultRule(fault=Fault.STATUS, path=path, code=503),
        FaultRule(fault=Fault.RESET, path=path),
        FaultRule(fault=Fault.STATUS, path=path, code=403),
    ):
        installation.server.break_requests(fault)
        lines = installation.lines()
        assert lines["webhook-certificate"]["level"] == "skipped"
        assert fault.met == 1
    assert lines["webhook-certificate"]["message"] == "you may not get pods/proxy"


def test_before_an_installation(installation: Installation) -> None:
    """It must not be there, also in another namespace; when it is gone, all is ok."""
    lines = installation.lines("--pre")
    assert list(lines) == [it.name for it in BEFORE]
    assert lines["leftovers"]["level"] == "failed"
    installation.delete(kinds.MUTATING_WEBHOOKS, "lastgood-webhook")
    lines = installation.lines("--pre")
    assert {it["level"] for it in lines.values()} == {"ok"}


def test_wait_until_it_is_well(installation: Installation) -> None:
    """A failure that goes away is waited for; one that stays is reported when the time is over."""
    installation.route(None)
    assert installation.checked("--wait", "10s")[0] == 1
    assert installation.clock.slept == 10
    fault = FaultRule(fault=Fault.STATUS, path="/version", code=503, times=3)
    installation.route(installation.hook.address)
    installation.lead(SYSTEM)
    installation.server.break_requests(fault)
    assert installation.checked("--wait", "1m")[0] == 0
    assert installation.clock.slept == 16


def test_an_api_server_that_fails(installation: Installation) -> None:
    """One that answers with errors makes lines fail; one that does not answer is one sentence."""
    rule = FaultRule(fault=Fault.STATUS, path=".*/namespaces", code=500, times=float("inf"))
    installation.server.break_requests(rule)
    line = installation.lines()["labelled-namespaces"]
    assert (line["level"], line["message"]) == (
        "failed",
        "you cannot list namespaces: the API server answered 500",
    )
    installation.server.repair()
    installation.server.break_requests(FaultRule(fault=Fault.RESET, times=float("inf")))
    with pytest.raises(CommandError, match="cannot be reached"):
        installation.checked()


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("test", "payments", "aws-sm:/prod/payments/db"), 0, "allowed  payments"),
        (("test", "payments", "aws-sm:/dev/db"), 1, "not-allowed"),
        (("test", "nowhere", "aws-sm:/dev/db"), 1, "no-policy"),
        (("lint",), 0, "1 policies: nothing found"),
    ],
    ids=["allowed", "refused", "unknown", "lint"],
)
def test_policies_of_the_cluster(
    words: tuple[str, ...], code: int, said: str, installation: Installation
) -> None:
    """`lastgood policy` without files asks the cluster."""
    found = installation.typed("policy", *words)
    assert (found[0], said in found[1]) == (code, True), found


def test_a_policy_of_the_cluster_that_cannot_be_read(installation: Installation) -> None:
    """It refuses, as it does in the webhook, and the lint is an error."""
    BROKEN["a policy that cannot be read"].break_(installation)
    code, out, err = installation.typed("policy", "test", "payments", "aws-sm:/prod/payments/db")
    assert (code, "unreadable-policy" in out) == (1, True)
    assert "SecretPolicy payments cannot be read" in err
    assert installation.typed("policy", "lint")[0] == 1
