"""The annotations of one pod, read and checked by themselves: what the team asks for, before policy
is asked. Pure.
"""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from contract import annotations as keys
from contract import layout
from contract.bundle import faults
from contract.plan import BUNDLES, MODES, Reload
from contract.quoted import ending, shown
from contract.reference import ReferenceRejected, SourceRequest
from contract.snapshot_format import property_key
from contract.spelling import quick_suggestion
from providers.references import parse_source
from webhook.podspec import is_mine
from webhook.verdict import ENOUGH, MOST_HINTS, Denial, Mistake

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

Parsed = TypeVar("Parsed")

SIGNALS = ("HUP", "USR1", "USR2")
MOST_CONTAINERS = 64
"""That an annotation may name."""
KEY_LENGTH = 253
"""The longest key of a Secret's data (corev1, validated as a file name)."""

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,48}[a-z0-9])?")
_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,199}")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_URL = re.compile(r"http://(?:127\.0\.0\.1|\[::1\]):([1-9][0-9]{0,4})(/[A-Za-z0-9/_.~?=&%+-]*)")
_PATH = re.compile(r"(/[A-Za-z0-9_.@-]+)+")
_UNUSABLE = ("/proc", "/sys", "/dev", layout.TOKEN_PATH)

KINDS = {
    keys.SECRET: "<name>",
    keys.FILE: "<name>",
    keys.ENV: "<VAR>",
    keys.ENV_VALUE: "<VAR>",
}
AVAILABLE = tuple(prefix + name for prefix, name in KINDS.items()) + keys.PLAIN


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRequest:
    """One `secret.<name>`."""

    name: str
    source: SourceRequest
    file: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PodAnnotations:
    """A pod's annotations. What was mistaken is left out here and is in the mistakes. Compared by
    identity, which is quick to hash.
    """

    secrets: tuple[SecretRequest, ...]
    variables: tuple[tuple[str, str], ...]
    """VAR and file."""
    values: tuple[tuple[str, str], ...]
    """VAR and the name of the secret whose value it gets."""
    containers: tuple[str, ...] | None
    """None: all."""
    mount_path: str
    mode: str | None
    """None: the policy's."""
    reload: Reload | None
    bundle: str | None
    """The form of the one file with all secrets; None: none."""


def ours(found: dict[str, str]) -> tuple[tuple[str, str], ...]:
    """Of a pod's annotations those that ask for something, in order of their keys."""
    return tuple(
        (key, found[key]) for key in sorted(found) if is_mine(key) and key not in keys.MARKS
    )


def read(pairs: tuple[tuple[str, str], ...]) -> tuple[PodAnnotations, list[Mistake]]:
    """What the annotations of `ours` ask for, and every mistake in them."""
    reader = _Reader(dict(pairs))
    asked = reader.read()
    return asked, reader.mistakes


