"""What an ExternalSecret's status proves, case by case as they were seen of the operator."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.reasons import FetchFailure
from contract.secret_bytes import SecretBytes
from providers.cluster import ExternalSecret, SecretObject
from providers.kubernetes.source.evidence import evidence

NOW = 1_795_700_000.0
WRITTEN = NOW - 5000
CREATED = NOW - 900_000
SECRET = SecretObject(
    kind="Opaque",
    data={"p": SecretBytes(b"x")},
    read_at=NOW,
    created_at=CREATED,
    written_at=WRITTEN,
    managed=True,
)
GOOD = ExternalSecret(
    name="payments-db",
    target="db",
    generation=3,
    ready=True,
    reason="SecretSynced",
    synced="3-5c3c29d1",
    bound="db",
    refreshed_at=NOW - 60,
)
DOUBTS: dict[str, dict[str, Any]] = {
    "NotReady": {"ready": False, "reason": "SecretSyncedError"},
    "NotSynced": {"reason": "SecretMissing"},
    "OldGeneration": {"synced": "2-5c3c29d1"},
    "NotBound": {"bound": "other"},
    "Deleting": {"deleting": True},
    "NeverRefreshed": {"refreshed_at": None},
    "InTheFuture": {"refreshed_at": NOW + 61},
}


def test_what_is_in_sync_is_as_old_as_its_refresh() -> None:
    """To the second."""
    found = evidence(SECRET, "db", [GOOD])
    assert found is not None
    assert (found.confirmed_at, found.doubt) == (NOW - 60, None)


@pytest.mark.parametrize("code", DOUBTS)
def test_each_part_of_the_rule_counts(code: str) -> None:
    """Then the age counts from when the data was written, which renews no other."""
    found = evidence(SECRET, "db", [replace(GOOD, **DOUBTS[code])])
    assert found is not None
    assert found.doubt is not None
    assert (found.confirmed_at, found.doubt.code) == (WRITTEN, code)
    assert found.doubt.reason is FetchFailure.NOT_CONFIRMED


def test_p5_a_failing_one_is_as_old_as_its_last_refresh_however_new_its_annotations_are() -> None:
    """Seen of an immutable Secret: the operator fails, and what it owns was written just now."""
    failing = replace(GOOD, ready=False, refreshed_at=WRITTEN - 86_400)
    for many in ([failing], [failing, GOOD], [GOOD, failing]):
        found = evidence(SECRET, "db", many)
        assert found is not None
        assert found.doubt is not None
        assert (found.confirmed_at, found.doubt.code) == (WRITTEN - 86_400, "NotReady")


@pytest.mark.parametrize("synced", ["", "3", "33-a", "-3-a", "3_a"])
def test_another_generation_is_not_taken_for_this_one(synced: str) -> None:
    """Generation 33 begins with 3 too."""
    found = evidence(SECRET, "db", [replace(GOOD, synced=synced)])
    assert found is not None
    assert found.doubt is not None
    assert found.doubt.code == "OldGeneration"


def test_weak_evidence_is_a_doubt_of_its_own() -> None:
    """But what is not in sync is said first."""
    weak = replace(GOOD, weak="Find")
    found = evidence(SECRET, "db", [weak])
    assert found is not None
    assert found.doubt is not None
    assert (found.doubt.reason, found.doubt.code) == (FetchFailure.WEAK_EVIDENCE, "Find")
    assert found.confirmed_at == CREATED  # the operator writes to it also when it found nothing
    failing = evidence(SECRET, "db", [replace(weak, ready=False)])
    assert failing is not None
    assert failing.doubt is not None
    assert failing.doubt.code == "NotReady"


def test_without_an_external_secret_a_read_confirms_unless_the_secret_has_the_marks() -> None:
    """And nothing is confirmed while it is not known whether there is one."""
    plain = replace(SECRET, managed=False)
    assert evidence(plain, "db", []) is None
    for secret, keepers, code in ((SECRET, [], "NoExternalSecret"), (plain, None, "NotKnown")):
        found = evidence(secret, "db", keepers)
        assert found is not None
        assert found.doubt is not None
        assert found.doubt.code == code


keepers = st.builds(
    ExternalSecret,
    name=st.sampled_from(["a", "b"]),
    target=st.just("db"),
    generation=st.integers(0, 4),
    deleting=st.booleans(),
    ready=st.booleans(),
    reason=st.sampled_from(["SecretSynced", "SecretDeleted", ""]),
    synced=st.sampled_from(["3-a", "4-b", ""]),
    bound=st.sampled_from(["db", "other", None]),
    refreshed_at=st.none() | st.floats(0, NOW + 1000),
    weak=st.sampled_from([None, "Find"]),
)


@given(many=st.lists(keepers, min_size=1, max_size=4))
def test_p5_of_several_the_weakest_counts(many: list[ExternalSecret]) -> None:
    """No status that somebody adds makes a value look younger than another one says."""
    found = evidence(SECRET, "db", many)
    each = [evidence(SECRET, "db", [one]) for one in many]
    assert found is not None
    assert found.confirmed_at <= NOW + 60
    if any(one is not None and one.doubt is not None for one in each):
        assert found.doubt is not None
        assert found.confirmed_at <= WRITTEN
    else:
        assert found.confirmed_at == min(one.confirmed_at for one in each if one is not None)
