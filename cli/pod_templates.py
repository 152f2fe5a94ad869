"""Where manifests keep their pods, and annotations of ours that are not on one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from contract.annotations import MARKS, POLICY_LABEL, PREFIX, SECRET
from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

Manifest = dict[str, Any]
Path = tuple[str | int, ...]

_TEMPLATE = ("spec", "template")
KNOWN: dict[tuple[str, str], Path] = {
    ("v1", "Pod"): (),
    ("v1", "ReplicationController"): _TEMPLATE,
    ("v1", "PodTemplate"): ("template",),
    ("apps", "Deployment"): _TEMPLATE,
    ("apps", "StatefulSet"): _TEMPLATE,
    ("apps", "DaemonSet"): _TEMPLATE,
    ("apps", "ReplicaSet"): _TEMPLATE,
    ("batch", "Job"): _TEMPLATE,
    ("batch", "CronJob"): ("spec", "jobTemplate", "spec", "template"),
    ("argoproj.io", "Rollout"): _TEMPLATE,
}
"""Where each kind, by its API group, keeps its pod or pod template."""

_MOST_SHOWN = 3
"""Keys in one message."""
_MOST_PATH = 200
"""Characters."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRemark:
    """What the author of a manifest may not mean."""

    manifest: Manifest
    """The object that it is about."""
    sentence: str
    mistake: bool
    """Whether it has no effect. Not: it has one, and may be meant."""


def objects(document: object) -> Iterator[Manifest]:
    """The document itself, or the objects of a list, as the API server reads them: an object of a
    typed list has the list's version and kind where it names none.
    """
    if not isinstance(document, dict):
        return
    if not is_list(document):
        yield document
        return
    for item in document["items"]:
        yield from objects(_typed(item, document))


def is_list(document: Manifest) -> bool:
    """Whether it is a List, or a typed one: kubectl goes by `items` alone."""
    return str(document.get("kind")).endswith("List") and isinstance(document.get("items"), list)


def change_pods(document: object, change: Callable[[Manifest, Manifest], Manifest]) -> object:
    """The document with every pod in it replaced by `change(object, pod)`; all else comes back as
    it is. `pod` is `{"metadata", "spec"}`, of a pod or a template.
    """
    if not isinstance(document, dict):
        return document
    if is_list(document):
        items = [_changed(item, _typed(item, document), change) for item in document["items"]]
        return {**document, "items": items}
    return _changed(document, document, change)


def remarks(document: object) -> Iterator[TemplateRemark]:
    """What looks like a mistake, and pods in kinds that are not known."""
    if not isinstance(document, dict):
        sentence = "this document is not an object, so nothing is injected here"
        yield TemplateRemark(manifest={}, sentence=sentence, mistake=True)
    for manifest in objects(document):
        if _group(manifest) == PREFIX.rstrip("/"):
            continue
        pods = _pods(manifest)
        if not _is_known(manifest):
            yield from _unknown(manifest, pods)
        handled = {(*path, "metadata", "annotations") for path in pods}
        for path, found in _mappings(manifest):
            yield from _misplaced(manifest, path, found, handled)


def _changed(
    item: object, manifest: object, change: Callable[[Manifest, Manifest], Manifest]
) -> object:
    """`manifest` is `item` with its kind."""
    if isinstance(manifest, dict) and is_list(manifest):
        return change_pods(manifest, change)
    if isinstance(manifest, dict):
        for path in _pods(manifest):
            item = _at(item, path, lambda pod: change(manifest, pod))
    return item


def _typed(item: object, parent: Manifest) -> object:
    kind = str(parent.get("kind")).removesuffix("List")
    if not isinstance(item, dict) or not kind or item.get("kind"):
        return item
    return {**item, "apiVersion": parent.get("apiVersion"), "kind": kind}


def _group(manifest: Manifest) -> str:
    return str(manifest.get("apiVersion")).partition("/")[0]


def _is_known(manifest: Manifest) -> bool:
    return (_group(manifest), str(manifest.get("kind"))) in KNOWN


def _pods(manifest: Manifest) -> list[Path]:
    """Where its pods are. In a kind that is not known: what has annotations of ours and containers,
    but not the object itself.
    """
    path = KNOWN.get((_group(manifest), str(manifest.get("kind"))))
    if path is not None:
        return [path] if _get(manifest, path) is not None else []
    return [at for at, found in _mappings(manifest) if at and _is_template(found)]