class _Reader:
    def __init__(self, found: dict[str, str]) -> None:
        self._found = found
        self._hints = 0
        self.mistakes: list[Mistake] = []

    def read(self) -> PodAnnotations:
        self._unknown()
        names = self._names()
        bundle = self._plain(keys.BUNDLE, _bundle)
        files = self._files(names, bundle)
        secrets = [self._secret(name, files[name]) for name in names]
        if not names:
            self._mistake(
                keys.SECRET + "<name>", "no secret is requested, so there is nothing to inject"
            )
        return PodAnnotations(
            secrets=tuple(secret for secret in secrets if secret is not None),
            variables=tuple(
                (variable, files[name]) for variable, name in self._variables(keys.ENV, files)
            ),
            values=self._values(files),
            containers=self._plain(keys.CONTAINERS, _containers),
            mount_path=self._plain(keys.MOUNT_PATH, _mount_path) or layout.DEFAULT_MOUNT_PATH,
            mode=self._plain(keys.MODE, _mode),
            reload=self._plain(keys.RELOAD, _reload),
            bundle=bundle,
        )

    def _mistake(self, field: str, message: str, reason: Denial = Denial.BAD_ANNOTATION) -> None:
        if len(self.mistakes) < ENOUGH:
            message += ending(self._found.get(field, ""))
            self.mistakes.append(Mistake(reason=reason, field=shown(field), message=message))

    def _hint(self, find: Callable[[], str]) -> str:
        """The nearest valid spelling, for the first mistakes."""
        self._hints += 1
        return find() if self._hints <= MOST_HINTS else ""

    def _unknown(self) -> None:
        for key in self._found:
            if key not in keys.PLAIN and not key.startswith(tuple(KINDS)):
                allowed = ", ".join(AVAILABLE)
                hint = self._hint(partial(_nearest_key, key))
                message = f"unknown annotation{hint or '.'} Allowed: {allowed}"
                self._mistake(key, message, Denial.UNKNOWN_ANNOTATION)

    def _of(self, prefix: str) -> Iterable[tuple[str, str, str]]:
        """(key, what stands behind the prefix, value)."""
        length = len(prefix)
        return [
            (key, key[length:], text) for key, text in self._found.items() if key.startswith(prefix)
        ]

    def _names(self) -> list[str]:
        names = []
        for key, name, _ in self._of(keys.SECRET):
            if _NAME.fullmatch(name):
                names.append(name)
            else:
                self._mistake(
                    key,
                    f'"{shown(name)}" is not a valid name. Allowed: 1 to 50 characters of a-z, 0-9,'
                    " -"
                    " and ., with a letter or digit at both ends",
                )
        return names

    def _files(self, names: list[str], bundle: str | None) -> dict[str, str]:
        files = {name: name for name in names}
        for key, name, file in self._of(keys.FILE):
            if name not in files:
                hint = self._hint(partial(quick_suggestion, name, names))
                missing = f"there is no annotation {keys.SECRET}{shown(name)}{hint}"
                self._mistake(key, missing)
            elif not _FILE.fullmatch(file):
                self._mistake(
                    key,
                    f'"{shown(file)}" is not a valid file name. Allowed: 1 to 200 characters of'
                    " A-Z a-z 0-9 . _ -, not starting with .",
                )
            else:
                files[name] = file
        owners: dict[str, str] = {}
        for name, file in files.items():
            if file in layout.RESERVED_FILES:
                self._mistake(keys.FILE + name, f'"{file}" is reserved. Choose another file name')
            elif file in owners:
                self._mistake(
                    keys.FILE + name,
                    f'"{file}" is already the file of {keys.SECRET}{owners[file]}.'
                    " Choose another file name",
                )
            elif bundle is not None and file == BUNDLES[bundle]:
                self._mistake(
                    keys.FILE + name,
                    f'"{file}" is the file of the bundle. Choose another file name',
                )
            owners.setdefault(file, name)
        for name, why in faults(bundle, names).items() if bundle is not None else ():
            self._mistake(
                keys.SECRET + name, f"{why}. Choose another name, or set {keys.BUNDLE}: json"
            )
        return files

    def _secret(self, name: str, file: str) -> SecretRequest | None:
        key = keys.SECRET + name
        try:
            source = parse_source(self._found[key])
        except ReferenceRejected as rejected:
            self._mistake(key, str(rejected))
            return None
        if source.property is not None and len(property_key(source.property)) > KEY_LENGTH:
            self._mistake(key, f"the property is longer than {KEY_LENGTH - 2} characters")
            return None
        return SecretRequest(name=name, source=source, file=file)

    def _values(self, files: dict[str, str]) -> tuple[tuple[str, str], ...]:
        values = self._variables(keys.ENV_VALUE, files)
        for variable, _ in values:
            if keys.ENV + variable in self._found:
                key = keys.ENV_VALUE + variable
                self._mistake(
                    key, f"{keys.ENV}{variable} sets the same variable. Remove one of the two"
                )
        return values

    def _variables(self, prefix: str, files: dict[str, str]) -> tuple[tuple[str, str], ...]:
        """VAR and the secret's name."""
        variables = []
        for key, variable, name in self._of(prefix):
            if not _VARIABLE.fullmatch(variable):
                self._mistake(
                    key,
                    f'"{shown(variable)}" is not a valid variable name. Allowed: A-Z a-z 0-9 _, not'
                    " starting with a digit",
                )
            elif name not in files:
                hint = self._hint(partial(quick_suggestion, name, files))
                self._mistake(
                    key,
                    f"there is no annotation {keys.SECRET}<name> with the name"
                    f' "{shown(name)}"{hint}',
                )
            else:
                variables.append((variable, name))
        return tuple(variables)

    def _plain(self, key: str, parse: Callable[[str], Parsed]) -> Parsed | None:
        text = self._found.get(key)
        if text is None:
            return None
        try:
            return parse(text)
        except ValueError as error:
            self._mistake(key, str(error))
            return None


