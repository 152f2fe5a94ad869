"""Manifests in and out: YAML as kubectl reads it, and as each other reader means the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, TextIO

import yaml

from cli.exit_codes import CommandError
from cli.pod_templates import Manifest, change_pods
from contract.quoted import shown
from policy.scalars import ManifestLoader, resolve

STDIN = "-"
MOST_NODES = 1_000_000
"""Values in one file, with what its aliases stand for written out."""

MOST_PROBLEM = 200
"""Characters of what the reader of YAML says, which quotes the text."""

Files = list[tuple[str, list[Any]]]
"""Documents by the name that messages give their file."""


class TooManyNodesError(ValueError):
    """Caught by `load`, for its words."""


def load(file: str, stdin: TextIO) -> list[Any]:
    """The documents of a file, or of standard input. CommandError names file, line and fault."""
    try:
        text = stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
        return read(text)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise CommandError(message) from error
    except TooManyNodesError as error:
        raise CommandError(f"{file}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        problem = getattr(error, "problem", None)
        fault = f": {shown(str(problem), MOST_PROBLEM)}" if problem else ""
        message = f"{file}{line}: this is not YAML{fault}"
        raise CommandError(message) from error


def read(text: str) -> list[Any]:
    """The documents of a YAML or JSON text. yaml.YAMLError when it is neither; ValueError where its
    aliases make it larger than any manifest.
    """
    documents = list(yaml.load_all(text, Loader=ManifestLoader))
    _bound(documents)
    return [document for document in documents if document is not None]


def _bound(documents: list[Any]) -> None:
    """An alias of what it stands in has no end; a few lines of aliases can stand for millions."""
    waiting: list[Any] = [documents]
    for _ in range(MOST_NODES):
        if not waiting:
            return
        node = waiting.pop()
        if isinstance(node, dict):
            waiting += node.values()
        elif isinstance(node, list):
            waiting += node
    raise TooManyNodesError(f"with its aliases expanded it has more than {MOST_NODES} values")


def write(documents: list[Any]) -> str:
    """The documents as YAML, members in their order."""
    return yaml.dump_all(
        documents, Dumper=_Dumper, sort_keys=False, explicit_start=len(documents) > 1, width=4096
    )


def namespaces(files: Files, default: str) -> set[str]:
    """Of the pods in the files."""
    found: set[str] = set()

    def note(manifest: Manifest, template: Manifest) -> Manifest:
        found.add(namespace_of(manifest, default))
        return template

    for _, documents in files:
        for document in documents:
            change_pods(document, note)
    return found


def namespace_of(manifest: Manifest, default: str) -> str:
    """Where an object goes; of what is no namespace's name, a short form that is none either."""
    named = metadata_of(manifest).get("namespace")
    return shown(named) if isinstance(named, str) and named else default


def metadata_of(manifest: Manifest) -> Manifest:
    """Empty where there is none."""
    found = manifest.get("metadata")
    return found if isinstance(found, dict) else {}


_OTHER_TYPES = re.compile(r"[-+.]*[0-9].*|[yYnN~]|[-+]?\.(inf|nan).*|=|<<", re.IGNORECASE)
_PLAIN_STYLE = None
_STR = "tag:yaml.org,2002:str"


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    other = _OTHER_TYPES.fullmatch(value) or not isinstance(resolve(value), str)
    plain = '"' if other else _PLAIN_STYLE
    return dumper.represent_scalar(_STR, value, style="|" if "\n" in value else plain)


class _Dumper(yaml.SafeDumper):
    """No anchors, lists indented under their key, and text that another reader could take for a
    number is quoted.
    """

    yaml_representers = {**yaml.SafeDumper.yaml_representers, str: _text}  # type: ignore[dict-item]  # noqa: RUF012 - yaml's own way to say it

    def ignore_aliases(self, _: object) -> bool:
        return True

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:  # noqa: ARG002, FBT001, FBT002 - yaml's
        super().increase_indent(flow, indentless=False)
