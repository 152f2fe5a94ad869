"""The chart installs on a cluster, and the first pods start."""

from __future__ import annotations

import re
import shlex
from typing import TYPE_CHECKING

import pytest

from contract.annotations import POLICY_LABEL
from tests.e2e.cluster import digest
from tests.e2e.install.kubectl import run, run_helm
from tests.e2e.install.team import digests, events_of, one
from tests.e2e.install.world import BRIEF, DB, POLICY, STRICT, SYSTEM, TEAM, app, deployment
from tests.make import asking
from tests.make.waiting import until

if TYPE_CHECKING:
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_the_chart_installs_and_its_own_test_passes(installed: Provider) -> None:
    """Helm install: webhook and controller ready, and helm test passes."""
    del installed
    for name in ("lastgood-webhook", "lastgood-controller"):
        SYSTEM.rolled_out(name)
    run_helm("test", "lastgood", "--namespace", SYSTEM.namespace, "--timeout=90s")


def test_what_helm_says_to_do_next_works(installed: Provider, settings: Settings) -> None:
    """The notes have two commands and an annotation: a namespace without the label gets it, a pod
    with the annotation starts, and the table has what it was given.
    """
    del installed
    notes = run_helm("get", "notes", "lastgood", "--namespace", SYSTEM.namespace)
    label, look = re.findall(r"^  (kubectl .*)", notes, flags=re.MULTILINE)
    (key,) = re.findall(r'(lastgood\.dev/secret\.[a-z-]+): "aws-sm:', notes)
    TEAM.kubectl("label", "namespace", TEAM.namespace, f"{POLICY_LABEL}-")
    run(*shlex.split(label.replace("NAMESPACE", TEAM.namespace)))
    assert TEAM.get("namespace", TEAM.namespace)["metadata"]["labels"][POLICY_LABEL] == POLICY
    TEAM.create(deployment("noted", app(settings), {key: DB}))
    TEAM.rolled_out("noted")
    row = re.compile(rf"{TEAM.namespace} .*{DB} +steady +Fresh")
    until("the table to have it", lambda: row.search(run(*shlex.split(look))), 20)


def test_what_may_not_expire_starts_while_it_is_fresh(
    installed: Provider, settings: Settings, value: str
) -> None:
    """A class that refuses what has expired lets a pod start with a fresh value, and so does one
    that serves it. From here on the provider has those secrets no more.
    """
    sources = {"strict": STRICT, "brief": BRIEF}
    for name, source in sources.items():
        TEAM.create(deployment(name, app(settings), asking(db=f"aws-sm:{source}")))
    for name, source in sources.items():
        TEAM.rolled_out(name)
        assert digests(name) == {digest(value)}
        assert not [said for said in events_of(one(name)) if "Stale" in said]
        installed.delete(source)
