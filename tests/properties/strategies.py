"""Hypothesis strategies for the contract's values: whatever a writer of ours could mean."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import strategies as st

from contract import layout
from contract.ages import Confirmed, Entry
from contract.freshness import FreshnessClass
from contract.object_names import snapshot_name
from contract.plan import (
    BUNDLES,
    FILE_MODES,
    FOLLOW,
    MODES,
    Plan,
    PlannedFile,
    PlannedSnapshot,
    Reload,
)
from contract.reasons import CacheReason, FetchFailure, Freshness, Serving
from contract.secret_bytes import SecretBytes
from contract.snapshot_format import Meta, Quarantined
from contract.status_file import CacheStatus, SecretStatus

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

REFERENCE_ALPHABET = "abcXYZ019/_+=.@!-"

texts = st.text(max_size=20)
"""Any text that UTF-8 can carry, NUL and line ends too."""

times = st.floats(min_value=0, max_value=4e9)
"""Moments, in seconds since the epoch, up to the year 2096."""

versions = st.text(min_size=1, max_size=12)

secrets = st.binary(max_size=64).map(SecretBytes)

secret_names = st.from_regex(r"[a-z0-9]([-a-z0-9.]{0,48}[a-z0-9])?", fullmatch=True)
"""The `<name>` of annotations."""

file_names = st.from_regex(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,30}", fullmatch=True).filter(
    lambda name: name not in (*layout.RESERVED_FILES, *BUNDLES.values())
)

segments = st.text("abcXYZ019_+=.@!-", min_size=1, max_size=8).filter(
    lambda segment: segment not in {".", ".."}
)

references = st.builds(
    lambda parts: "/" + "/".join(parts),
    st.lists(segments, min_size=1, max_size=5).filter(
        lambda parts: [part.lower() for part in parts[:2]] != ["aws", "reference"]
    ),
)
"""References with every sign that a name may have; Parameter Store's have fewer."""

names = (
    st.lists(
        st.from_regex(r"[b-rt-zA-Z0-9_][A-Za-z0-9_-]{0,7}", fullmatch=True), min_size=1, max_size=5
    )
    .map(lambda parts: "/" + "/".join(parts))
    .filter(lambda name: not name[1:].lower().startswith(("aws", "ssm")))
)
"""References that each provider accepts; Vault below a mount."""

hostile_references = st.one_of(
    st.text(),
    st.text(REFERENCE_ALPHABET + "%?\\\0\n\x7f:#é"),
    st.lists(st.sampled_from(["", ".", "..", "a", "%2e", "arn:aws", "\\", "é"])).map("/".join),
    st.text().map("arn:aws:secretsmanager:eu-west-1:111122223333:secret:".__add__),
)
"""Texts that somebody could write for a reference; some are accepted."""

properties = (
    st.lists(
        st.from_regex(r"[A-Za-z0-9_-]([A-Za-z0-9_.-]{0,8}[A-Za-z0-9_-])?", fullmatch=True),
        min_size=1,
        max_size=3,
    )
    .map("/".join)
    .filter(lambda name: ".." not in name)
)


@st.composite
def rules(draw: st.DrawFn, name: str = "default") -> FreshnessClass:
    """A class whose times are in order: refresh < budget <= maximum age."""
    refresh_s = draw(st.floats(min_value=1, max_value=86_400))
    budget_s = refresh_s + draw(st.floats(min_value=1, max_value=86_400))
    return FreshnessClass(
        name=name,
        refresh_s=refresh_s,
        budget_s=budget_s,
        max_age_s=budget_s + draw(st.just(0.0) | st.floats(min_value=1, max_value=1e7)),
        on_expired=draw(st.sampled_from(["serve", "refuse"])),
    )


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """A plan of up to three snapshots in up to two classes; no file, name or snapshot twice."""
    classes = [draw(rules(name)) for name in ("default", draw(texts.filter("default".__ne__)))]
    sources = draw(st.lists(st.tuples(texts, texts, texts, texts), max_size=3, unique=True))
    count = draw(st.integers(min_value=0, max_value=2))
    needed = count * len(sources)
    names = iter(draw(_distinct(secret_names, needed)))
    files = iter(draw(_distinct(file_names, needed)))
    mode = draw(st.sampled_from(MODES))
    return Plan(
        mode=mode,
        access=draw(st.sampled_from(sorted(FILE_MODES))),
        snapshots=tuple(
            PlannedSnapshot(
                snapshot=snapshot_name(*source),
                account=source[0],
                identity=source[1],
                scheme=source[2],
                reference=source[3],
                rules=draw(st.sampled_from(classes)),
                files=tuple(
                    PlannedFile(
                        name=next(names), file=next(files), property=draw(st.none() | properties)
                    )
                    for _ in range(count)
                ),
            )
            for source in sources
        ),
        reload=draw(st.none() | reloads),
        bundle=draw(st.none() | st.sampled_from([*BUNDLES])) if mode == FOLLOW else None,
    )


def _distinct(each: SearchStrategy[str], count: int) -> SearchStrategy[list[str]]:
    return st.lists(each, min_size=count, max_size=count, unique=True)


reloads = st.builds(Reload, http=texts) | st.builds(Reload, signal=texts)

incarnations = st.none() | texts
quarantined = st.builds(Quarantined, version=versions, reason=texts, incarnation=incarnations)


@st.composite
def metas(draw: st.DrawFn) -> Meta:
    """Any meta: a version and a time exactly when something is served."""
    serving = draw(st.sampled_from(Serving))
    served = serving is Serving.SERVED
    return Meta(
        account=draw(texts),
        identity=draw(texts),
        scheme=draw(texts),
        reference=draw(texts),
        serving=serving,
        version=draw(versions) if served else None,
        fetched_at=draw(times) if served else None,
        cluster=draw(texts),
        pin=draw(st.none() | versions),
        revoked=tuple(draw(st.lists(versions, max_size=3))),
        quarantined=tuple(draw(st.lists(quarantined, max_size=2))),
        incarnation=draw(incarnations) if served else None,
    )


confirmed = st.builds(Confirmed, version=versions, last_success=times, incarnation=incarnations)

entries = st.builds(
    Entry,
    served=st.none() | confirmed,
    prior=st.none() | confirmed,
    last_attempt=st.none() | times,
    reason=st.none() | st.sampled_from(FetchFailure).map(str),
)

secret_statuses = st.builds(
    SecretStatus,
    version=st.none() | versions,
    rules=texts,
    state=st.sampled_from(Freshness),
    last_success=st.none() | times,
    last_attempt=st.none() | times,
    reason=st.none() | st.sampled_from([*FetchFailure, *CacheReason]).map(str),
)

statuses = st.builds(
    CacheStatus,
    revision=st.none() | texts,
    written_at=times,
    secrets=st.dictionaries(secret_names, secret_statuses, max_size=3),
)
