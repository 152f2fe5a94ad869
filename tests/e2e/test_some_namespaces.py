"""A controller that the chart gives rights in some namespaces only, with its own identity."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.e2e.controlled import PATIENCE_S
from tests.e2e.installed import Installed
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.controlled import Json

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(180)]
DB = "/prod/db"
ONE = b'{"password":"one"}'


@pytest.fixture
def limited(installed: Installed) -> Iterator[Installed]:
    """Rights in the team's namespace; the policy lists another one too."""
    other = f"{installed.name}-other"
    policy = installed.policy()
    policy["spec"]["namespaces"].append(other)

    class Limited(Installed):
        def policy(self, *more: Json) -> Json:
            del more
            return policy

        def values(self) -> Json:
            return {**super().values(), "controller": {"namespaces": [self.name]}}

    made = Limited(name=installed.name, folder=installed.folder)
    made.kubectl("create", "namespace", other)
    made.kubectl("label", "namespace", other, f"lastgood.dev/policy={installed.name}")
    try:
        yield made
    finally:
        made.end()
        made.kubectl("delete", "namespace", other, "--wait=false", "--ignore-not-found")


def test_it_serves_where_it_has_a_role_and_says_where_it_has_none(limited: Installed) -> None:
    """With the rights of the chart: what it may not write it does not fetch."""
    limited.install()
    limited.provide(DB, ONE)
    limited.declare(DB)
    other = f"{limited.name}-other"
    source = {"account": limited.name, "provider": "file", "reference": DB}
    snapshot = {"apiVersion": "lastgood.dev/v1alpha1", "kind": "SecretSnapshot"}
    body = {**snapshot, "metadata": {"name": limited.snapshot(DB)}, "spec": {"source": source}}
    limited.kubectl("create", "-n", other, "-f", "-", stdin=json.dumps(body))
    limited.start("--only-namespaces", limited.name)
    limited.serves(DB, ONE)

    def reason() -> str:
        path = "jsonpath={.status.reason}"
        return limited.kubectl("get", "snap", limited.snapshot(DB), "-n", other, "-o", path)

    until("the other's status", lambda: reason() == "no-rights", PATIENCE_S)
    assert not limited.kubectl("get", "secrets", "-n", other, "-o", "name")
