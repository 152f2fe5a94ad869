"""Folders that are looked at every moment, where a watch comes later: pods and specs. Unchanged
files are not read again.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from contract.wire import WireError
from controller.demand import Demand, NotADemandError, from_pod

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from controller.objects import Name, Spec
    from controller.store import Store

Fingerprint = tuple[int, int, int]
"""Inode, size and time of change in nanoseconds."""


class Pods:
    """The demand of the manifests in a folder. A file that turns unreadable keeps the demand that
    it had.
    """

    def __init__(self, folder: Path, on_problem: Callable[[str, str], None]) -> None:
        self._folder = folder
        self._on_problem = on_problem
        self._seen: dict[Path, Fingerprint] = {}
        self._demands: dict[Path, tuple[Demand, ...]] = {}

    def current(self) -> tuple[Demand, ...]:
        return tuple(demand for demands in self._demands.values() for demand in demands)

    def refresh(self) -> bool:
        """Reads what has changed. True: the demand may be another."""
        paths = [
            path for suffix in ("json", "yaml", "yml") for path in self._folder.glob(f"*.{suffix}")
        ]
        found = {path: print_ for path in paths if (print_ := fingerprint(path)) is not None}
        if found == self._seen:
            return False
        for path, print_ in found.items():
            if self._seen.get(path) != print_:
                self._read(path)
        for path in self._seen.keys() - found.keys():
            self._demands.pop(path, None)
        self._seen = found
        return True

    def _read(self, path: Path) -> None:
        try:
            documents = list(yaml.load_all(path.read_bytes(), Loader=_LOADER))
            demands = [from_pod(document) for document in documents if document is not None]
        except (OSError, yaml.YAMLError, ValueError, RecursionError) as error:
            reason = str(error) if isinstance(error, NotADemandError) else "it can't be read"
            self._on_problem(path.name, reason)
            return
        self._demands[path] = tuple(demand for demand in demands if demand is not None)


class Specs:
    """What operators ask for. A file that is no spec, or gone, keeps the wishes that it had."""

    def __init__(self, store: Store, on_problem: Callable[[str, str], None]) -> None:
        self._store = store
        self._on_problem = on_problem
        self._seen: dict[Name, Fingerprint] = {}
        self._specs: dict[Name, Spec] = {}

    def current(self) -> Mapping[Name, Spec]:
        return self._specs

    def refresh(self) -> bool:
        """Reads what has changed. True: a wish may be another."""
        files = self._store.specs()
        found = {name: print_ for name, path in files.items() if (print_ := fingerprint(path))}
        if found == self._seen:
            return False
        for name, print_ in found.items():
            if self._seen.get(name) != print_:
                try:
                    spec = self._store.spec(name)
                    if spec is not None:
                        self._specs[name] = spec
                except (OSError, WireError) as error:
                    self._on_problem(files[name].name, f"it is no spec ({type(error).__name__})")
        self._seen = found
        return True


def fingerprint(path: Path) -> Fingerprint | None:
    """What tells that a file changed; None: it is gone, or a link that leads nowhere."""
    try:
        stat = path.stat()
    except OSError:
        return None
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
