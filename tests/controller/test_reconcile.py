"""Policy decides again on what pods demand. Pure."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.snapshot_format import Quarantined
from controller.demand import DemandedParts
from controller.policy_cache import PolicyCache
from controller.reconcile import (
    GRACE_S,
    MOST_REFUSED,
    RETENTION_S,
    Decided,
    Known,
    RefusedSource,
    next_change,
    operator_spec,
    reconcile,
    within,
)
from controller.spec import Spec
from policy.load import load_texts
from policy.match import PolicySet, Reason
from refresh.model import OperatorSpec, SnapshotKey, SnapshotState, SourceKey
from tests.make.cluster import ACCOUNT, POLICY

NOW = 1_800_000_000.0
DB = SnapshotKey("payments", SourceKey("files", "controller", "file", "/prod/payments/db"))
WHOLE = DemandedParts(whole=True)
SERVED = Known(synced=True)
POLICIES = load_texts(
    {"account.yaml": ACCOUNT.format(root="/x", rate=1, burst=1), "policy.yaml": POLICY}
)
NONE = replace(POLICIES, namespaces={})


def _with(key: SnapshotKey = DB, **source: str) -> SnapshotKey:
    return SnapshotKey(key.namespace, replace(key.source, **source))


def _one(
    key: SnapshotKey = DB,
    *,
    parts: DemandedParts | None = WHOLE,
    known: Known | None = None,
    policies: PolicySet = POLICIES,
    now: float = NOW,
) -> Decided:
    found = reconcile(
        parts={} if parts is None else {key: parts},
        known={} if known is None else {key: known},
        policy_cache=PolicyCache(policies),
        operator_specs={},
        now=now,
    )
    return found[key]


def test_what_policy_allows_is_demanded_by_the_policys_rules() -> None:
    """Class and checks are the policy's; parts are the pods'."""
    demanded = _one(parts=DemandedParts(properties=frozenset({"a"}))).demanded
    assert demanded is not None
    assert demanded.rules.name == "steady"
    assert demanded.checks.max_bytes == 65536
    assert demanded.properties == {"a"}
    assert not demanded.whole


@pytest.mark.parametrize(
    ("key", "reason"),
    [
        pytest.param(SnapshotKey("others", DB.source), Reason.NO_POLICY, id="namespace"),
        pytest.param(_with(reference="/prod/orders/db"), Reason.NOT_ALLOWED, id="reference"),
        pytest.param(_with(account="other"), Reason.UNKNOWN_ACCOUNT, id="account"),
        pytest.param(_with(scheme="aws-sm"), Reason.NOT_ALLOWED, id="provider"),
        pytest.param(_with(reference="/prod/payments/../x"), Reason.BAD_REFERENCE, id="dots"),
        pytest.param(_with(identity="admin"), RefusedSource.IDENTITY, id="identity"),
    ],
)
def test_p7_what_policy_does_not_allow_is_never_fetched(key: SnapshotKey, reason: str) -> None:
    """Whatever a plan says: the reason is a closed word, the message a sentence."""
    decided = _one(key)
    assert decided.demanded is None
    assert decided.refusal == reason
    assert decided.message
    assert not decided.withdraw


def test_p2_a_policy_that_no_longer_allows_keeps_the_value_for_a_grace_time() -> None:
    """Alarmed at once, never fetched, removed after a day and not before."""
    first = _one(known=SERVED, policies=NONE)
    assert (first.refusal, first.demanded, first.withdraw) == (Reason.NO_POLICY, None, False)
    assert first.known.refused_since == NOW
    assert next_change([first], NOW) == NOW + GRACE_S
    before = _one(known=first.known, policies=NONE, now=NOW + GRACE_S - 1)
    assert not before.withdraw
    after = _one(known=before.known, policies=NONE, now=NOW + GRACE_S)
    assert after.withdraw


def test_p2_a_policy_that_comes_back_ends_the_grace_time() -> None:
    """A pruned policy that is restored within the day has cost nothing."""
    refused = _one(known=SERVED, policies=NONE)
    back = _one(known=refused.known, now=NOW + 60)
    assert back.known.refused_since is None
    assert back.demanded is not None
    again = _one(known=back.known, policies=NONE, now=NOW + GRACE_S)
    assert not again.withdraw


_UNREADABLE = [
    pytest.param(
        replace(POLICIES, policies={}, unreadable_policies=frozenset(POLICIES.policies)),
        id="the policy",
    ),
    pytest.param(
        replace(POLICIES, accounts={}, unreadable_accounts=frozenset(POLICIES.accounts)),
        id="the account",
    ),
]


@pytest.mark.parametrize("policies", _UNREADABLE)
def test_p2_a_policy_that_can_not_be_read_refuses_and_takes_nothing_away(
    policies: PolicySet,
) -> None:
    """After a restart its last good form is not known: however long that lasts, values stay."""
    first = _one(known=SERVED, policies=policies)
    assert (first.refusal, first.demanded) == (Reason.UNREADABLE, None)
    assert first.known.refused_since is None
    later = _one(known=first.known, policies=policies, now=NOW + 30 * GRACE_S)
    assert not later.withdraw
    assert _one(known=later.known, now=NOW + 31 * GRACE_S).demanded is not None


@pytest.mark.parametrize("policies", _UNREADABLE)
def test_p2_a_grace_time_ends_nothing_while_policy_can_not_be_read(policies: PolicySet) -> None:
    """One that had begun goes on only once the policy can be read, and still refuses."""
    refused = replace(SERVED, refused_since=NOW - 2 * GRACE_S)
    unknown = _one(known=refused, policies=policies)
    assert not unknown.withdraw
    assert _one(known=unknown.known, policies=NONE).withdraw


def test_a_snapshot_outlives_its_pods_for_a_week() -> None:
    """It stays fresh for the next pod; after that it keeps its value and is not fetched."""
    left = _one(
        parts=None, known=replace(SERVED, parts=DemandedParts(properties=frozenset({"a/b"})))
    )
    assert left.demanded is not None
    assert left.demanded.properties == {"a/b"}
    assert next_change([left], NOW) == NOW + RETENTION_S
    gone = _one(parts=None, known=left.known, now=NOW + RETENTION_S)
    assert (gone.demanded, gone.refusal, gone.withdraw) == (None, None, False)
    assert _one(known=gone.known, now=NOW + RETENTION_S).demanded is not None


def test_what_was_never_served_is_forgotten_with_its_pods() -> None:
    """A typo in an annotation leaves nothing behind."""
    policy_cache = PolicyCache(POLICIES)
    assert (
        reconcile(
            parts={}, known={DB: Known()}, policy_cache=policy_cache, operator_specs={}, now=NOW
        )
        == {}
    )


def test_p13_a_namespace_at_its_limit_keeps_what_is_served() -> None:
    """New sources beyond `snapshotsPerNamespace` are refused; other namespaces are not touched."""
    served = {_with(reference=f"/prod/payments/z{number}"): SERVED for number in range(15)}
    new = [_with(reference=f"/prod/payments/a{number:02}") for number in range(10)]
    other = SnapshotKey("orders", replace(DB.source, reference="/prod/orders/db"))
    found = reconcile(
        parts=dict.fromkeys([*served, *new, other], WHOLE),
        known=served,
        policy_cache=PolicyCache(POLICIES),
        operator_specs={},
        now=NOW,
    )
    refused = {key for key, item in found.items() if item.refusal == RefusedSource.LIMIT}
    assert refused == set(new[5:])
    assert found[other].demanded is not None


@given(
    namespaces=st.lists(st.sampled_from(["payments", "orders", "others"]), max_size=6),
    references=st.lists(
        st.sampled_from(
            ["/prod/payments/a", "/prod/orders/a", "/shared/x", "/etc/passwd", "/../a"]
        ),
        max_size=6,
    ),
)
def test_p7_nothing_is_demanded_that_policy_does_not_allow(
    namespaces: list[str], references: list[str]
) -> None:
    """For any demand: a namespace's own sources and the shared ones, and no other."""
    keys = [
        SnapshotKey(namespace, replace(DB.source, reference=reference))
        for namespace in namespaces
        for reference in references
    ]
    found = reconcile(
        parts=dict.fromkeys(keys, WHOLE),
        known={},
        policy_cache=PolicyCache(POLICIES),
        operator_specs={},
        now=NOW,
    )
    for key, item in found.items():
        own = key.source.reference.startswith(f"/prod/{key.namespace}/")
        allowed = key.namespace != "others" and (own or key.source.reference == "/shared/x")
        assert (item.demanded is not None) == allowed


