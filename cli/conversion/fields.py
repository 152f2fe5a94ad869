"""The fields of one object, each of which must be accounted for: what no code asked about is
reported, so nothing is lost silently.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import yaml

from cli.conversion.report import FieldOutcome
from policy.scalars import ManifestLoader

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.conversion.report import ImportReport

Path = tuple[str | int, ...]
_UNKNOWN = "lastgood import does not know this field. Check by hand what it does"


@dataclass(slots=True)
class Ledger:
    """What was said about the fields of one object."""

    report: ImportReport
    of: str
    seen: set[Path] = field(default_factory=set)

    def say(self, level: FieldOutcome, path: Path, message: str) -> None:
        """About the field and all below it."""
        self.seen.add(path)
        self.report.add(level, self.of, dotted(path), message)


class Fields:
    """A mapping inside an object. What is no mapping has no fields, and is reported by `finish`."""

    def __init__(self, ledger: Ledger, node: object, path: Path = ()) -> None:
        """`path`: where it stands in the object."""
        self.ledger = ledger
        self.node: object = node
        self.path = path

    def __contains__(self, name: str) -> bool:
        return not _empty(self._get(name))

    def names(self) -> list[str]:
        """Of the fields that are not empty."""
        known = self.node if isinstance(self.node, dict) else {}
        return [str(name) for name, value in known.items() if not _empty(value)]

    def raw(self, name: str) -> object:
        """As it stands; None: it is not there."""
        return self._get(name)

    def text(self, name: str) -> str:
        """A string, number or boolean as text; empty where there is none."""
        value = self._get(name)
        if isinstance(value, bool):
            return "true" if value else "false"
        return str(value) if isinstance(value, str | int | float) else ""

    def child(self, name: str) -> Fields:
        return Fields(self.ledger, self._get(name), (*self.path, name))

    def items(self, name: str) -> list[Fields]:
        """Of a list."""
        found = self._get(name)
        listed = found if isinstance(found, list) else []
        return [Fields(self.ledger, item, (*self.path, name, at)) for at, item in enumerate(listed)]

    def parsed(self, name: str) -> Fields:
        """These fields, with a text that is YAML read in place. Reported where it is none."""
        value = self._get(name)
        if isinstance(value, str):
            value = read_yaml(value)
            if value is None:
                self.lost(name, "this text is not YAML. Correct it, and run the command again")
            if isinstance(self.node, dict):  # a copy of what was read: `finish` looks inside
                self.node[name] = value if value is not None else ""
        return self

    def mapped(self, name: str, message: str) -> None:
        self._say(FieldOutcome.MAPPED, name, message)

    def dropped(self, name: str, message: str) -> None:
        self._say(FieldOutcome.DROPPED, name, message)

    def decide(self, name: str, message: str) -> None:
        self._say(FieldOutcome.DECIDE, name, message)

    def lost(self, name: str, message: str) -> None:
        self._say(FieldOutcome.NOT_MAPPED, name, message)

    def note(self, level: FieldOutcome, message: str) -> None:
        """About the mapping as a whole; its fields are still to be accounted for."""
        self.ledger.report.add(level, self.ledger.of, dotted(self.path), message)

    def close(self) -> None:
        """What was said is of all fields below."""
        self.ledger.seen.add(self.path)

    def drop_all(self, reasons: dict[str, str]) -> None:
        """Those that are there."""
        for name, why in reasons.items():
            self.dropped(name, why)

    def lose_all(self, reasons: dict[str, str]) -> bool:
        """Those that are there; whether there were any."""
        found = [name for name in reasons if name in self]
        for name in found:
            self.lost(name, reasons[name])
        return bool(found)

    def finish(self) -> int:
        """Report what nothing was said about; how much that was."""
        count = 0
        for path in _leaves(self.node, self.path):
            if not any(path[:length] in self.ledger.seen for length in range(len(path) + 1)):
                self.ledger.say(FieldOutcome.NOT_MAPPED, path, _UNKNOWN)
                count += 1
        return count

    def _say(self, level: FieldOutcome, name: str, message: str) -> None:
        """Nothing is said of what is not there, unless it is lost for that or to be decided."""
        if name in self or level not in {FieldOutcome.MAPPED, FieldOutcome.DROPPED}:
            path = (*self.path, name) if name else self.path
            self.ledger.say(level, path, message)

    def _get(self, name: str) -> object:
        return self.node.get(name) if isinstance(self.node, dict) else None


def read_yaml(text: str) -> object:
    """None where it is not YAML."""
    try:
        return yaml.load(text, Loader=ManifestLoader)  # noqa: S506 - a SafeManifestLoader of ours
    except (yaml.YAMLError, ValueError, RecursionError):
        return None


def dotted(path: Path) -> str:
    """As kubectl writes it."""
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return text.removeprefix(".")


def _leaves(node: object, path: Path) -> Iterator[Path]:
    """Where values are; what is empty is none. Not deep: a manifest was read without recursion."""
    waiting: list[tuple[object, Path]] = [(node, path)]
    while waiting:
        value, at = waiting.pop()
        if isinstance(value, dict):
            waiting += reversed([(item, (*at, str(name))) for name, item in value.items()])
        elif isinstance(value, list):
            waiting += reversed([(item, (*at, number)) for number, item in enumerate(value)])
        elif not _empty(value):
            yield at


def _empty(value: object) -> bool:
    return value is None or value in ("", [], {})
