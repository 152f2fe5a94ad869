"""Whether a controller is at work, by its Lease."""

from __future__ import annotations

from typing import Any

import pytest

from cli.controller_lease import WATCHED_S, beats, saw
from controller.times import rfc3339

NOW = 1_800_000_000.0


def _lease(version: str, *, holder: str = "a", renewed_at: float = NOW) -> dict[str, Any]:
    spec = {"holderIdentity": holder, "leaseDurationSeconds": 15, "renewTime": rfc3339(renewed_at)}
    return {"metadata": {"resourceVersion": version}, "spec": spec}


@pytest.mark.parametrize(
    ("lease", "expected"),
    [
        pytest.param(None, False, id="there is none"),
        pytest.param({"metadata": {"resourceVersion": "1"}}, False, id="it is empty"),
        pytest.param(_lease("1", holder=""), False, id="it was released"),
        pytest.param(_lease("1"), True, id="renewed now, as it says"),
        pytest.param(_lease("1", renewed_at=NOW - 99), None, id="old, as it says"),
        pytest.param(_lease("1", renewed_at=NOW + 99), None, id="of the future, as it says"),
    ],
)
def test_at_first_sight(lease: dict[str, Any] | None, expected: bool | None) -> None:  # noqa: FBT001 - a table
    """A time that is not of now needs another look: clocks differ."""
    assert beats(saw(None, lease, 100.0), NOW, 100.0) is expected


def test_one_that_changes_is_at_work_whatever_its_clock_says() -> None:
    """Until it has not changed for its duration."""
    first = saw(None, _lease("1", renewed_at=NOW - 999), 100.0)
    second = saw(first, _lease("2", renewed_at=NOW - 997), 102.0)
    assert beats(second, NOW, 102.0) is True
    assert beats(saw(second, _lease("2", renewed_at=NOW - 997), 116.0), NOW, 116.0) is True
    assert beats(second, NOW, 117.0) is False


def test_one_that_does_not_change_is_looked_at_for_some_seconds() -> None:
    """If it is old by its own time; else for as long as it is granted."""
    old = saw(None, _lease("1", renewed_at=NOW - 99), 100.0)
    assert beats(old, NOW, 100.0 + WATCHED_S - 0.1) is None
    assert beats(old, NOW, 100.0 + WATCHED_S) is False
    young = saw(None, _lease("1"), 100.0)
    assert beats(young, NOW + 14, 114.0) is True
    assert beats(young, NOW + 15, 115.0) is False