AWS_ACCOUNT = """\
apiVersion: lastgood.dev/v1alpha1
kind: SecretAccount
metadata: {name: aws}
spec:
  provider: aws
  aws: {regions: [eu-west-1]}
  budget: {callsPerSecond: 1, burst: 2}
"""


def test_requests_of_operators_and_admins_come_together() -> None:
    """An account's revocation joins the spec's, for its own reference alone."""
    revoked = ACCOUNT + "  revoked: [{{reference: /prod/payments/db, version: v1}}]\n"
    policies = load_texts({"a.yaml": revoked.format(root="/x", rate=1, burst=1)})
    spec = Spec(pin="v3", revoked=("v2",), quarantined=("v4",), refresh_requested=5.0)
    assert operator_spec(DB, spec, policies, state=None, handled=None) == OperatorSpec(
        pin="v3",
        quarantined=frozenset({"v4"}),
        revoked=frozenset({"v1", "v2"}),
        refresh_requested=5.0,
    )
    assert (
        operator_spec(_with(reference="/prod/payments/x"), None, policies, state=None, handled=None)
        is None
    )


@pytest.mark.parametrize("named", [None, "aws-sm", "aws-ssm"])
@pytest.mark.parametrize("provider", ["aws-sm", "aws-ssm"])
def test_p2_an_admins_revocation_is_of_the_provider_that_it_names(
    named: str | None, provider: str
) -> None:
    """Where it names none, of every one: a version that an admin wants gone is not served on
    because a field is missing.
    """
    words = "" if named is None else f"provider: {named}, "
    revoked = f"  revoked: [{{{words}reference: /prod/payments/db, version: '3'}}]\n"
    policies = load_texts({"a.yaml": AWS_ACCOUNT + revoked})
    key = SnapshotKey("payments", SourceKey("aws", "controller", provider, "/prod/payments/db"))
    found = operator_spec(key, None, policies, state=None, handled=None)
    wanted = OperatorSpec(revoked=frozenset({"3"})) if named in {None, provider} else None
    assert found == wanted


