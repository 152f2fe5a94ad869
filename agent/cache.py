"""The pod's cache: `name -> ..data/name`, `..data -> ..r<N>`, and `status.json`, in
`<volume>/files`.

One writer at a time. What it does, in this order; killed after any step, readers have the old set
of files or the new one, whole, and the next writer heals the rest:

 1. Lock `<volume>/lock`, and make `files/`.
 2. Sweep what a killed writer left: unfinished and superseded revisions, temporary links and files.
 3. Make `..r<N>.tmp`, N being higher than every other.
 4. Write its files, and `.lastgood.json`, which says what version of which snapshot they are.
 5. Rename it to `..r<N>`: a revision without `.tmp` is complete.
 6. Make the symlink `..data_tmp -> ..r<N>`.
 7. Rename it over `..data`: from here on readers see the new revision.
 8. Make the visible links that are new.
 9. Remove the visible links for which the new revision has no file.
10. Write `..status_tmp`.
11. Rename it over `status.json`.
12. Prune: the newest two revisions stay, the older of them only if it is known to hold nothing
    revoked. A revision is renamed to `.tmp` before it is removed, so that half of one is never
    taken for a whole one.
13. Unlock.

Steps 3 to 7 only when files change, 8 to 11 only when links or the status must. Nothing but names
of these patterns is touched, and no link is followed. There is no fsync: memory volumes don't
outlive their node's kernel.
"""

from __future__ import annotations

import os
from fcntl import LOCK_EX, LOCK_NB, flock

from agent import files
from agent.decide import CachedSnapshot
from contract import plan as plans
from contract import snapshot_format, status_file, wire
from contract.layout import DATA, FILES, LOCK, STATUS
from contract.secret_bytes import SecretBytes

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Self

    from contract.plan import Plan
    from contract.status_file import CacheStatus

MANIFEST = ".lastgood.json"
DATA_TMP = DATA + "_tmp"
STATUS_TMP = "..status_tmp"
UNFINISHED = ".tmp"


