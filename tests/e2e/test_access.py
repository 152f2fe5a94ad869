"""Who can read the files on a real node, and what else our containers can reach (docs/contract.md,
"Who may read the files").
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING

import pytest

from contract import layout
from contract.annotations import CONTAINERS
from tests.e2e.cluster import container, digest, pod
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.cluster import Cluster, Json
    from tests.e2e.settings import Settings

pytestmark = pytest.mark.e2e
APP_UID, OTHER_UID, GROUP, OUR_UID = 1000, 1001, 2000, 65532
WITH_GROUP = {"runAsUser": APP_UID, "fsGroup": GROUP}
OTHER = {"securityContext": {"runAsUser": OTHER_UID}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """Who the app is, and what it then finds."""

    name: str
    security: Json
    """Of the pod."""
    other: Json
    """Of a second container; empty: there is none."""
    folder: Json
    file: Json


@pytest.fixture(scope="module")
def web(cluster: Cluster, settings: Settings) -> Json:
    """A pod in `follow` mode that runs; what its app said when it started."""
    rendered = cluster.render(
        pod(
            "access",
            asking(db="file:/steady/access"),
            container(settings),
            security={"runAsUser": APP_UID},
        )
    )
    cluster.publish(rendered, "as expected")
    cluster.create(rendered)
    started = cluster.said("access", "started")
    cluster.ready("access")
    return started


@pytest.mark.usefixtures("protected_symlinks")
@pytest.mark.parametrize(
    "row",
    [
        pytest.param(
            Row(
                name="group",
                security=WITH_GROUP,
                other={},
                folder={"mode": "0o2750", "uid": OUR_UID},
                file={"mode": "0o440", "uid": OUR_UID, "gid": GROUP},
            ),
            id="fsGroup",
        ),
        pytest.param(
            Row(
                name="owner",
                security={"runAsUser": APP_UID},
                other={},
                folder={"mode": "0o700", "uid": APP_UID},
                file={"mode": "0o400", "uid": APP_UID},
            ),
            id="one-runAsUser",
        ),
        pytest.param(
            Row(
                name="world",
                security={"runAsUser": APP_UID},
                other=OTHER,
                folder={"mode": "0o755", "uid": OUR_UID},
                file={"mode": "0o444", "uid": OUR_UID},
            ),
            id="two-users",
        ),
    ],
)
def test_the_app_reads_and_no_more(
    cluster: Cluster,
    settings: Settings,
    value: str,
    row: Row,
) -> None:
    """Each row of access: every app container reads value and status through the links, with the
    modes that were meant, and none can write.
    """
    apps = [
        container(settings),
        *([container(settings, "second", **row.other)] if row.other else []),
    ]
    asked = asking(db=f"file:/steady/{row.name}")
    rendered = cluster.render(pod(row.name, asked, *apps, security=row.security))
    cluster.publish(rendered, value)
    cluster.create(rendered)
    for app in apps:
        started = cluster.said(row.name, "started", app["name"])
        assert started["files"]["db"].items() >= {**row.file, "digest": digest(value)}.items()
        assert started["files"]["status.json"].items() >= row.file.items()
        assert started["folder"] == row.folder
        assert started["write"] in ("Read-only file system", "Permission denied")
        if started["protected_symlinks"] != "1":
            pytest.skip("read, but this node does not guard links in sticky directories")


def test_mount_with_a_group_is_closed_to_others(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """In `mount` mode an fsGroup gives 0440 to the group."""
    asked = {**asking(db="file:/steady/grouped"), "lastgood.dev/mode": "mount"}
    rendered = cluster.render(pod("grouped", asked, container(settings), security=WITH_GROUP))
    cluster.publish(rendered, value)
    cluster.create(rendered)
    file = cluster.said("grouped", "started")["files"]["db"]
    assert file == {"mode": "0o440", "uid": 0, "gid": GROUP, "digest": digest(value)}


def test_a_container_that_is_not_chosen_sees_nothing(
    cluster: Cluster, settings: Settings, value: str
) -> None:
    """With `containers` an init container of the team's reads the files after the gate, and the
    main container has no mount.
    """
    env = [{"name": "ONCE", "value": "1"}]
    first = container(settings, "migrate", env=env)
    other = container(settings, env=[{"name": "FOLDER", "value": "/"}])
    asked = {**asking(db="file:/steady/chosen"), CONTAINERS: "migrate"}
    security = {"runAsUser": APP_UID}
    rendered = cluster.render(
        pod("chosen", asked, other, security=security, initContainers=[first])
    )
    assert [item["name"] for item in rendered["spec"]["initContainers"]] == [layout.GATE, "migrate"]
    cluster.publish(rendered, value)
    cluster.create(rendered)
    migrated = cluster.said("chosen", "started", "migrate")
    assert migrated["files"]["db"]["digest"] == digest(value)
    name = PurePath(layout.DEFAULT_MOUNT_PATH).name
    assert name not in cluster.said("chosen", "started")["mounts"]


def test_the_cache_is_memory_and_read_only(web: Json) -> None:
    """The app's mount is tmpfs, read-only, of a fixed size, and not swapped where that can be."""
    lines = [line.split() for line in web["mounts"].splitlines()]
    resolved = layout.DEFAULT_MOUNT_PATH.removeprefix("/var")
    found = [line for line in lines if line[1] in (layout.DEFAULT_MOUNT_PATH, resolved)]
    assert [line[2] for line in found] == ["tmpfs"]
    options = found[0][3].split(",")
    assert "ro" in options
    assert any(option.startswith("size=") for option in options)
    if "noswap" not in options:
        pytest.skip("memory, but this kubelet or kernel does not have noswap")


@pytest.mark.usefixtures("web")
def test_ours_has_no_token_and_the_app_keeps_its_own(cluster: Cluster, web: Json) -> None:
    """The service account's token is in the app, as without us, and not in the agent."""
    assert web["token"]
    script = f"import os; print(os.listdir({layout.TOKEN_PATH!r}))"
    assert cluster.execute("access", layout.AGENT, script) == "[]"


@pytest.mark.usefixtures("web")
def test_the_agent_answers_beside_the_app(cluster: Cluster) -> None:
    """/healthz and /metrics on its port, without a value in them."""
    url = f"http://127.0.0.1:{layout.AGENT_PORT}"
    script = f"""import urllib.request
for page in ("/healthz", "/metrics"):
    print(urllib.request.urlopen({url!r} + page, timeout=5).read().decode())"""
    pages = cluster.execute("access", "app", script)
    assert pages.startswith("ok\n")
    assert 'lastgood_agent_secrets{state="fresh"} 1' in pages
    assert "as expected" not in pages
