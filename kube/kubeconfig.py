"""Kubeconfigs, as kubectl reads them: of several files the first that says a thing counts, and a
path is relative to the file that it stands in.

Messages name files, contexts, clusters and users, and quote nothing else: there are tokens and keys
beside them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import yaml

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

Json = dict[str, Any]

_LISTS = {"contexts": "context", "clusters": "cluster", "users": "user"}
"""Each list's name, and where an item of it has its content."""
_PATHS = ("certificate-authority", "client-certificate", "client-key", "tokenFile")
_SHOWN = 8


class ConfigError(Exception):
    """There is no way to an API server. Caught by main."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """One context of what was read."""

    context: str
    namespace: str | None
    """None: it names none."""
    cluster: Json
    user: Json
    """Empty: it names none."""


def read(files: Sequence[Path]) -> Json:
    """What the files say together. Those that are not there are passed over, unless all are."""
    there = [file for file in files if file.is_file()]
    if not there:
        names = ", ".join(str(file) for file in files)
        raise ConfigError(f"kubeconfig not found: {names}")
    merged: Json = {name: {} for name in _LISTS}
    for file in there:
        document = _parsed(file)
        for name in _LISTS:
            for item, content in _items(document, name):
                merged[name].setdefault(item, _rooted(content, file))
        if document.get("current-context"):
            merged.setdefault("current-context", document["current-context"])
    return merged


def choose(merged: Json, context: str | None, files: Sequence[Path]) -> Chosen:
    """A context by name; None: the current one."""
    where = ", ".join(str(file) for file in files)
    name = merged.get("current-context") if context is None else context
    known = ", ".join(sorted(merged["contexts"])[:_SHOWN])
    if name is None:
        found = f". Choose one of {known}" if known else ""
        raise ConfigError(f"kubeconfig {where} has no current context{found}")
    if name not in merged["contexts"]:
        kind = "current context" if context is None else "context"
        found = f". Allowed: {known}" if known else ""
        raise ConfigError(f"{kind} {name} not found in kubeconfig {where}{found}")
    chosen = merged["contexts"][name]
    cluster = merged["clusters"].get(chosen.get("cluster"))
    if cluster is None or not isinstance(cluster.get("server"), str):
        raise ConfigError(_unusable(where, name, "it has no cluster with a server"))
    user: Json | None = {}
    if chosen.get("user"):
        user = merged["users"].get(chosen["user"])
    if user is None:
        raise ConfigError(_unusable(where, name, "its user does not exist"))
    namespace = chosen.get("namespace")
    return Chosen(
        context=str(name),
        namespace=str(namespace) if namespace else None,
        cluster=cluster,
        user=user,
    )


def written(chosen: Chosen) -> Json:
    """A kubeconfig of nothing but this context."""
    context = {"cluster": "it", "user": "it"}
    return {
        "current-context": "it",
        "contexts": [{"name": "it", "context": context}],
        "clusters": [{"name": "it", "cluster": chosen.cluster}],
        "users": [{"name": "it", "user": chosen.user}],
    }


def _unusable(where: str, name: str, why: str) -> str:
    return f"context {name} of kubeconfig {where} cannot be used: {why}"


def _parsed(file: Path) -> Json:
    why = "it cannot be read"
    try:
        document = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        why = error.strerror or why
    except (yaml.YAMLError, ValueError, RecursionError):
        why = "it is not YAML"
    else:
        if document is None:
            return {}
        if isinstance(document, dict):
            return document
        why = "it is not an object"
    raise ConfigError(f"kubeconfig {file} cannot be used: {why}")


def _items(document: Json, name: str) -> Iterator[tuple[str, Json]]:
    """The items of a list by name; what has another shape is passed over."""
    found = document.get(name)
    for item in found if isinstance(found, list) else []:
        if isinstance(item, dict) and isinstance(item.get("name"), str):
            content = item.get(_LISTS[name])
            if isinstance(content, dict):
                yield item["name"], content


def _rooted(content: Json, file: Path) -> Json:
    """With paths that need no folder to start from."""
    folder = file.absolute().parent
    paths: Json = {
        name: str(folder / content[name]) for name in _PATHS if _is_path(content.get(name))
    }
    plugin = content.get("exec")
    if isinstance(plugin, dict) and "/" in str(plugin.get("command")):
        paths["exec"] = {**plugin, "command": str(folder / plugin["command"])}
    said = {name: value for name, value in content.items() if value is not None}
    return {**said, **paths}


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != ""