def _is_template(found: Manifest) -> bool:
    spec, annotations = found.get("spec"), _get(found, ("metadata", "annotations"))
    containers = spec.get("containers") if isinstance(spec, dict) else None
    asked = isinstance(annotations, dict) and any(map(_is_ours, annotations))
    return asked and isinstance(containers, list)


def _unknown(manifest: Manifest, pods: list[Path]) -> Iterator[TemplateRemark]:
    for path in pods:
        annotations = _get(manifest, (*path, "metadata", "annotations"))
        if _ours(annotations):
            yield TemplateRemark(
                manifest=manifest,
                sentence=f"what looks like a pod template at {_dotted(path)} is injected, but"
                f" {_quoted(manifest, 'apiVersion')} {_quoted(manifest, 'kind')} is not a kind that"
                " lastgood knows. Check that its controller keeps everything that was injected",
                mistake=False,
            )


def _misplaced(
    manifest: Manifest, path: Path, found: Manifest, handled: set[Path]
) -> Iterator[TemplateRemark]:
    """Keys of ours in a mapping where nothing reads them. A place that has another name than
    `annotations` counts where it asks for a secret: ours are also labels that others select by.
    """
    if path in handled:
        return
    keys, named = _ours(found), bool(path) and path[-1] == "annotations"
    if not named:
        keys = [key for key in keys if key.lower().startswith(SECRET)]
    if not keys:
        return
    listed = ", ".join(shown(str(key)) for key in keys[:_MOST_SHOWN])
    more = f" and {len(keys) - _MOST_SHOWN} more" if len(keys) > _MOST_SHOWN else ""
    yield TemplateRemark(
        manifest=manifest,
        sentence=f"{listed}{more} at {_dotted(path) or 'the top'}:"
        f" {_effect(manifest, keys, named=named)}",
        mistake=True,
    )


def _effect(manifest: Manifest, keys: list[str], *, named: bool) -> str:
    path = KNOWN.get((_group(manifest), str(manifest.get("kind"))))
    if keys == [POLICY_LABEL]:
        return "this is a namespace label, not an annotation"
    if path is not None:
        right = _dotted((*path, "metadata", "annotations"))
        return f"no effect there. Set it at {right}"
    what = "there is no pod template" if named else "this is not an annotation"
    return f"{what}, so nothing is injected here"


def _ours(annotations: object) -> list[str]:
    """Keys with which somebody asks for something, and those that look as if they should."""
    if not isinstance(annotations, dict):
        return []
    return [key for key in map(str, annotations) if _is_ours(key) and key not in MARKS]


def _is_ours(key: object) -> bool:
    """In any case of letters, as the webhook sees it."""
    return str(key).lower().startswith(PREFIX)


def _mappings(manifest: Manifest) -> Iterator[tuple[Path, Manifest]]:
    """Every object inside, with its path, in the order of the text."""
    waiting: list[tuple[Path, object]] = [((), manifest)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            yield path, node
            waiting += reversed([((*path, key), value) for key, value in node.items()])
        elif isinstance(node, list):
            waiting += reversed([((*path, number), value) for number, value in enumerate(node)])


def _get(node: object, path: Path) -> object:
    """What is at a path; None: nothing."""
    for step in path:
        if isinstance(node, dict):
            node = node.get(step)
        elif isinstance(node, list) and isinstance(step, int) and step < len(node):
            node = node[step]
        else:
            return None
    return node


def _at(parent: Any, path: Path, change: Callable[[Manifest], Manifest]) -> Any:  # noqa: ANN401 - any JSON
    """`parent` with what is at `path`, which is there, changed."""
    if not path:
        return change(parent)
    changed = _at(parent[path[0]], path[1:], change)
    if isinstance(parent, list):
        return [changed if at == path[0] else item for at, item in enumerate(parent)]
    return {**parent, path[0]: changed}


def _dotted(path: Path) -> str:
    text = ""
    for step in path:
        text += f"[{step}]" if isinstance(step, int) else f".{step}"
    return shown(text.removeprefix("."), _MOST_PATH)


def _quoted(manifest: Manifest, member: str) -> str:
    return shown(str(manifest.get(member)))