class Cache:
    """The cache while its lock is held. BlockingIOError on entering when another holds it."""

    def __init__(self, path: str, plan: Plan) -> None:
        self._path = path
        self._plan = plan
        self._file_mode = plans.FILE_MODES[plan.access]
        self._directory_mode = plans.DIRECTORY_MODES[plan.access]
        self._open: list[int] = []

    def __enter__(self) -> Self:
        # 1. Lock.
        try:
            volume = self._keep(os.open(self._path, files.DIRECTORY))
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            flock(self._keep(os.open(LOCK, flags, 0o600, dir_fd=volume)), LOCK_EX | LOCK_NB)
            self._files = self._keep(files.make_directory(FILES, self._directory_mode, volume))
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        # 13. Unlock.
        while self._open:
            os.close(self._open.pop())

    @property
    def revision(self) -> str | None:
        """The revision that readers see; None: there is none yet."""
        name = files.link(DATA, self._files)
        return name if name is not None and _number(name) else None

    def copies(self) -> dict[str, CachedSnapshot]:
        """What the current revision holds, by snapshot. WireError: its manifest can't be read."""
        revision = self.revision
        return {} if revision is None else self._copies(revision)

    def status(self) -> CacheStatus | None:
        """What status.json says; None: nothing that can be used."""
        try:
            raw = files.read(STATUS, self._files)
            return None if raw is None else status_file.from_wire(raw)
        except wire.WireError:
            return None

    def holds(self, files_: Mapping[str, SecretBytes]) -> bool:
        """Whether the current revision has these files with these bytes."""
        revision = self.revision
        return revision is not None and all(
            files.read(f"{revision}/{name}", self._files, len(value) + 1) == value.reveal()
            for name, value in files_.items()
        )

    def apply(
        self,
        copies: Mapping[str, CachedSnapshot],
        bundle: Mapping[str, SecretBytes],
        new_status: Callable[[str | None], CacheStatus],
        allows: Callable[[str, str | None], bool],
        *,
        publish: bool,
    ) -> Iterator[int]:
        """Makes the cache hold `copies` and `bundle` (unless `publish`, it does), its status
        `new_status(revision)`, and nothing that `allows` denies. A bundle is of `copies` alone.

        Yields the number of each step once it is done, so that a test can kill the process there.
        """
        # 2. Sweep.
        self._sweep(allows)
        yield 2
        if publish:
            yield from self._publish(copies, bundle)
        # 8 and 9 also heal: a writer may have been killed after the swap.
        made = {file for copy in copies.values() for file in copy.values}
        yield from self._link(made.union(bundle))
        yield from self._report(new_status(self.revision))
        # 12. Prune.
        self._sweep(allows)
        yield 12

    def _publish(
        self, copies: Mapping[str, CachedSnapshot], bundle: Mapping[str, SecretBytes]
    ) -> Iterator[int]:
        name = f"..r{1 + max(map(_number, os.listdir(self._files)), default=0)}"
        try:
            yield from self._write(name, copies, bundle)
        except OSError:
            files.remove(name + UNFINISHED, self._files)
            raise
        # 6. Name it.
        os.symlink(name, DATA_TMP, dir_fd=self._files)
        yield 6
        # 7. Swap.
        self._rename(DATA_TMP, DATA)
        yield 7

    def _write(
        self, name: str, copies: Mapping[str, CachedSnapshot], bundle: Mapping[str, SecretBytes]
    ) -> Iterator[int]:
        # 3. Make the directory.
        folder = files.make_directory(name + UNFINISHED, self._directory_mode, self._files)
        try:
            yield 3
            # 4. Write the files.
            for made in (*(copy.values for copy in copies.values()), bundle):
                for file, value in made.items():
                    files.write(file, value.reveal(), self._file_mode, folder)
                    yield 4
            metas = {name: snapshot_format.to_wire(copy.meta) for name, copy in copies.items()}
            manifest = wire.encode({"snapshots": metas}).encode()
            files.write(MANIFEST, manifest, self._file_mode, folder)
            yield 4
        finally:
            os.close(folder)
        # 5. It is complete.
        self._rename(name + UNFINISHED, name)
        yield 5

    def _link(self, wanted: set[str]) -> Iterator[int]:
        # 8. Make visible links.
        for name in sorted(wanted):
            if files.link(name, self._files) != f"{DATA}/{name}":
                os.symlink(f"{DATA}/{name}", name, dir_fd=self._files)
                yield 8
        # 9. Remove visible links.
        for name in os.listdir(self._files):
            if name not in wanted and files.link(name, self._files) == f"{DATA}/{name}":
                os.unlink(name, dir_fd=self._files)
                yield 9

    def _report(self, wanted: CacheStatus) -> Iterator[int]:
        found = self.status()
        if found is not None and found.replace(written_at=wanted.written_at) == wanted:
            return
        # 10. Write the status.
        try:
            content = status_file.to_wire(wanted).encode()
            files.write(STATUS_TMP, content, self._file_mode, self._files)
        except OSError:
            files.remove(STATUS_TMP, self._files)
            raise
        yield 10
        # 11. Swap it.
        self._rename(STATUS_TMP, STATUS)
        yield 11

    def _sweep(self, allows: Callable[[str, str | None], bool]) -> None:
        current = self.revision
        kept = {current, self._older(current, allows)}
        for name in os.listdir(self._files):
            if name in (DATA_TMP, STATUS_TMP):
                files.remove(name, self._files)
            elif _number(name) and name not in kept:
                unfinished = name.removesuffix(UNFINISHED) + UNFINISHED
                if name != unfinished:
                    self._rename(name, unfinished)
                files.remove(unfinished, self._files)

    def _older(self, current: str | None, allows: Callable[[str, str | None], bool]) -> str | None:
        """The revision before the current one, if it is known to hold nothing that may not stay."""
        newest = 0 if current is None else _number(current)
        complete = (name for name in os.listdir(self._files) if not name.endswith(UNFINISHED))
        older = max((number for name in complete if (number := _number(name)) < newest), default=0)
        if not older:
            return None
        try:
            metas = self._metas(f"..r{older}")
        except wire.WireError:
            return None
        stays = all(allows(snapshot, meta.version) for snapshot, meta in metas.items())
        return f"..r{older}" if stays else None

    def _metas(self, revision: str) -> dict[str, snapshot_format.Meta]:
        raw = files.read(f"{revision}/{MANIFEST}", self._files)
        if raw is None:
            raise wire.WireError(f"{MANIFEST} is missing")
        metas = wire.mapping(wire.decode(raw, MANIFEST), "snapshots")
        return {name: snapshot_format.from_wire(wire.text(metas, name)) for name in metas}

    def _copies(self, revision: str) -> dict[str, CachedSnapshot]:
        metas = self._metas(revision)
        copies = {}
        for planned in self._plan.snapshots:
            names = [file.file for file in planned.files]
            found = {name: files.read(f"{revision}/{name}", self._files) for name in names}
            values = {name: SecretBytes(raw) for name, raw in found.items() if raw is not None}
            meta = metas.get(planned.snapshot)
            if meta is not None and len(values) == len(names):
                copies[planned.snapshot] = CachedSnapshot(meta=meta, values=values)
        return copies

    def _rename(self, old: str, new: str) -> None:
        os.rename(old, new, src_dir_fd=self._files, dst_dir_fd=self._files)

    def _keep(self, fd: int) -> int:
        self._open.append(fd)
        return fd


def _number(name: str) -> int:
    """N of `..r<N>` and `..r<N>.tmp`; 0: it is neither."""
    digits = name.removesuffix(UNFINISHED).removeprefix("..r")
    ours = name.startswith("..r") and digits.isascii() and digits.isdigit()
    return int(digits) if ours else 0
