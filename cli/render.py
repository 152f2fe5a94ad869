"""`lastgood render`: manifests as the webhook would inject them, with the webhook's own decision
and words.
"""

from __future__ import annotations

import difflib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli import manifests, pod_templates, policies
from cli.arguments import IMAGE
from cli.exit_codes import Exit
from cli.open_cluster import connected
from contract.quoted import shown
from webhook.admit import admit
from webhook.inject import strip
from webhook.injection_settings import Injection
from webhook.review import MOST_NAME
from webhook.wellformed import malformed

if TYPE_CHECKING:
    import argparse

    from cli.manifests import Files
    from cli.pod_templates import Manifest, TemplateRemark
    from cli.policies import Said
    from cli.settings import Settings
    from cli.terminal import Terminal
    from policy.match import PolicySet
    from workqueue.clock import Clock

NOTHING = "no pod in the manifests requests a secret"
PLACEHOLDER = f"warning: the image of gate and agent is {IMAGE}. Set yours with --image"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What became of one file."""

    file: str
    before: list[Any]
    after: list[Any]


class Renderer:
    """Renders documents and keeps what is to be said about them: `denials`, `remarks` and
    `warnings`, each naming file and object.
    """

    def __init__(
        self, policies: PolicySet, injection: Injection, namespace: str, *, strict: bool
    ) -> None:
        """`strict`: what looks like a mistake is a denial."""
        self._policies = policies
        self._injection = injection
        self._namespace = namespace
        self._strict = strict
        self.denials: list[str] = []
        self.remarks: list[str] = []
        """On what stands where it has no effect, or in a kind that is not known."""
        self.warnings: list[str] = []
        self.problems: list[str] = []
        """What could not be read of policies; the reason of a denial, perhaps."""
        self.renderings: list[Rendering] = []
        self.injected = 0
        """How many pods and templates were injected."""

    def render(self, file: str, documents: list[Any]) -> None:
        """One file, by the name that messages give it."""

        def change(manifest: Manifest, template: Manifest) -> Manifest:
            return self._pod(file, manifest, template)

        after = [pod_templates.change_pods(document, change) for document in documents]
        self.renderings.append(Rendering(file=file, before=documents, after=after))
        for document in documents:
            for remark in pod_templates.remarks(document):
                self._remark(file, remark)

    def _remark(self, file: str, remark: TemplateRemark) -> None:
        where = self._where(file, remark.manifest)
        if remark.mistake and self._strict:
            self.denials.append(f"{where}: {remark.sentence}")
        else:
            self.remarks.append(f"{where}: warning: {remark.sentence}")

    def _where(self, file: str, manifest: Manifest) -> str:
        metadata = manifests.metadata_of(manifest)
        name = metadata.get("name") or metadata.get("generateName")
        namespace = manifests.namespace_of(manifest, self._namespace)
        kind = shown(str(manifest.get("kind")))
        return f"{file}: {kind} {shown(namespace)}/{shown(str(name), MOST_NAME)}"

    def _pod(self, file: str, manifest: Manifest, template: Manifest) -> Manifest:
        namespace = manifests.namespace_of(manifest, self._namespace)
        where = self._where(file, manifest)
        fault = malformed(template)
        if fault is not None:
            self.denials.append(f"{where}: this is not a pod: {fault}")
            return template
        verdict = admit(template, namespace, self._policies, self._injection)
        self.warnings.extend(f"{where}: warning: {warning}" for warning in verdict.warnings)
        if not verdict.allowed:
            self.denials.append(f"{where}: {verdict.message}")
        if verdict.plan is None:
            return template
        self.injected += 1
        return strip(verdict.pod)


def render(
    arguments: argparse.Namespace, settings: Settings, clock: Clock, terminal: Terminal
) -> int:
    """Prints every file as injected, or nothing but the denials."""
    files = [(file, manifests.load(file, terminal.stdin)) for file in arguments.files]
    if arguments.policy is not None:
        said = policies.in_folder(arguments.policy)
        renderer = renderings_of(files, arguments, said, arguments.namespace or "default")
    else:
        with connected(arguments, settings, clock) as connection:
            namespace = arguments.namespace or connection.namespace
            said = policies.on_cluster(connection, manifests.namespaces(files, namespace))
        renderer = renderings_of(files, arguments, said, namespace)
    if renderer.injected and arguments.image == IMAGE:
        terminal.tell(PLACEHOLDER)
    for sentence in (*renderer.problems, *renderer.remarks, *renderer.warnings, *renderer.denials):
        terminal.tell(sentence)
    if renderer.denials:
        return Exit.REFUSED
    if not renderer.injected:
        terminal.tell(NOTHING)
    terminal.out.write(_FORMATS[arguments.output](renderer.renderings))
    return Exit.DONE


def renderings_of(
    files: Files, arguments: argparse.Namespace, said: Said, namespace: str
) -> Renderer:
    """All files as injected."""
    injection = Injection(image=arguments.image, run_as=arguments.run_as)
    renderer = Renderer(said.policies, injection, namespace, strict=arguments.strict)
    renderer.problems += [f"warning: {problem}" for problem in said.problems]
    for file, documents in files:
        renderer.render(file, documents)
    return renderer


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
