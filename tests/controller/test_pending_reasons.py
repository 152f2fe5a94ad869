"""Why a pod waits."""

from __future__ import annotations

from dataclasses import replace

import pytest

from contract.freshness import FreshnessClass
from contract.reasons import CacheReason, FetchFailure, Found, Serving
from contract.secret_bytes import SecretBytes
from controller.demand import DemandedParts
from controller.pending_reasons import PendingReason, pending_reason, unusable
from controller.reconcile import Decided, Known, RefusedSource
from controller.remediation import explained, what_to_do
from policy.match import Reason
from refresh.model import Checks, Demanded, Kept, SnapshotKey, SnapshotState, SourceKey

NOW = 1_800_000_000.0
KEY = SnapshotKey(
    "payments",
    SourceKey(account="prod", identity="controller", scheme="aws-sm", reference="/prod/db"),
)
REFUSES = FreshnessClass(
    name="critical", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="refuse"
)
SERVES = FreshnessClass(
    name="steady", refresh_s=60.0, budget_s=300.0, max_age_s=900.0, on_expired="serve"
)
SERVED = SnapshotState(
    serving=Serving.SERVED,
    served=Kept(version="v1", value=SecretBytes(b"canary"), fetched_at=NOW - 1000),
    last_success=NOW - 1000,
    reason=FetchFailure.UNAVAILABLE,
)


def _why(
    state: SnapshotState | None,
    rules: FreshnessClass = REFUSES,
    *,
    refusal: str | None = None,
    message: str | None = None,
    kept: Found | None = None,
) -> PendingReason | None:
    demanded = Demanded(key=KEY, rules=rules, checks=Checks(max_bytes=1000))
    decided = Decided(known=Known(), demanded=demanded, refusal=refusal, message=message)
    return pending_reason(KEY, state, decided, found=kept, now=NOW)


def test_p6_a_pod_that_is_held_for_an_expired_value_is_told_so() -> None:
    """Which source, how old, what the class says, the provider's last word, what to do."""
    found = _why(SERVED)
    assert found is not None
    assert found.reason == "SecretExpired"
    assert found.note == (
        "waits for aws-sm:/prod/db of account prod, which has expired. It is 1000 s old, and class"
        " critical refuses to start pods with values older than 900 s. The last fetch failed."
        " Reason: unavailable. The provider cannot be reached, or its answer cannot be used. The"
        " fetch is retried. The controller's log shows the error code"
    )


@pytest.mark.parametrize(
    ("state", "rules"),
    [
        pytest.param(SERVED, SERVES, id="the class serves what has expired"),
        pytest.param(replace(SERVED, last_success=NOW - 900), REFUSES, id="stale, not expired"),
        pytest.param(None, REFUSES, id="nothing is known yet"),
        pytest.param(SnapshotState(), REFUSES, id="not tried yet"),
    ],
)
def test_what_is_no_cause_is_not_said(state: SnapshotState | None, rules: FreshnessClass) -> None:
    """The pod waits for something else, or the first fetch is in progress."""
    assert _why(state, rules) is None


@pytest.mark.parametrize(
    ("state", "refusal", "cause"),
    [
        pytest.param(SnapshotState(reason=FetchFailure.DENIED), None, "denied", id="never fetched"),
        pytest.param(None, "not-allowed", "not-allowed", id="refused by policy"),
    ],
)
def test_what_was_never_synced_says_its_error_and_what_to_do(
    state: SnapshotState | None, refusal: str | None, cause: str
) -> None:
    """Whatever kept it from being there."""
    found = _why(state, refusal=refusal)
    assert found is not None
    assert (found.reason, found.cause) == ("SecretNotSynced", cause)
    assert f"of account prod, which was never fetched. Reason: {cause}. " in found.note
    assert not found.note.endswith(". ")