def _containers(text: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in text.split(",", MOST_CONTAINERS))
    if len(names) > MOST_CONTAINERS:
        raise ValueError(
            f"at most {MOST_CONTAINERS} containers can be named. Remove the annotation to select"
            " all containers"
        )
    if not all(names):
        raise ValueError(
            'must be names of containers, separated by commas, for example "app,worker"'
        )
    if len(set(names)) != len(names):
        raise ValueError("a container is named twice")
    return names


def _mount_path(text: str) -> str:
    if len(text) > 1024 or not _PATH.fullmatch(text) or posixpath.normpath(text) != text:  # noqa: PLR2004 - see below
        raise ValueError(
            f'"{shown(text)}" is not a valid path. Allowed: an absolute path of A-Z a-z 0-9 / _ . @'
            ' -, without "." or ".." segments or a trailing /, at most 1024 characters'
        )
    for taken in _UNUSABLE:
        if overlaps(spellings(text), spellings(taken)):
            raise ValueError(
                f'"{shown(text)}" overlaps with {taken}, which is a system path. Choose another'
                " path"
            )
    return text


def spellings(path: str) -> tuple[str, str]:
    """A place in a container, each with a `/` at its end: absolute, without `//`, `.` and `..`; and
    as it is where `/var/run` is a link to `/run`, as in most images.
    """
    plain = posixpath.normpath("/" + path.lstrip("/")).rstrip("/") + "/"
    return plain, plain.removeprefix("/var") if plain.startswith("/var/run/") else plain


def overlaps(place: tuple[str, str], other: tuple[str, str]) -> bool:
    """Whether two places are one or one lies in the other, in either spelling."""
    return any(
        one.startswith(two) or two.startswith(one) for one, two in zip(place, other, strict=True)
    )


def _mode(text: str) -> str:
    if text not in MODES:
        hint = quick_suggestion(text, MODES)
        raise ValueError(f'"{shown(text)}" is not a valid mode. Allowed: {", ".join(MODES)}{hint}')
    return text


def _bundle(text: str) -> str:
    if text not in BUNDLES:
        hint = quick_suggestion(text, BUNDLES)
        raise ValueError(
            f'"{shown(text)}" is not a valid bundle format. Allowed: {", ".join(BUNDLES)}{hint}'
        )
    return text


def _reload(text: str) -> Reload:
    kind, _, signal = text.partition(":")
    if kind == "signal":
        if signal not in SIGNALS:
            allowed = ", ".join(f"signal:{name}" for name in SIGNALS)
            bare = signal.upper().removeprefix("SIG")
            hint = quick_suggestion(bare, SIGNALS)
            raise ValueError(f'"{shown(signal)}" is not a valid signal. Allowed: {allowed}{hint}')
        return Reload(signal=signal)
    match = _URL.fullmatch(text) if len(text) <= 256 else None  # noqa: PLR2004 - a URL needs no more
    if match is None or int(match[1]) > 65535:  # noqa: PLR2004 - ports end there
        raise ValueError(
            f'"{shown(text)}" is not a valid reload. Allowed: http://127.0.0.1:PORT/PATH,'
            " http://[::1]:PORT/PATH or signal:HUP"
        )
    if int(match[1]) == layout.AGENT_PORT:
        raise ValueError(
            f"port {layout.AGENT_PORT} is used by lastgood's agent. Use the port of the app"
        )
    return Reload(http=text)


def _nearest_key(key: str) -> str:
    word = key[len(keys.PREFIX) :]  # which may be in other letters
    plain = [item.removeprefix(keys.PREFIX) for item in keys.PLAIN]
    head, dot, rest = word.partition(".")
    if dot:
        kinds = [prefix.removeprefix(keys.PREFIX).removesuffix(".") for prefix in KINDS]
        hint = quick_suggestion(head, kinds)
        return (
            hint.replace('"?', f'.{shown(rest)}"?').replace('mean "', f'mean "{keys.PREFIX}')
            if hint
            else ""
        )
    return quick_suggestion(word, plain).replace('mean "', f'mean "{keys.PREFIX}')
