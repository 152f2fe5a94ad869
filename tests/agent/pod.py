"""A pod's agent containers as real processes: an image folder, volumes as folders, and commands."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from typing import TYPE_CHECKING, Any, TypeVar

from agent.sync import Folders
from contract import ages, snapshot_format, status_file
from contract import plan as plans
from contract.layout import FILES, MOUNT_META, STATUS
from contract.plan import MOUNT, Plan
from demo import volume_writer
from tests import make

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import Self

    from contract.ages import Entry
    from contract.plan import PlannedSnapshot
    from contract.snapshot_format import Meta
    from contract.status_file import CacheStatus

Found = TypeVar("Found")

PATIENCE_S = 20.0


def memory_folder() -> str:
    """A folder on tmpfs where there is one, as the cache's volume is."""
    shared = "/dev/shm"
    return shared if os.access(shared, os.W_OK) else tempfile.gettempdir()


def three_secrets(access: str = "owner", mode: str = "follow") -> Plan:
    """A plan of three snapshots with a file each."""
    return make.plan(
        *(
            make.planned_snapshot(make.planned_file(f"s{each}"), reference=f"/prod/s{each}")
            for each in range(3)
        ),
        access=access,
        mode=mode,
    )


class AgentPod:
    """The volumes of one pod, and its gate and agent. `at` is when all its values were fetched."""

    def __init__(self, folder: Path, plan: Plan, image: Path) -> None:
        self.folder = folder
        self.plan = plan
        self.image = image
        self.cache = folder / "cache"
        self.snapshots = folder / "snapshots"
        self.freshness = folder / "freshness"
        self.termination_log = folder / "termination-log"
        for volume in (self.cache, self.snapshots, self.freshness):
            volume.mkdir(parents=True)
        self.termination_log.touch()
        self._mounted: dict[str, bytes] = {}

    @property
    def files(self) -> Path:
        """What the app mounts."""
        return self.cache / FILES

    @property
    def folders(self) -> Folders:
        """The volumes, for calls without a process."""
        return Folders(
            cache=str(self.cache), snapshots=str(self.snapshots), freshness=str(self.freshness)
        )

    def mount(
        self,
        planned: PlannedSnapshot,
        values: Mapping[str, bytes],
        meta: Meta | bytes | None = None,
        *,
        version: str = "v1",
        write: bool = True,
    ) -> None:
        """Show a snapshot in the volume, by data key; without a meta, one that serves `version`
        from now.
        """
        found = (
            make.meta(planned, version=version, fetched_at=time.time()) if meta is None else meta
        )
        raw = found if isinstance(found, bytes) else snapshot_format.to_wire(found).encode()
        self.unmount(planned, write=False)
        name = planned.snapshot
        if self.plan.mode == MOUNT:
            self._mounted[f"{MOUNT_META}/{name}/meta.json"] = raw
            for file in planned.files:
                key = snapshot_format.data_key(file.property)
                if key in values:
                    self._mounted[file.file] = values[key]
        else:
            self._mounted[f"{name}/meta.json"] = raw
            self._mounted |= {f"{name}/{key}": value for key, value in values.items()}
        if write:
            volume_writer.write(self.snapshots, self._mounted, self._modes())

    def mount_all(self, text: str, version: str = "v1") -> None:
        """Show every snapshot, all in one swap, with whole values that begin with `text`."""
        for each in self.plan.snapshots:
            values = {
                snapshot_format.data_key(file.property): f"{text}-{file.name}".encode()
                for file in each.files
            }
            self.mount(each, values, version=version, write=False)
        volume_writer.write(self.snapshots, self._mounted, self._modes())

    def unmount(self, planned: PlannedSnapshot, *, write: bool = True) -> None:
        """Let a snapshot vanish from the volume."""
        gone = {file.file for file in planned.files}
        self._mounted = {
            path: raw
            for path, raw in self._mounted.items()
            if planned.snapshot not in path.split("/") and path not in gone
        }
        if write:
            volume_writer.write(self.snapshots, self._mounted, self._modes())

    def confirm(self, entries: Mapping[str, Entry | bytes]) -> None:
        """Show these freshness entries, by snapshot."""
        raw = {
            name: entry if isinstance(entry, bytes) else ages.to_wire(entry).encode()
            for name, entry in entries.items()
        }
        volume_writer.write(self.freshness, raw, self._modes())

    def command(self, verb: str, *more: str) -> list[str]:
        """The arguments as the webhook makes it."""
        cache = () if self.plan.mode == MOUNT else ("--cache", str(self.cache))
        log = ("--termination-log", str(self.termination_log)) if verb == "gate" else ()
        return [
            *(sys.executable, "-I", "-S", str(self.image), verb),
            *("--plan", plans.to_wire(self.plan), *cache),
            *("--snapshots", str(self.snapshots), "--freshness", str(self.freshness)),
            *log,
            *more,
        ]

    def gate(self) -> subprocess.CompletedProcess[bytes]:
        """Run the gate to its end."""
        return subprocess.run(
            self.command("gate"), capture_output=True, timeout=PATIENCE_S, check=False
        )

    def start(self, verb: str, *more: str) -> Running:
        """Start gate or agent, and leave it running."""
        return Running(self.command(verb, *more), self.folder / f"{verb}.log")

    def message(self) -> dict[str, Any]:
        """The termination message."""
        found: dict[str, Any] = json.loads(self.termination_log.read_bytes())
        return found

    def status(self) -> CacheStatus:
        """status.json."""
        return status_file.from_wire((self.files / STATUS).read_bytes())

    def shown(self) -> dict[str, bytes]:
        """The files that the app sees, by name, without the status."""
        return {
            path.name: path.read_bytes()
            for path in self.files.iterdir()
            if not path.name.startswith("..") and path.name != STATUS
        }

    def empty_cache(self) -> None:
        """As in a new pod."""
        shutil.rmtree(self.files, ignore_errors=True)

    def _modes(self) -> volume_writer.Modes:
        return volume_writer.Modes(directory=0o755, file=0o444)


class Running:
    """A process of ours, its log, and its end."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as sink:
            self.process = subprocess.Popen(argv, stdout=sink, stderr=sink)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()

    def events(self, name: str) -> list[dict[str, Any]]:
        """The log lines of one event."""
        return [line for line in self._lines() if line["event"] == name]

    def names(self) -> list[str]:
        """All events in their order."""
        return [line["event"] for line in self._lines()]

    def _lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]

    def terminate(self) -> int:
        """SIGTERM, and the exit code."""
        self.process.terminate()
        return self.process.wait(timeout=PATIENCE_S)


def until(look: Callable[[], Found]) -> Found:
    """What `look` finds once that is true; AssertionError when it never is."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            if found := look():
                return found
        except (OSError, ValueError):
            pass
        time.sleep(0.02)
    raise AssertionError("it never came true")


def get(port: int, path: str, host: str = "127.0.0.1") -> str:
    """The body of a page of the agent's."""
    with urllib.request.urlopen(f"http://{host}:{port}{path}", timeout=PATIENCE_S) as answer:
        return str(answer.read().decode())