@pytest.mark.parametrize("state", [SERVED, None], ids=["fetched", "never fetched"])
def test_a_foreign_secret_in_its_place_is_what_a_pod_waits_for(state: SnapshotState | None) -> None:
    """Whatever is known of the source itself."""
    found = _why(state, kept=Found.FOREIGN_SECRET)
    assert found is not None
    assert (found.reason, found.cause) == ("SecretNotSynced", Found.FOREIGN_SECRET)
    assert found.note == (
        "waits for aws-sm:/prod/db of account prod. Reason: foreign-secret. A Secret with the"
        " snapshot's name exists, and lastgood did not create it. Delete it, or create it under"
        " another name"
    )


def test_an_age_that_nobody_can_know_is_said_to_be_so() -> None:
    """A time in the future counts as expired (P5)."""
    found = _why(replace(SERVED, last_success=NOW + 3600, reason=None))
    assert found is not None
    assert "It is of unknown age" in found.note
    assert "No fetch has failed since. A refresh is queued" in found.note


def test_a_refusal_says_the_sentence_that_decided_it() -> None:
    """And not what another reason would mean."""
    message = "policy payments allows 20 snapshots in namespace payments"
    found = _why(None, refusal="limit", message=message)
    assert found is not None
    assert found.note.endswith(f"never fetched. Reason: limit. {message[0].upper()}{message[1:]}")
    unknown = _why(None, refusal="a-newer-versions")
    assert unknown is not None
    assert unknown.note.endswith("never fetched. Reason: a-newer-versions")


@pytest.mark.parametrize(
    ("value", "taken", "bundle", "cause", "said"),
    [
        (b'{"a":"x"}', DemandedParts(properties=frozenset({"a"})), None, None, ""),
        (b'{"a":"x y"}', DemandedParts(properties=frozenset({"a"})), "json", None, ""),
        (
            b'{"a":"x y"}',
            DemandedParts(properties=frozenset({"a"})),
            "dotenv",
            CacheReason.UNFIT_FOR_BUNDLE,
            "Version v1 cannot be stored in a bundle of format dotenv. Reason: unfit-for-bundle",
        ),
        (b"plain", DemandedParts(whole=True), "dotenv", None, ""),
        (
            b"canary$x",
            DemandedParts(whole=True),
            "dotenv",
            CacheReason.UNFIT_FOR_BUNDLE,
            "bundle of format",
        ),
        (
            b"\xff",
            DemandedParts(whole=True),
            "json",
            CacheReason.UNFIT_FOR_BUNDLE,
            "bundle of format json",
        ),
        (
            b'{"a":"","b":null}',
            DemandedParts(properties=frozenset({"a", "b", "c"})),
            None,
            CacheReason.PROPERTY_MISSING,
            "Version v1 has no property a, b, c, or the property is null or empty. Reason: prop",
        ),
        (
            b"text",
            DemandedParts(properties=frozenset({"a"})),
            "json",
            CacheReason.PROPERTY_MISSING,
            " a,",
        ),
    ],
)
def test_a_value_that_a_gate_can_not_use_is_told(
    value: bytes, taken: DemandedParts, bundle: str | None, cause: CacheReason | None, said: str
) -> None:
    """Which version, and what is wrong with it, and nothing of the value."""
    served = Kept(version="v1", value=SecretBytes(value), fetched_at=NOW)
    found = unusable(KEY, served, taken, bundle=bundle)
    assert (found and found.cause) == cause
    if found is not None:
        assert found.reason == "SecretNotUsable"
        assert said in found.note
        assert "canary" not in found.note


def test_every_reason_says_what_to_do() -> None:
    """Of provider, cluster and a policy that can't be read. Of others only what happened is known,
    or the sentence that decided them.
    """
    special = [*FetchFailure, *Found, Reason.UNREADABLE, Reason.NOT_ALLOWED]
    advice = [what_to_do(reason) for reason in special]
    assert None not in advice
    assert len(set(advice)) == len(special)
    for reason in (*RefusedSource, "anything"):
        assert reason == "no-rights" or explained(reason) == reason