def test_an_admins_revocation_takes_back_no_pin_that_is_recorded() -> None:
    """Where no spec is written down, what the snapshot itself recorded goes on."""
    revoked = ACCOUNT + "  revoked: [{{reference: /prod/payments/db, version: v1}}]\n"
    policies = load_texts({"a.yaml": revoked.format(root="/x", rate=1, burst=1)})
    state = SnapshotState(
        pin="v3",
        quarantined=(
            Quarantined(version="v4", reason="rolled-back"),
            Quarantined(version="v5", reason="pem"),
        ),
    )
    assert operator_spec(DB, None, policies, state=state, handled=None) == OperatorSpec(
        pin="v3", quarantined=frozenset({"v4"}), revoked=frozenset({"v1"})
    )


@pytest.mark.parametrize(("handled", "done"), [(None, False), (4.9, False), (5.0, True)])
def test_a_request_that_was_answered_before_a_restart_is_not_repeated(
    handled: float | None,
    done: bool,  # noqa: FBT001 - a case
) -> None:
    """Or every restart would fetch again whatever was ever asked for."""
    found = operator_spec(DB, Spec(refresh_requested=5.0), POLICIES, state=None, handled=handled)
    assert found is not None
    assert (found.refresh_requested, found.refresh_done) == (5.0, done)


def test_p13_what_a_namespace_demands_in_vain_is_bounded() -> None:
    """Past the bound it is passed over; what is served, and what others demand, is not."""
    served = _with(reference="/elsewhere/zz")
    vain = {_with(reference=f"/elsewhere/{number}"): WHOLE for number in range(2 * MOST_REFUSED)}
    found = reconcile(
        parts={**vain, DB: WHOLE, served: WHOLE},
        known={served: SERVED},
        policy_cache=PolicyCache(POLICIES),
        operator_specs={},
        now=NOW,
    )
    assert len(found) == MOST_REFUSED + 2
    assert found[DB].demanded is not None
    assert found[served].refusal is not None


def test_p13_too_many_sources_of_one_namespace_are_passed_over_before_they_cost_anything() -> None:
    """Beyond what its policy allows, 20 here, and what is shown of refused ones. What is served
    stays, and so does all of another namespace.
    """
    many = {_with(reference=f"/forged/{number:04}"): WHOLE for number in range(1000)}
    served, other = _with(reference="/z"), SnapshotKey("orders", DB.source)
    kept = within({**many, served: WHOLE, other: WHOLE}, {served: SERVED}, POLICIES)
    assert {served, other} <= kept.keys()
    assert len(kept) == 20 + MOST_REFUSED + 1
    assert len(within(many, {}, NONE)) == MOST_REFUSED
    assert within(many, dict.fromkeys(many, SERVED), NONE) == many
    few = {DB: WHOLE}
    assert within(few, {}, NONE) is few
