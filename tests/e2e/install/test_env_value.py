"""A value in a variable, which only a policy with `allowEnvValue` lets a pod have."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract.annotations import ENV_VALUE
from tests.e2e.cluster import digest
from tests.e2e.install.world import DB, OTHER, SHOWN, TEAM, app, deployment, pod
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
VARIABLE, SOURCE = "E2E_PASSWORD", "/other/variable"
READ = f"""
import hashlib
with open("/proc/1/environ", "rb") as file:
    found = dict(item.partition(b"=")[::2] for item in file.read().split(b"\\0"))
print(hashlib.sha256(found[{VARIABLE!r}.encode()]).hexdigest())
"""


def test_p8_a_value_is_in_a_variable_where_the_policy_says_so(
    installed: Provider, settings: Settings
) -> None:
    """P8: `env-value` where the policy has `allowEnvValue`: the app's own environment has the
    value, by secretKeyRef, and the pod's object has not. Elsewhere the pod is refused.
    """
    installed.put(SOURCE, SHOWN)
    OTHER.create(deployment("variable", app(settings), asks(f"aws-sm:{SOURCE}")))
    OTHER.rolled_out("variable")
    (found,) = OTHER.pods("variable")
    main = next(item for item in found["spec"]["containers"] if item["name"] == "app")
    (variable,) = (item for item in main["env"] if item["name"] == VARIABLE)
    assert "secretKeyRef" in variable["valueFrom"]
    read = OTHER.execute(found["metadata"]["name"], "app", READ).strip()
    assert read == digest(SHOWN)


def test_p8_a_value_is_in_no_variable_where_the_policy_does_not_say_so(
    installed: Provider, settings: Settings
) -> None:
    """P8: `env-value` elsewhere: the pod is refused, and told what the policy lacks."""
    del installed
    assert "allowEnvValue" in TEAM.refused(pod("variable", app(settings), asks(DB)))


def asks(source: str) -> dict[str, str]:
    """The value of a source in the variable."""
    return {**asking(db=source), ENV_VALUE + VARIABLE: "db"}
