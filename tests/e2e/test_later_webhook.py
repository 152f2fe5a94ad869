"""A pod that another webhook annotates after ours had its turn, where the chart's policies hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e import admission
from tests.e2e.admission import admitted
from tests.e2e.other_webhook import other_webhook
from tests.e2e.replica import webhook
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.admission import Json, Place
    from tests.e2e.enforced import Enforced
    from tests.e2e.replica import Webhook

pytestmark = pytest.mark.e2e
REASON = "another webhook added them after lastgood was called"


def annotating(pod: Json) -> list[Json]:
    """An annotation of ours, on a pod without any annotation."""
    if pod["metadata"].get("annotations"):
        return []
    notes = {"lastgood.dev/secret.db": "aws-sm:/prod/db#password"}
    return [{"op": "add", "path": "/metadata/annotations", "value": notes}]


@pytest.fixture
def held(guarded: Enforced) -> Iterator[Place]:
    """Namespaces, account and policy where the chart's policies hold."""
    with admission.place(guarded.server, guarded.suffix) as found:
        yield found


@pytest.fixture
def ours(held: Place) -> Iterator[Webhook]:
    """Our webhook, which the API server asks first, and then another one that annotates."""
    port = admission.free_port()
    with other_webhook(annotating) as other, webhook(held, port) as replica:
        later = other.entry(admission.entry(held, other.port, "z.later.example"))
        del later["matchConditions"]
        with admission.called(held, port), admission.called_as(f"z-later-{held.suffix}", later):
            admitted(held, replica)
            yield replica


def test_p10_a_pod_annotated_by_a_later_webhook_is_refused(held: Place, ours: Webhook) -> None:
    """Ours is not asked again about what it did not match at first: only the policy tells, and says
    why. A pod that asks by itself goes on.
    """
    asked = len(ours.events("admission.decided"))
    plain = held.pod()
    until("the refusal", lambda: REASON in held.create(plain).message)
    answer = held.create(plain)
    assert answer.by_policy, answer.body
    assert "Set them on the pod template" in answer.message
    assert len(ours.events("admission.decided")) == asked
    assert held.create(held.opted_in()).status == 201
