"""What becomes of each snapshot, as a table and as properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agent.decide import (
    CachedSnapshot,
    Decision,
    Mounted,
    PodVerdict,
    counts,
    decide,
    oldest_age_s,
    status,
)
from contract.ages import Confirmed, Entry
from contract.reasons import CacheReason, Freshness, Serving
from contract.secret_bytes import SecretBytes
from tests import make
from tests.make import NOW

if TYPE_CHECKING:
    from contract.plan import Plan, PlannedSnapshot

FILES = (make.planned_file("user", part="user"), make.planned_file("password", part="password"))
DB = make.planned_snapshot(*FILES)
PLAN = make.plan(DB)
REFUSING = make.plan(make.planned_snapshot(*FILES, rules=make.rules(on_expired="refuse")))
FOREIGN = make.planned_snapshot(account="other")
OLD = CachedSnapshot(
    meta=make.meta(DB, version="v1"),
    values={"user": SecretBytes(b"u1"), "password": SecretBytes(b"p1")},
)


def mounted(
    version: str | None = "v2",
    *,
    user: bytes | None = b"u2",
    of: PlannedSnapshot = DB,
    serving: Serving = Serving.SERVED,
    revoked: tuple[str, ...] = (),
    fetched_at: float = NOW,
) -> Mounted:
    """The snapshot with both properties; without `user` when that is None."""
    values = {"p.password": SecretBytes(b"p2")}
    if user is not None:
        values["p.user"] = SecretBytes(user)
    meta = make.meta(of, version=version, serving=serving, revoked=revoked, fetched_at=fetched_at)
    return Mounted(meta=meta, values=values)


def decided(
    shown: Mounted | None,
    cached: CachedSnapshot | None = None,
    entry: Entry | None = None,
    *,
    plan: Plan = PLAN,
    now: float = NOW,
) -> Decision:
    """The decision for the one snapshot."""
    return decide(
        plan,
        {} if shown is None else {DB.snapshot: shown},
        {} if cached is None else {DB.snapshot: cached},
        {} if entry is None else {DB.snapshot: entry},
        now,
    )


UNREADABLE = Mounted(meta=None, values={})
RULES = [
    ("served", mounted(), None, "v2", None, PodVerdict.START),
    ("replaced", mounted(), OLD, "v2", None, PodVerdict.START),
    ("never synced", None, None, None, CacheReason.NEVER_SYNCED, PodVerdict.WAIT),
    ("vanished", None, OLD, "v1", CacheReason.MISSING, PodVerdict.START),
    ("malformed", UNREADABLE, None, None, CacheReason.MALFORMED, PodVerdict.WAIT),
    ("malformed, cached", UNREADABLE, OLD, "v1", CacheReason.MALFORMED, PodVerdict.START),
    ("foreign", mounted(of=FOREIGN), None, None, CacheReason.FOREIGN, PodVerdict.MISCONFIGURED),
    (
        "foreign, cached",
        mounted(of=FOREIGN),
        OLD,
        "v1",
        CacheReason.FOREIGN,
        PodVerdict.MISCONFIGURED,
    ),
    (
        "foreign tombstone",
        mounted(of=FOREIGN, serving=Serving.REVOKED),
        OLD,
        "v1",
        CacheReason.FOREIGN,
        PodVerdict.MISCONFIGURED,
    ),
    ("revoked", mounted(serving=Serving.REVOKED), OLD, None, CacheReason.REVOKED, PodVerdict.WAIT),
    (
        "withdrawn",
        mounted(serving=Serving.WITHDRAWN),
        OLD,
        None,
        CacheReason.WITHDRAWN,
        PodVerdict.WAIT,
    ),
    (
        "serves what it revoked",
        mounted(revoked=("v2",)),
        OLD,
        None,
        CacheReason.REVOKED,
        PodVerdict.WAIT,
    ),
    (
        "property missing",
        mounted(user=None),
        None,
        None,
        CacheReason.PROPERTY_MISSING,
        PodVerdict.WAIT,
    ),
    (
        "property missing, cached",
        mounted(user=None),
        OLD,
        "v1",
        CacheReason.PROPERTY_MISSING,
        PodVerdict.START,
    ),
    (
        "property empty",
        mounted(user=b""),
        OLD,
        "v1",
        CacheReason.PROPERTY_MISSING,
        PodVerdict.START,
    ),
    (
        "property missing, cached version revoked",
        mounted(user=None, revoked=("v1",)),
        OLD,
        None,
        CacheReason.PROPERTY_MISSING,
        PodVerdict.WAIT,
    ),
]


@pytest.mark.parametrize(
    ("shown", "cached", "version", "cache_reason", "verdict"),
    [rule[1:] for rule in RULES],
    ids=[rule[0] for rule in RULES],
)
def test_a_snapshot_is_published_kept_or_held(
    shown: Mounted | None,
    cached: CachedSnapshot | None,
    version: str | None,
    cache_reason: CacheReason | None,
    verdict: PodVerdict,
) -> None:
    """P2: only a tombstone or a revocation takes the last good version away."""
    decision = decided(shown, cached)
    (choice,) = decision.choices
    assert (choice.copy and choice.copy.meta.version, choice.cache_reason) == (
        version,
        cache_reason,
    )
    assert decision.verdict is verdict
    if verdict is PodVerdict.WAIT and cache_reason is not None:
        assert decision.waiting == dict.fromkeys(("user", "password"), cache_reason.value)


def test_p3_all_files_of_a_snapshot_come_from_one_version() -> None:
    """P3: when one property is missing in the new version, the other stays old as well."""
    copies = decided(mounted(user=None), OLD).copies
    assert copies[DB.snapshot].values == OLD.values


@pytest.mark.parametrize(
    ("age_s", "state", "verdict"),
    [
        (0.0, Freshness.FRESH, PodVerdict.START),
        (900.0, Freshness.FRESH, PodVerdict.START),
        (901.0, Freshness.STALE, PodVerdict.START),
        (86_401.0, Freshness.EXPIRED, PodVerdict.WAIT),
        (-61.0, Freshness.EXPIRED, PodVerdict.WAIT),
    ],
    ids=["new", "at the budget", "past the budget", "past the maximum", "from the future"],
)
def test_p6_a_refusing_class_waits_for_what_has_expired_and_for_nothing_else(
    age_s: float, state: Freshness, verdict: PodVerdict
) -> None:
    """P5, P6: past the limit the gate does what the class says; a future time is not believed."""
    shown = mounted(fetched_at=NOW - age_s)
    refusing, serving = decided(shown, plan=REFUSING), decided(shown)
    assert refusing.choices[0].state is serving.choices[0].state is state
    assert (refusing.verdict, serving.verdict) == (verdict, PodVerdict.START)
    assert refusing.copies[DB.snapshot].meta.version == "v2"


def test_p5_ages_come_from_the_entry_of_the_version_that_the_pod_has() -> None:
    """P5: an entry of a newer version does not make a held older one look fresher."""
    entry = Entry(
        served=Confirmed(version="v2", last_success=NOW),
        prior=None,
        last_attempt=NOW,
        reason="throttled",
    )
    held = decided(mounted(user=None), OLD, entry, now=NOW + 100)
    assert held.choices[0].last_success == OLD.meta.fetched_at
    fresh = decided(mounted(fetched_at=NOW - 5000), OLD, entry)
    assert fresh.choices[0].last_success == NOW
    secret = status(fresh, "..r1", NOW).secrets["user"]
    assert (secret.version, secret.reason, secret.last_attempt) == ("v2", "throttled", NOW)


def test_counts_and_the_oldest_age_are_those_of_the_secrets() -> None:
    """The termination message and the metrics say how stale a pod is."""
    stale = decided(mounted(fetched_at=NOW - 1000))
    assert counts(stale) == {"fresh": 0, "stale": 2, "expired": 0}
    assert oldest_age_s(stale, NOW) == 1000
    assert oldest_age_s(decided(None), NOW) is None


def test_nothing_changes_when_the_cache_has_it_already() -> None:
    """A meta that only tells more, such as a quarantine, writes no revision."""
    same = Mounted(
        meta=make.meta(DB, version="v1", pin="v1"),
        values={"p.user": SecretBytes(b"u1"), "p.password": SecretBytes(b"p1")},
    )
    assert not decided(same, OLD).changes
    assert decided(mounted(), OLD).changes


@given(
    shown=st.sampled_from([rule[1] for rule in RULES]),
    cached=st.sampled_from([None, OLD]),
    now=st.floats(NOW - 1e6, NOW + 1e6),
)
def test_p2_a_version_leaves_only_by_word_of_our_own_meta(
    shown: Mounted | None, cached: CachedSnapshot | None, now: float
) -> None:
    """P2: a copy is lost only when a readable meta of this very source revokes or withdraws it."""
    decision = decided(shown, cached, now=now)
    if cached is not None and not decision.copies:
        assert shown is not None
        assert shown.meta is not None
        meta = shown.meta
        assert meta.names(DB.account, DB.identity, DB.scheme, DB.reference)
        assert meta.serving is not Serving.SERVED or {"v1", "v2"} & set(meta.revoked)
