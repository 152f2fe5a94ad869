"""The embedded store: a folder on tmpfs that stands for the API server. Specs, statuses, pods and
admins' objects.

    config/*.yaml                          SecretAccount, SecretPolicy, Namespace: the admin's
    pods/*.json, *.yaml                    injected pods: the demand
    snapshots/<ns>/<snapshot>.spec.json    what operators ask for: written by the command line
    snapshots/<ns>/<snapshot>.status.json  what the controller knows: written by the controller
    volumes/<ns>/…                         Secrets and the ConfigMap of ages (controller.volumes)

The command line reads and writes through this module, and of `volumes` reads the ages alone.
"""

from __future__ import annotations

import fcntl
import os
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING
from uuid import uuid4

from contract.wire import WireError
from controller.filesystem import MEMORY, MOUNTINFO, filesystem_of
from controller.objects import Name, Spec, Status, recorded
from controller.volumes import Volumes

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

_SPEC = ".spec.json"
_STATUS = ".status.json"
_LOCK = ".lock"
_CONTROLLER_LOCK = "controller.lock"
_CLUSTER = "cluster"


class StoreRefusedError(ValueError):
    """A folder that can't be a store, or that a controller has taken; the message says what to do.
    Caught by main functions.
    """


class Store:
    """Folders and files below `root`; modes 0700 and 0600."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.config = root / "config"
        self.pods = root / "pods"
        self.volumes = root / "volumes"
        self._snapshots = root / "snapshots"

    def statuses(self) -> dict[Name, Status]:
        names = [
            Name(path.parent.name, path.name.removesuffix(_STATUS))
            for path in sorted(self._snapshots.glob(f"*/*{_STATUS}"))
        ]
        found = ((name, self.status(name)) for name in names)
        return {name: status for name, status in found if status is not None}

    def status(self, name: Name) -> Status | None:
        """With its times as the freshness entry has them, where that was written later."""
        status = self.written_status(name)
        if status is None:
            return None
        entry = Volumes(self.volumes).ages(name.namespace).get(name.snapshot)
        return status if entry is None else status.aged(entry)

    def written_status(self, name: Name) -> Status | None:
        """The status as it was written, when more than times had changed."""
        try:
            return Status.from_wire(self._path(name, _STATUS).read_bytes())
        except (FileNotFoundError, WireError):
            return None

    def write_status(self, name: Name, status: Status) -> bool:
        """The controller's only. False: it says that already, and nothing was written."""
        return _replace(self._path(name, _STATUS), status.to_wire())

    def remove_status(self, name: Name) -> None:
        """The controller's only."""
        self._path(name, _STATUS).unlink(missing_ok=True)

    def spec(self, name: Name) -> Spec | None:
        """What was asked for; None: nothing is written down. Raises WireError when somebody wrote a
        file that is no spec: what it asked for must not be guessed.
        """
        try:
            return Spec.from_wire(self._path(name, _SPEC).read_bytes())
        except FileNotFoundError:
            return None

    def specs(self) -> dict[Name, Path]:
        """The files of all specs."""
        return {
            Name(path.parent.name, path.name.removesuffix(_SPEC)): path
            for path in sorted(self._snapshots.glob(f"*/*{_SPEC}"))
        }

    def amend(self, name: Name, change: Callable[[Spec], Spec]) -> Spec:
        path = self._path(name, _SPEC)
        _make(path.parent)
        with _locked(path.parent / _LOCK):
            spec = self.spec(name)
            if spec is None:
                status = self.status(name)
                spec = Spec() if status is None else recorded(status)
            spec = change(spec)
            _replace(path, spec.to_wire())
        return spec

    def controlled(self) -> bool:
        try:
            with (self.root / _CONTROLLER_LOCK).open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except FileNotFoundError:
            return False
        except BlockingIOError:
            return True
        return False

    def cluster(self) -> str:
        """The UID of this store, made with it: snapshots of another one are a restored backup."""
        return (self.root / _CLUSTER).read_text(encoding="utf-8")

    @contextmanager
    def control(self, sleep: Callable[[float], None]) -> Iterator[None]:
        """Holds the store for the one controller. StoreRefusedError: another one has kept it for a
        second.
        """
        with (self.root / _CONTROLLER_LOCK).open("ab") as file:
            for _ in range(20):
                with suppress(
                    BlockingIOError
                ):  # a command that looks whether we run holds it for a moment
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                sleep(0.05)
            else:
                message = f"another controller is at work on {self.root}; end it first"
                raise StoreRefusedError(message)
            yield

    def _path(self, name: Name, suffix: str) -> Path:
        return self._snapshots / name.namespace / (name.snapshot + suffix)


def create_store(root: Path) -> Store:
    """The store at `root`, with its folders made. StoreRefusedError when it would put secrets on a
    disk.
    """
    with _refusing(root):
        _make(root)
    _check_memory(root)
    store = Store(root)
    if not (root / _CLUSTER).exists():
        _replace(root / _CLUSTER, str(uuid4()))
    for folder in (store.config, store.pods, store.volumes, root / "snapshots"):
        _make(folder)
    return store


def open_store(root: Path) -> Store:
    """The store that a controller made at `root`, or StoreRefusedError."""
    if not (root / "snapshots").is_dir():
        raise StoreRefusedError(
            f"{root} is not a store; start `python -m controller --store {root}`, or name another"
            " folder"
        )
    return Store(root)


def _check_memory(root: Path) -> None:
    found = filesystem_of(root, MOUNTINFO.read_text(encoding="utf-8", errors="surrogateescape"))
    if found not in MEMORY:
        allowed = " or ".join(MEMORY)
        raise StoreRefusedError(
            f"{root} is on {found}, and secrets are kept in memory only: name a folder on"
            f" {allowed}, for example /dev/shm/lastgood"
        )


def _make(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with suppress(PermissionError):  # another user's, who answers for its mode
        folder.chmod(0o700)


@contextmanager
def _refusing(root: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        message = f"{root} can't be made: {error.strerror}"
        raise StoreRefusedError(message) from error


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _replace(path: Path, text: str) -> bool:
    """Puts a file in place by rename, 0600; False when it has that text already."""
    content = text.encode()
    try:
        if path.read_bytes() == content:
            return False
    except FileNotFoundError:
        _make(path.parent)
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
    temporary.rename(path)
    return True
