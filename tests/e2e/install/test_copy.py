"""`kubectl debug POD --copy-to`: a copy of an injected pod, to look into."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.cluster import digest
from tests.e2e.install.team import one
from tests.e2e.install.world import DB, TEAM, app, deployment
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
NAME = "copied-from"


@pytest.fixture(scope="module")
def original(installed: Provider, settings: Settings) -> str:
    """A running pod that opted in."""
    del installed
    TEAM.create(deployment(NAME, app(settings), asking(db=DB)))
    TEAM.rolled_out(NAME)
    return one(NAME)


def copied(original: str, to: str, settings: Settings, *options: str) -> str | None:
    """What refuses a copy with a debugging container; None: it was made."""
    image = f"--image={settings.image('provider')}"
    words = ("debug", original, f"--copy-to={to}", image, "--profile=restricted", *options)
    try:
        TEAM.kubectl(*words, "--", "python3", "-c", "import time; time.sleep(600)")
    except AssertionError as refused:
        return str(refused)
    return None


@pytest.mark.parametrize("shared", ["true", "false"])
def test_a_copy_keeps_its_annotations_or_is_told_how(
    original: str, settings: Settings, value: str, shared: str
) -> None:
    """Without them it is refused, with the option that keeps them; with them its app reads the same
    file, and the debugging container starts. kubectl shares the process namespace by default.
    """
    share = f"--share-processes={shared}"
    told = copied(original, f"bare-{shared}", settings, share)
    assert told is not None
    assert "kubectl debug --copy-to=NAME --keep-annotations" in told
    name = f"copy-{shared}"
    assert copied(original, name, settings, share, "--keep-annotations") is None
    TEAM.kubectl("wait", "--for=condition=Ready", f"pod/{name}", "--timeout=90s")
    assert TEAM.said(name)[0]["files"]["db"]["digest"] == digest(value)
    spec = TEAM.get("pod", name)["spec"]
    assert [item["name"] for item in spec["initContainers"]] == [layout.GATE]
    names = [item["name"] for item in spec["containers"]]
    assert names.count(layout.AGENT) == 1
    assert len(names) == 3
    TEAM.kubectl("delete", "pod", name, "--wait=false")
