"""What is kept of pods: bounded by namespace, whatever their plans say."""

from __future__ import annotations

import gc

import pytest

from controller.cluster.feeds import MOST_SOURCES, Sources
from controller.demand import Demand, NotADemandError, Parts
from refresh.model import SnapshotKey, SourceKey


def _demand(namespace: str, first: int, count: int) -> Demand:
    references = [f"/forged/{number}" for number in range(first, first + count)]
    keys = [SnapshotKey(namespace, SourceKey("a", "controller", "file", it)) for it in references]
    return Demand(namespace=namespace, pod="web", parts=dict.fromkeys(keys, Parts(whole=True)))


def test_p13_one_namespaces_plans_fill_no_memory_and_take_no_room_of_anothers() -> None:
    """Sources that are named already cost nothing; when pods go there is room again."""
    sources = Sources()
    full = [sources.bounded(_demand("crowd", at, 250)) for at in range(0, MOST_SOURCES, 250)]
    with pytest.raises(NotADemandError, match=f"more than {MOST_SOURCES} sources"):
        sources.bounded(_demand("crowd", MOST_SOURCES, 1))
    sources.bounded(_demand("payments", 0, 250))
    again = sources.bounded(_demand("crowd", 0, 250))
    assert all(one is other for one, other in zip(again.parts, full[0].parts, strict=True))
    del full, again
    gc.collect()
    sources.bounded(_demand("crowd", MOST_SOURCES, 250))
