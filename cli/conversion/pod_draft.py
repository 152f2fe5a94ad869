"""The annotations of one pod to be, as they are gathered."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract import annotations as keys
from contract.layout import DEFAULT_MOUNT_PATH

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cli.conversion.wanted import Wanted

_MOST_NAME = 50


@dataclass(slots=True, kw_only=True)
class PodDraft:
    """What one pod will ask for."""

    secrets: dict[str, tuple[Wanted, str | None]] = field(default_factory=dict)
    """By the name of the annotation: the value, and its file; None: none is read."""
    values: dict[str, str] = field(default_factory=dict)
    """The name of a secret by variable."""
    containers: dict[str, None] = field(default_factory=dict)
    mount_path: str | None = None
    """None: no file is read."""
    mode: str = "mount"
    reload: str | None = None

    def clashes(self, files: Mapping[str, Wanted], mount_path: str) -> str | None:
        """Why these files cannot be added; None: they can."""
        if self.mount_path not in {None, mount_path}:
            return (
                f"the pod has files at {self.mount_path} already, and lastgood has one mount path"
                " per pod. Let the app read all files from one path"
            )
        mine = {file: value for value, file in self.secrets.values() if file is not None}
        twice = [file for file, value in files.items() if mine.get(file, value) != value]
        if twice:
            return f"the pod has another file {twice[0]} already. Choose another name"
        return None

    def add_files(self, files: Mapping[str, Wanted], mount_path: str) -> None:
        """After `clashes`."""
        self.mount_path = mount_path
        for file, value in files.items():
            if (value, file) not in self.secrets.values():
                self.secrets[self._name(file)] = (value, file)

    def may_have(self, variable: str, value: Wanted) -> bool:
        """Whether the variable has no other value in another container."""
        known = self.values.get(variable)
        return known is None or self.secrets[known][0] == value

    def add_value(self, variable: str, value: Wanted) -> None:
        """After `may_have`."""
        if variable in self.values:
            return
        same = [name for name, (found, _) in self.secrets.items() if found == value]
        name = same[0] if same else self._name(variable.lower())
        self.secrets.setdefault(name, (value, None))
        self.values[variable] = name

    def annotations(self, main: list[str], qualified: set[str]) -> dict[str, str]:
        """As teams write them. `main`: the pod's containers; `qualified`: the schemes of several
        accounts.
        """
        found: dict[str, str] = {}
        for name, (value, file) in self.secrets.items():
            found[keys.SECRET + name] = value.text(qualified=value.scheme in qualified)
            if file is not None and file != name:
                found[keys.FILE + name] = file
        for variable, name in self.values.items():
            found[keys.ENV_VALUE + variable] = name
        if list(self.containers) and set(self.containers) != set(main):
            found[keys.CONTAINERS] = ",".join(self.containers)
        if self.mount_path not in {None, DEFAULT_MOUNT_PATH}:
            found[keys.MOUNT_PATH] = str(self.mount_path)
        found[keys.MODE] = self.mode
        if self.reload is not None:
            found[keys.RELOAD] = self.reload
        return found

    def _name(self, text: str) -> str:
        base = re.sub("[^a-z0-9.]+", "-", text.lower()).strip("-.")[: _MOST_NAME - 4].strip("-.")
        base = base or "secret"
        names = [base, *(f"{base}-{number}" for number in range(2, 999))]
        return next(it for it in names if it not in self.secrets)
