"""Pods that would cost the webhook most, through a real API server."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e import costly
from tests.e2e.admission import admitted

if TYPE_CHECKING:
    from tests.e2e.admission import Place
    from tests.e2e.replica import Webhook

pytestmark = pytest.mark.e2e
ATTACKS = [costly.VARIABLES, *costly.LISTS.values()]


def test_p10_costly_pods_are_refused_by_name_and_others_start(
    place: Place, replica: Webhook
) -> None:
    """All at once: each refusal names its limit, the webhook is the same process after them, and it
    needed a fraction of the chart's memory.
    """
    admitted(place, replica)
    pods = []
    for attack in ATTACKS:
        pod = place.opted_in()
        pod["metadata"]["annotations"] |= attack.annotations
        pod["spec"] = attack.spec
        pods.append(pod)
    with ThreadPoolExecutor(2 * len(pods)) as pool:
        answers = list(pool.map(place.create, pods * 2))
    for answer, attack in zip(answers, ATTACKS * 2, strict=True):
        assert answer.status in {403, 422}, answer.message[:300]
        assert attack.message in answer.message
    assert place.create(place.opted_in()).status == 201
    status = Path(f"/proc/{replica.process.pid}/status").read_text(encoding="ascii")
    assert int(status.partition("VmHWM:")[2].split()[0]) < 200 << 10
