"""Secrets that stand in a snapshot's place, where none of the chart's policies is. The controller
is a process on a real API server.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.controlled import PATIENCE_S
from tests.e2e.one_secret import DB, ONE, TWO
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.controlled import Controlled

pytestmark = [pytest.mark.e2e, pytest.mark.slow]


def test_a_foreign_secret_is_told_of_though_the_provider_gives_nothing(
    controlled: Controlled,
) -> None:
    """As in an outage, when another controller takes over: what to do is not the provider's."""
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": controlled.snapshot(DB)}}
    controlled.create({**foreign, "type": "Opaque", "stringData": {"mine": "yes"}})
    controlled.pod("web-1", DB)
    controlled.lead()
    until("the Event", lambda: controlled.events("SecretNotSynced"), PATIENCE_S)
    until("its state", lambda: controlled.status(DB).get("state") == "Foreign", PATIENCE_S)
    assert "create it under another name" in controlled.events("SecretNotSynced")[-1]["message"]


def test_a_foreign_secret_is_never_adopted_and_says_so(controlled: Controlled) -> None:
    """One of another type keeps its content; status and an Event on the pod tell what to do."""
    controlled.provide(DB, ONE)
    name = controlled.snapshot(DB)
    foreign = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name}}
    controlled.create({**foreign, "type": "Opaque", "stringData": {"mine": "yes"}})
    controlled.pod("web-1", DB)
    controlled.lead()
    until(
        "the status to say so",
        lambda: controlled.status(DB).get("reason") == "foreign-secret",
        PATIENCE_S,
    )
    until("the Event", lambda: controlled.events("SecretNotSynced"), PATIENCE_S)
    assert "create it under another name" in controlled.events("SecretNotSynced")[0]["message"]
    assert set(controlled.keys(DB)) == {"mine"}
    controlled.kubectl("delete", "secret", name)
    controlled.serves(DB, ONE)


def test_p13_a_forged_snapshot_of_another_source_is_written_over(controlled: Controlled) -> None:
    """What stands in a snapshot's place and is of our type gets the snapshot's own content."""
    controlled.provide(DB, ONE)
    controlled.provide("/prod/other", TWO)
    controlled.pod("web-1", "/prod/other")
    controlled.lead()
    controlled.serves("/prod/other", TWO)
    other = controlled.get("secret", controlled.snapshot("/prod/other"))
    assert other is not None
    metadata = {"name": controlled.snapshot(DB)}
    controlled.create({**other, "metadata": metadata})
    controlled.pod("web-2", DB)
    controlled.serves(DB, ONE)
