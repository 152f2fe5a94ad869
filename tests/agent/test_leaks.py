"""P8: a canary value goes through gate and agent, and is in their files alone."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from contract.plan import Reload
from contract.reasons import Serving
from tests import make
from tests.agent.pod import three_secrets, until

if TYPE_CHECKING:
    from collections.abc import Callable

    from contract.plan import Plan
    from tests.agent.pod import AgentPod


@pytest.fixture
def loud(new_pod: Callable[[Plan], AgentPod]) -> AgentPod:
    """A pod whose reload fails, so that there is something to log."""
    return new_pod(three_secrets().replace(reload=Reload(http="http://127.0.0.1:1/r")))


def test_p8_a_value_is_in_no_log_status_message_argument_or_environment(loud: AgentPod) -> None:
    """P8: through start, rotation, failures of every kind, and revocation."""
    first, second, third = loud.plan.snapshots
    for each in loud.plan.snapshots:
        loud.mount(each, {"value": make.CANARY})
    ended = loud.gate()
    assert ended.returncode == 0
    sinks = [ended.stdout, ended.stderr, loud.termination_log.read_bytes()]
    with loud.start("follow") as agent:
        loud.mount(first, {"value": make.CANARY + b"2"}, version="v2")
        until(lambda: agent.events("agent.reload"))
        loud.mount(second, {"value": make.CANARY}, make.CANARY)
        loud.confirm({first.snapshot: make.CANARY})
        until(lambda: loud.status().secrets["s1"].reason == "malformed")
        loud.mount(third, {"value": make.CANARY}, make.meta(third, serving=Serving.REVOKED))
        until(lambda: loud.status().secrets["s2"].reason == "revoked")
        proc = Path(f"/proc/{agent.process.pid}")
        sinks += [(proc / "cmdline").read_bytes(), (proc / "environ").read_bytes()]
    sinks += [agent.log.read_bytes(), (loud.files / "status.json").read_bytes()]
    sinks += [path.read_bytes() for path in loud.files.glob("..r*/.lastgood.json")]
    assert [leak for sink in sinks for leak in make.leaks(sink)] == []
    assert make.leaks((loud.files / "s0").read_bytes())


def test_p8_an_error_of_the_plan_quotes_nothing_of_it(loud: AgentPod) -> None:
    """P8: a broken plan is named by its fault."""
    broken = loud.command("gate", "--plan", make.CANARY.decode())
    with loud.start("gate", *broken[-2:]) as gate:
        assert gate.process.wait(timeout=20) != 0
        sinks = (gate.log.read_bytes(), loud.termination_log.read_bytes())
    assert [leak for sink in sinks for leak in make.leaks(sink)] == []
