"""Policies, accounts and namespaces from a folder of YAML. On a cluster `policy.watched` gives
them.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any, Protocol

import yaml
from pydantic import BaseModel, ValidationError

from api.account import SecretAccount
from api.policy import SecretPolicy
from contract.annotations import POLICY_LABEL
from contract.quoted import shown
from contract.spelling import nearest, suggestion
from policy.match import PolicySet
from policy.scalars import ManifestLoader
from schema.error_messages import explain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

KINDS = ("SecretAccount", "SecretPolicy", "Namespace")
MOST_PROBLEM = 200
"""Characters of what the reader of YAML says, which quotes the text."""
MOST_PATH = 200
"""Characters of a path."""
_LOG = logging.getLogger("lastgood.policy")


class PolicyError(ValueError):
    """A folder that can't be used; each line names a file, a document (from 1) and a field.
    Caught by main functions.
    """


class Policies(Protocol):
    """Where the current policies come from. Never blocks: nothing is fetched while admitting."""

    def current(self) -> PolicySet:
        """What is known now. NotYetError: what is watched was not listed yet."""
        ...


class FolderPolicies:
    """The policies of a folder: read at once, and again on `refresh`. A broken file leaves the
    last good set in force.
    """

    def __init__(self, folder: Path) -> None:
        """Raises PolicyError when the folder can't be used at the start."""
        self._folder = folder
        self._seen = _fingerprint(folder)
        self._current = load_folder(folder)
        self.problem: str | None = None
        """Why the files are not what is in force; None: they are."""

    def current(self) -> PolicySet:
        return self._current

    def refresh(self) -> bool:
        """Read again what has changed. True when other policies are in force now."""
        seen = _fingerprint(self._folder)
        if seen == self._seen:
            return False
        try:
            found = load_folder(self._folder)
        except PolicyError as error:
            if self.problem != str(error):
                self.problem = str(error)
                _LOG.error("policies.kept_last_good", extra={"fields": {"problem": self.problem}})
            self._seen = seen
            return False
        self._seen, self._current, self.problem = seen, found, None
        _LOG.info("policies.loaded", extra={"fields": {"policies": len(found.policies)}})
        return True


def load_folder(folder: Path) -> PolicySet:
    """The objects of every `*.yaml` and `*.yml` in `folder`, or of a file. PolicyError names every
    mistake at once.
    """
    try:
        files = [folder] if folder.is_file() else yaml_files(folder)
        texts = {path.name: path.read_text(encoding="utf-8") for path in files}
    except (OSError, UnicodeDecodeError) as error:
        raise PolicyError(f"{shown(str(folder), MOST_PATH)} {not_read(error)}") from error
    return load_texts(texts)


def not_read(error: OSError | UnicodeDecodeError) -> str:
    """Why a file is not read, without the numbers of an operating system."""
    why = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return f"cannot be read: {why}"


def load_texts(texts: Mapping[str, str]) -> PolicySet:
    """The objects of YAML texts, by the name that errors give them. PolicyError."""
    loader = _read(texts)
    loader.check_accounts()
    if loader.problems:
        raise PolicyError("\n".join(loader.problems))
    return loader.found()


def read_texts(texts: Mapping[str, str]) -> tuple[PolicySet, list[str]]:
    """What can be read of YAML texts, and a sentence for each object that cannot. Whether accounts
    exist is not looked at.
    """
    loader = _read(texts)
    return loader.found(), loader.problems


def _read(texts: Mapping[str, str]) -> _FolderLoader:
    loader = _FolderLoader()
    for name, text in texts.items():
        loader.read(name, text)
    return loader


