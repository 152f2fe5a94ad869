"""References of other tools where lastgood replaces nothing: in objects that are no pods, and to
Secrets that only another tool can make.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING

from cli.conversion import bank_vaults, vault_injector
from cli.conversion.provider_classes import CSI_DRIVER
from cli.conversion.report import FieldOutcome
from cli.manifests import metadata_of, namespace_of
from cli.pod_templates import KNOWN
from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.conversion.fields import Path
    from cli.conversion.pods import Sources
    from cli.conversion.report import ImportReport
    from cli.pod_templates import Manifest

from cli.conversion.fields import dotted

_INGRESS = frozenset({"secretName", "credentialName"})
_BASE64 = "dmF1bHQ6"
"""`vault:` in base64."""


def report(manifests: list[Manifest], found: ImportReport, sources: Sources, default: str) -> None:
    """Adds lines only."""
    for manifest in manifests:
        kind, group = str(manifest.get("kind")), str(manifest.get("apiVersion")).partition("/")[0]
        namespace = namespace_of(manifest, default)
        of = f"{shown(kind)} {shown(namespace)}/{shown(str(metadata_of(manifest).get('name')))}"
        if (group, kind) in KNOWN:
            _pull_secrets(manifest, of, namespace, found, sources)
        elif kind in {"ConfigMap", "Secret"} and group == "v1":
            _references(manifest, of, found)
        elif group not in {"external-secrets.io", "secrets-store.csi.x-k8s.io"}:
            _others(manifest, of, namespace, found, sources)


def _pull_secrets(
    manifest: Manifest, of: str, namespace: str, found: ImportReport, sources: Sources
) -> None:
    for path, value in _texts(manifest):
        if "imagePullSecrets" in path and (namespace, value) in sources.secrets:
            _kept(found, of, path, sources.secrets[namespace, value].of)


def _references(manifest: Manifest, of: str, found: ImportReport) -> None:
    for path, value in _texts(manifest):
        if path[0] in {"data", "stringData"} and (
            bank_vaults.is_reference(value) or _is_encoded(value)
        ):
            message = (
                "bank-vaults' webhook replaces references in this object. lastgood changes no"
                " objects but pods. Let the app read files of its pod"
            )
            found.add(FieldOutcome.NOT_MAPPED, of, dotted(path), message)


def _others(
    manifest: Manifest, of: str, namespace: str, found: ImportReport, sources: Sources
) -> None:
    for path, value in _texts(manifest):
        name = str(path[-1])
        if (name in _INGRESS or "imagePullSecrets" in path) and (
            (namespace, value) in sources.secrets
        ):
            _kept(found, of, path, sources.secrets[namespace, value].of)
        elif name.startswith(vault_injector.INJECT) or value == CSI_DRIVER:
            if str(manifest.get("kind")) == "CSIDriver":
                continue
            message = "this kind of object has no pod that lastgood knows. Annotate it by hand"
            found.add(FieldOutcome.NOT_MAPPED, of, dotted(path), message)


def _kept(found: ImportReport, of: str, path: Path, source: str) -> None:
    message = (
        f"this needs a Secret that {source} makes, and lastgood makes no Secret of this name. Keep"
        f" {source}"
    )
    found.add(FieldOutcome.NOT_MAPPED, of, dotted(path), message)


def _is_encoded(value: str) -> bool:
    if not value.startswith(_BASE64[:7]):
        return False
    try:
        return bank_vaults.is_reference(base64.b64decode(value, validate=True).decode())
    except (binascii.Error, ValueError):
        return False


def _texts(manifest: Manifest) -> Iterator[tuple[Path, str]]:
    waiting: list[tuple[Path, object]] = [((), manifest)]
    while waiting:
        path, node = waiting.pop()
        if isinstance(node, dict):
            waiting += reversed([((*path, str(key)), value) for key, value in node.items()])
        elif isinstance(node, list):
            waiting += reversed([((*path, at), value) for at, value in enumerate(node)])
        elif isinstance(node, str) and path:
            yield path, node
