"""When a mounted version was last confirmed, whatever the kubelet shows first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contract.ages import Confirmed, Entry, last_success
from contract.reasons import Serving
from tests import make

if TYPE_CHECKING:
    from contract.snapshot_format import Meta

NOW = make.NOW
A = Confirmed(version="a", last_success=NOW - 60)

CASES: dict[str, tuple[Meta, Entry | None, float | None]] = {
    "no entry": (make.meta(version="a", fetched_at=NOW - 500), None, NOW - 500),
    "the entry's version": (make.meta(version="b"), make.entry("b", NOW, prior=A), NOW),
    "the secret lags": (make.meta(version="a"), make.entry("b", NOW, prior=A), NOW - 60),
    "the entry lags": (make.meta(version="c", fetched_at=NOW - 5), make.entry("b"), NOW - 5),
    "nothing served": (make.meta(serving=Serving.REVOKED), make.entry("b"), None),
    "the entry says nothing served": (
        make.meta(version="a", fetched_at=NOW - 500),
        make.entry(None, NOW, prior=None),
        NOW - 500,
    ),
    "another incarnation of the entry's version": (
        make.meta(version="a", incarnation="one", fetched_at=NOW - 500),
        Entry(served=A.replace(incarnation="two"), prior=None, last_attempt=NOW, reason=None),
        NOW - 500,
    ),
    "the secret lags, of the same name": (
        make.meta(version="a", incarnation="one"),
        Entry(
            served=A.replace(incarnation="two", last_success=NOW),
            prior=A.replace(incarnation="one"),
            last_attempt=NOW,
            reason=None,
        ),
        NOW - 60,
    ),
    "the secret lags, of an incarnation that was not known": (
        make.meta(version="a"),
        Entry(
            served=A.replace(incarnation="two", last_success=NOW),
            prior=A,
            last_attempt=NOW,
            reason=None,
        ),
        NOW - 60,
    ),
    "the secret does not know its incarnation yet": (
        make.meta(version="a"),
        Entry(served=A.replace(incarnation="one"), prior=None, last_attempt=NOW, reason=None),
        NOW - 60,
    ),
    "only the prior is known": (make.meta(version="a"), make.entry(None, prior=A), NOW - 60),
}


@pytest.mark.parametrize(("meta", "entry", "expected"), CASES.values(), ids=CASES)
def test_p5_the_age_is_of_the_mounted_version(
    meta: Meta, entry: Entry | None, expected: float | None
) -> None:
    """From the entry where it speaks of that version, else from when it was fetched."""
    assert last_success(meta, entry) == expected


@dataclass(frozen=True, slots=True)
class Written:
    """What the controller had written after one confirmation."""

    at: float
    version: str
    meta: Meta
    entry: Entry


def _history(confirmations: list[tuple[float, str]]) -> list[Written]:
    """A controller: each confirmation moves the age, and a new version moves the old to `prior`. A
    version is its name of one letter and its incarnation.
    """
    written: list[Written] = []
    fetched: dict[str, float] = {}
    served: Confirmed | None = None
    prior: Confirmed | None = None
    now = NOW
    for wait, version in confirmations:
        now += wait
        fetched.setdefault(version, now)
        name, mark = version[0], version[1:] or None
        if served is not None and (served.version, served.incarnation) != (name, mark):
            prior = served
        served = Confirmed(version=name, last_success=now, incarnation=mark)
        meta = make.meta(version=name, incarnation=mark, fetched_at=fetched[version])
        entry = Entry(served=served, prior=prior, last_attempt=now, reason=None)
        written.append(Written(now, version, meta, entry))
    return written


def _visible(written: list[Written], now: float, delay: float) -> Written | None:
    """The newest that was written at least `delay` ago."""
    return next((each for each in reversed(written) if each.at <= now - delay), None)


confirmations = st.lists(
    st.tuples(st.floats(min_value=0.5, max_value=300), st.sampled_from(["a", "b1", "b2", "c1"])),
    min_size=1,
    max_size=12,
)
delays = st.floats(min_value=0, max_value=400)


@given(
    confirmations=confirmations,
    secret_delay=delays,
    entry_delay=delays,
    wait=st.floats(min_value=0, max_value=4_000),
)
def test_p5_an_age_is_never_younger_than_the_truth(
    confirmations: list[tuple[float, str]],
    secret_delay: float,
    entry_delay: float,
    wait: float,
) -> None:
    """The Secret and the ConfigMap arrive in any order, each late by its own time."""
    written = _history(confirmations)
    now = NOW + wait
    mounted = _visible(written, now, secret_delay)
    shown = _visible(written, now, entry_delay)
    if mounted is None:
        return
    read = last_success(mounted.meta, None if shown is None else shown.entry)
    truth = max(each.at for each in written if each.version == mounted.version and each.at <= now)
    assert read is not None
    assert read <= truth


@given(confirmations=confirmations)
def test_an_age_is_the_truth_once_both_are_shown(confirmations: list[tuple[float, str]]) -> None:
    """Nothing is lost when the volumes have caught up."""
    last = _history(confirmations)[-1]
    assert last_success(last.meta, last.entry) == last.at


@given(confirmations=confirmations)
def test_a_secret_one_version_behind_has_its_own_age(
    confirmations: list[tuple[float, str]],
) -> None:
    """The entry's `prior` is for that reader: the age is the last confirmation, not the fetch."""
    written = _history(confirmations)
    before = next((each for each in reversed(written) if each.version != written[-1].version), None)
    if before is not None:
        assert last_success(before.meta, written[-1].entry) == before.at


@pytest.mark.parametrize("part", ["account", "identity", "scheme", "reference"])
def test_a_meta_names_exactly_its_source(part: str) -> None:
    """Another account, identity, provider or reference is a foreign snapshot."""
    planned = make.planned_snapshot()
    source = {name: getattr(planned, name) for name in ("account", "identity", "scheme")}
    source["reference"] = planned.reference
    assert make.meta(planned).names(**source)
    assert not make.meta(planned).names(**{**source, part: "other"})
