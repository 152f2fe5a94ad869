"""P8: no value is anywhere but in snapshots and in memory, after all that the other tests did."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.e2e.install import evidence, machine
from tests.e2e.install.kubectl import run
from tests.e2e.install.world import OTHER, PROVIDER, SHOWN, SYSTEM, TEAM
from tests.make.canary import leaks

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.e2e.install.settings import Settings
    from tests.e2e.install.world import Provider

    Record = Callable[[str, object], None]

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]


def test_p8_no_value_is_in_a_log_an_object_a_metric_or_an_environment(
    installed: Provider, record_property: Record
) -> None:
    """P8: no value in any log, Event, object (but snapshots), metric, environment or command
    line; a variable's, which policy allows, in its app's environment alone.
    """
    del installed
    sinks = dict(evidence.objects())
    for place in (SYSTEM, TEAM, OTHER, PROVIDER):
        sinks |= dict(evidence.logs(place)) | dict(evidence.processes(place))
    for place in (SYSTEM, TEAM, OTHER):
        sinks |= dict(evidence.metrics(place))
    record_property("searched", len(sinks))
    served = run("kubectl", "-n", TEAM.namespace, "get", "secrets", "-o", "json")
    assert leaks(served), "what is searched for is what is served"
    assert any("lastgood_agent_secrets" in text for text in sinks.values())
    assert any("lastgood_admission_total" in text for text in sinks.values())
    assert any("lastgood_refresh_total" in text for text in sinks.values())
    assert {name: spelled for name, text in sinks.items() if (spelled := leaks(text))} == {}
    variable = {f"proc {pod['metadata']['name']} app" for pod in OTHER.pods("variable")}
    assert {name for name, text in sinks.items() if SHOWN in text} == variable


def test_p8_no_value_is_on_the_nodes_disk_or_in_its_processes(
    installed: Provider, settings: Settings, record_property: Record
) -> None:
    """P8: no value in any file of the kubelet and the container runtime, nor in an environment or
    a command line of the node, etcd and memory apart.
    """
    del installed
    if settings.node_folder is None:
        pytest.skip("the node is another machine")
    folder = Path(settings.node_folder)
    processes = dict(machine.pods_processes(folder))
    assert len(processes) > 20
    record_property("processes", len(processes) // 2)
    assert {name: found for name, raw in processes.items() if (found := leaks(raw))} == {}
    shown = [name for name, raw in processes.items() if SHOWN.encode() in raw]
    assert all(name.endswith("environ") for name in shown)
    parts = {item.name: item for item in folder.iterdir()}
    assert on_disk(parts.pop("etcd")), "what is searched for is what is kept"
    parts.pop("bin")
    assert {"kubelet", "containerd", "pod-logs"} <= parts.keys()
    assert on_disk(*parts.values()) == {}


def on_disk(*folders: Path) -> dict[str, list[str]]:
    """Files with the value in any spelling, or with a variable's outside the container runtime's;
    file systems in memory are not crossed into.
    """
    found = {}
    for path in (path for folder in folders for path in files(folder)):
        raw = content(path)
        spelled = leaks(raw)
        if SHOWN.encode() in raw and "containerd" not in path.parts:
            spelled.append("a variable's")
        if spelled:
            found[str(path)] = spelled
    return found


def files(folder: Path) -> Iterator[Path]:
    """Plain files on the folder's own file system."""
    here = folder.stat().st_dev
    for top, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if (Path(top) / name).lstat().st_dev == here]
        yield from (path for name in names if (path := Path(top) / name).is_file())


def content(path: Path) -> bytes:
    """Nothing, when the file is gone again."""
    try:
        return b"" if path.is_symlink() else path.read_bytes()
    except OSError:
        return b""
