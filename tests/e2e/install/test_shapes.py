"""P9 and each row of docs/contract.md's table, by annotations alone, on a real kubelet."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from contract import layout
from tests.e2e.cluster import digest
from tests.e2e.install import rows
from tests.e2e.install.rows import ROWS, Row
from tests.e2e.install.team import container
from tests.e2e.install.world import TEAM, app, pod
from tests.make.waiting import until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]
STARTED_S = 90.0
MOUNT = layout.DEFAULT_MOUNT_PATH
LOOK = f"import os; print(os.path.exists({layout.TOKEN_PATH!r} + '/token'))"


@pytest.fixture(scope="module")
def applied(installed: Provider, settings: Settings, value: str) -> Iterator[None]:
    """All rows at once; a CronJob makes no more Jobs once it was looked at."""
    installed.put(rows.FRESH, value)
    for row in ROWS:
        TEAM.create(rows.manifest(settings, row))
    yield
    TEAM.kubectl("delete", "cronjob", "cron", "--ignore-not-found", "--cascade=orphan")


def ready_or_done(row: Row) -> Json:
    """Its pod, as soon as that is ready or, for one that ends, has succeeded."""
    if not row.ends:
        TEAM.rolled_out(row.name, STARTED_S)
    else:
        wanted = ("Succeeded",)
        until(
            f"the end of {row.name}",
            lambda: any(item["status"]["phase"] in wanted for item in TEAM.pods(row.name)),
            STARTED_S,
        )
    return TEAM.pods(row.name)[0]


# The CronJob's minute passes while the others are looked at.
@pytest.mark.usefixtures("applied")
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in (*ROWS[1:], ROWS[0])])
def test_p9_a_row_of_the_table(row: Row, value: str) -> None:
    """P9: in a namespace that enforces `restricted` a workload of each row starts, and ends if it
    is one that does; its app reads the file with its mode and owner, from memory, and can't write.
    """
    found = ready_or_done(row)
    name, spec = found["metadata"]["name"], found["spec"]
    assert [item["name"] for item in spec.get("initContainers", ())] == list(row.inits)
    assert [item["name"] for item in spec["containers"]] == list(row.containers)
    for reader in row.readers:
        started = TEAM.said(name, reader)[0]
        assert started["event"] == "started"
        assert started["files"]["db"].items() >= {**row.file, "digest": digest(value)}.items()
        assert reader not in row.uids or started["uid"] == row.uids[reader]
        assert started["write"] in ("Read-only file system", "Permission denied")
        assert_memory(started["mounts"], fixed=row.mode == "follow")
        if row.folder is not None:
            assert started["folder"] == row.folder
            assert started["files"]["status.json"].items() >= row.file.items()
    assert TEAM.said(name)[0]["variables"] == {"DB_FILE": f"{MOUNT}/db"}
    assert TEAM.said(name)[0]["token"], "the app keeps its own"
    assert_no_token(found)
    for proxy in row.mesh:
        assert_after(name, proxy)


def assert_after(name: str, proxy: str) -> None:
    """The kubelet has started the gate when the mesh's proxy ran, which sees no file of ours."""
    running = container(name, proxy)["state"]["running"]["startedAt"]
    assert container(name, layout.GATE)["state"]["terminated"]["startedAt"] >= running
    assert "db" not in TEAM.said(name, proxy)[0]["files"]


def assert_memory(mounts: str, *, fixed: bool) -> None:
    """The app's view: read-only, memory, never swapped; the cache has a size."""
    lines = [line.split() for line in mounts.splitlines()]
    (seen,) = (line for line in lines if line[1] in (MOUNT, MOUNT.removeprefix("/var")))
    options = seen[3].split(",")
    assert seen[2] == "tmpfs"
    assert "ro" in options
    assert "noswap" in options
    assert not fixed or any(option.startswith("size=") for option in options)


def assert_no_token(found: Json) -> None:
    """What is ours sees no service account token: its path is an empty volume there."""
    spec = found["spec"]
    ours = [
        item
        for item in (*spec.get("initContainers", ()), *spec["containers"])
        if item["name"] in layout.CONTAINERS
    ]
    for item in ours:
        there = [each for each in item["volumeMounts"] if each["mountPath"] == layout.TOKEN_PATH]
        assert [each["name"] for each in there] == [layout.NO_TOKEN_VOLUME]
    if found["status"]["phase"] == "Running" and layout.AGENT in [item["name"] for item in ours]:
        assert TEAM.execute(found["metadata"]["name"], layout.AGENT, LOOK).strip() == "False"


def test_the_namespace_enforces_restricted(installed: Provider, settings: Settings) -> None:
    """The same namespace refuses a pod that Pod Security `restricted` does not admit."""
    del installed
    spec = app(settings)
    spec["securityContext"] = {}
    assert "restricted" in TEAM.refused(pod("loose", spec, {}))