class _FolderLoader:
    def __init__(self) -> None:
        self.accounts: dict[str, SecretAccount] = {}
        self.policies: dict[str, SecretPolicy] = {}
        self.namespaces: dict[str, str | None] = {}
        self.problems: list[str] = []
        self._unreadable: dict[str, set[str]] = {kind: set() for kind in KINDS}
        self._where: dict[tuple[str, str], str] = {}

    def found(self) -> PolicySet:
        """What was read so far."""
        return PolicySet(
            accounts=self.accounts,
            policies=self.policies,
            namespaces=self.namespaces,
            unreadable_accounts=frozenset(self._unreadable["SecretAccount"] - self.accounts.keys()),
            unreadable_policies=frozenset(self._unreadable["SecretPolicy"] - self.policies.keys()),
        )

    def read(self, name: str, text: str) -> None:
        """Take the objects of one file, or note what is wrong with it."""
        try:
            documents = list(yaml.load_all(text, Loader=ManifestLoader))
        except (yaml.YAMLError, ValueError, RecursionError) as error:
            mark = getattr(error, "problem_mark", None)
            line = f", line {mark.line + 1}" if mark is not None else ""
            problem = str(getattr(error, "problem", None) or "it cannot be read")
            self.problems.append(f"{name}{line}: not YAML: {shown(problem, MOST_PROBLEM)}")
            return
        for number, document in enumerate(documents, start=1):
            if document is not None:
                self._take(f"{name}, document {number}", document)

    def _take(self, where: str, document: object) -> None:
        kind = document.get("kind") if isinstance(document, dict) else None
        if not isinstance(document, dict) or kind not in KINDS:
            meant = nearest(kind, KINDS) if isinstance(kind, str) else None
            hint = "" if meant is None else f'. Did you mean "{meant}"?'
            self.problems.append(f"{where}: kind must be one of {', '.join(KINDS)}{hint}")
            if isinstance(document, dict) and meant is not None:
                self._cannot_read(meant, document)
            return
        if kind == "Namespace":
            self._take_namespace(where, document)
            return
        try:
            if kind == "SecretAccount":
                account = SecretAccount.model_validate(document)
                self.accounts[self._unique(where, kind, account.name)] = account
            else:
                policy = SecretPolicy.model_validate(document)
                self.policies[self._unique(where, kind, policy.name)] = policy
        except ValidationError as error:
            model: type[BaseModel] = SecretAccount if kind == "SecretAccount" else SecretPolicy
            self.problems.extend(f"{where}: {problem}" for problem in explain(model, error))
            self._cannot_read(kind, document)

    def _cannot_read(self, kind: str, document: dict[str, Any]) -> None:
        """So that an unreadable object is not reported as missing."""
        name = _name_of(document)
        self._unreadable[kind].add(name if isinstance(name, str) else "")

    def _take_namespace(self, where: str, document: dict[str, Any]) -> None:
        metadata, name = document.get("metadata"), _name_of(document)
        labels = (metadata.get("labels") or {}) if isinstance(metadata, dict) else {}
        label = labels.get(POLICY_LABEL) if isinstance(labels, dict) else None
        if not isinstance(name, str) or not (label is None or isinstance(label, str)):
            self.problems.append(
                f"{where}: metadata.name and the label {POLICY_LABEL} must be strings"
            )
            return
        self.namespaces[self._unique(where, "Namespace", name)] = label

    def _unique(self, where: str, kind: str, name: str) -> str:
        first = self._where.setdefault((kind, name), where)
        if first != where:
            self.problems.append(f"{where}: {kind} {shown(name)} is already in {first}")
        return name

    def check_accounts(self) -> None:
        """Every source names an account that is here and serves its providers."""
        for policy in self.policies.values():
            for index, source in enumerate(policy.spec.sources):
                where = f"{self._where['SecretPolicy', policy.name]}: spec.sources[{index}]"
                account = self.accounts.get(source.account)
                if account is None and source.account in self._unreadable["SecretAccount"]:
                    continue
                if account is None:
                    hint = suggestion(source.account, self.accounts)
                    self.problems.append(
                        f"{where}.account: there is no SecretAccount {source.account}{hint}"
                    )
                    continue
                for allow in source.allow:
                    if not account.serves(allow.partition(":")[0]):
                        kind = account.spec.provider
                        self.problems.append(
                            f"{where}.allow: account {account.name} has provider {kind}, which"
                            f" cannot serve {allow}"
                        )


def _name_of(document: dict[str, Any]) -> object:
    metadata = document.get("metadata")
    return metadata.get("name") if isinstance(metadata, dict) else None


def yaml_files(folder: Path) -> list[Path]:
    """Its `*.yaml` and `*.yml`. OSError."""
    return sorted(
        path for path in folder.iterdir() if path.suffix in {".yaml", ".yml"} and path.is_file()
    )


def _fingerprint(folder: Path) -> tuple[tuple[str, int, int, int], ...]:
    """What tells that a file changed: name, inode, size and time of change."""
    try:
        found = [(path.name, path.stat()) for path in yaml_files(folder)]
    except OSError:
        return ()
    return tuple((name, stat.st_ino, stat.st_size, stat.st_mtime_ns) for name, stat in found)
