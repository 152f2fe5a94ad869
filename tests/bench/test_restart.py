"""What the bench of a restart reads of the controller's log. Pure."""

from __future__ import annotations

import pytest

from bench.cluster.restart import first, has_refreshed

LOG = [
    "no JSON",
    '{"at": 1.0, "event": "leader.elected"}',
    '{"at": 2.0, "event": "controller.refreshed", "result": "failed"}',
    '{"at": 3.0, "event": "controller.refreshed", "result": "unchanged"}',
    '{"at": 4.0, "event": "controller.refreshed", "result": "fetched"}',
    '{"at": 5.0, "event": "contr',
]


def test_the_first_refresh_is_one_that_the_provider_answered() -> None:
    """Not a failed one, and not a later one."""
    found = first(LOG, has_refreshed)
    assert found is not None
    assert found["at"] == pytest.approx(3.0)


def test_a_line_that_is_half_written_is_not_read_yet() -> None:
    """It is when it is whole."""
    assert first(LOG[-1:], lambda _: True) is None
