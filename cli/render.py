"""`lastgood render`: manifests as the webhook would inject them, with the webhook's own decision
and words.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import yaml

from cli import manifests
from cli.arguments import IMAGE
from cli.errors import CommandError, Exit
from policy.load import PolicyError, load_folder
from webhook.admit import admit
from webhook.config import Injection
from webhook.inject import strip
from webhook.pods import malformed

if TYPE_CHECKING:
    import argparse

    from cli.manifests import Manifest
    from policy.match import PolicySet

STDIN = "-"
PLACEHOLDER = f"warning: the image of gate and agent is {IMAGE}; name your own with --image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What became of one file."""

    file: str
    before: list[Any]
    after: list[Any]


class Renderer:
    """Renders documents and keeps what is to be said about them: `denials` and `warnings`, each
    naming file and object.
    """

    def __init__(self, policies: PolicySet, injection: Injection, namespace: str) -> None:
        self._policies = policies
        self._injection = injection
        self._namespace = namespace
        self.denials: list[str] = []
        self.warnings: list[str] = []
        self.injected = 0
        """How many pods and templates were injected."""

    def render(self, file: str, documents: list[Any]) -> Rendering:
        """One file, by the name that messages give it."""

        def change(manifest: Manifest, template: Manifest) -> Manifest:
            return self._pod(file, manifest, template)

        after = [manifests.change_pods(document, change) for document in documents]
        return Rendering(file=file, before=documents, after=after)

    def _pod(self, file: str, manifest: Manifest, template: Manifest) -> Manifest:
        metadata = manifest.get("metadata") or {}
        namespace = metadata.get("namespace") or self._namespace
        name = metadata.get("name") or metadata.get("generateName")
        where = f"{file}: {manifest.get('kind')} {namespace}/{name}"
        fault = malformed(template)
        if fault is not None:
            self.denials.append(f"{where}: this is no pod: {fault}")
            return template
        verdict = admit(template, namespace, self._policies, self._injection)
        self.warnings.extend(f"{where}: warning: {warning}" for warning in verdict.warnings)
        if not verdict.allowed:
            self.denials.append(f"{where}: {verdict.message}")
        if verdict.plan is None:
            return template
        self.injected += 1
        return strip(verdict.pod)


def render(arguments: argparse.Namespace, stdin: TextIO, out: TextIO, err: TextIO) -> int:
    """Prints every file as injected, or nothing but the denials."""
    try:
        policies = load_folder(arguments.policy)
    except PolicyError as error:
        raise CommandError(str(error)) from error
    renderer = Renderer(policies, Injection(image=arguments.image), arguments.namespace)
    renderings = [renderer.render(file, _read(file, stdin)) for file in arguments.files]
    notes = [PLACEHOLDER] if renderer.injected and arguments.image == IMAGE else []
    for sentence in (*notes, *renderer.warnings, *renderer.denials):
        print(sentence, file=err)
    if renderer.denials:
        return Exit.REFUSED
    out.write(_FORMATS[arguments.output](renderings))
    return Exit.DONE


def _read(file: str, stdin: TextIO) -> list[Any]:
    try:
        text = stdin.read() if file == STDIN else Path(file).read_text(encoding="utf-8")
        return manifests.read(text)
    except OSError as error:
        message = f"{file}: {error.strerror}"
        raise CommandError(message) from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 1}" if mark is not None else ""
        message = f"{file}{line}: this is not YAML{_problem(error)}"
        raise CommandError(message) from error


def _problem(error: Exception) -> str:
    problem = getattr(error, "problem", None)
    return f": {problem}" if problem else ""


def _as_yaml(renderings: list[Rendering]) -> str:
    return manifests.write([document for item in renderings for document in item.after])


def _as_json(renderings: list[Rendering]) -> str:
    documents = [document for item in renderings for document in item.after]
    whole = (
        documents[0]
        if len(documents) == 1
        else {"apiVersion": "v1", "kind": "List", "items": documents}
    )
    return json.dumps(whole, indent=2) + "\n"


def _as_diff(renderings: list[Rendering]) -> str:
    return "".join(
        line
        for item in renderings
        for line in difflib.unified_diff(
            manifests.write(item.before).splitlines(keepends=True),
            manifests.write(item.after).splitlines(keepends=True),
            fromfile=item.file,
            tofile=f"{item.file} (injected)",
        )
    )


_FORMATS = {"yaml": _as_yaml, "json": _as_json, "diff": _as_diff}
