"""All manifests of one run: what is read of them, and what comes out, which has passed the CRDs'
schemas and the webhook's own decision. Pure.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.conversion import provider_classes, strays
from cli.conversion.checks import Checked, checked
from cli.conversion.external_secrets import KIND as EXTERNAL_SECRET
from cli.conversion.external_secrets import Stores, read_external_secret, target_of
from cli.conversion.fields import Fields, Ledger
from cli.conversion.pods import PodConverter, Sources
from cli.conversion.report import FieldOutcome, ImportReport
from cli.conversion.stores import GROUP as EXTERNAL_SECRETS
from cli.conversion.stores import STORES, read_store
from cli.conversion.wanted import DraftAccounts
from cli.manifests import metadata_of, namespace_of
from cli.pod_templates import change_pods, objects
from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from cli.conversion.options import Given
    from cli.conversion.pods import Converted
    from cli.conversion.wanted import Wanted
    from cli.manifests import Files
    from cli.pod_templates import Manifest

_NO_POD = "no pod in these files uses it. Add the files of the pods, or write their annotations"
_OTHERS = {
    ("external-secrets.io", "ClusterExternalSecret"): "write one ExternalSecret per namespace",
    ("external-secrets.io", "PushSecret"): "lastgood writes to no provider",
    ("secrets.hashicorp.com", "VaultStaticSecret"): "Vault Secrets Operator is not read",
    ("secrets.hashicorp.com", "VaultDynamicSecret"): "lastgood reads KV secrets only",
    ("secrets.hashicorp.com", "VaultPKISecret"): "lastgood reads KV secrets only",
}


@dataclass(slots=True, kw_only=True)
class Workload:
    """One object with a pod that was converted."""

    before: Manifest
    after: Manifest


@dataclass(slots=True, kw_only=True)
class Imported:
    """The result of one run."""

    accounts: list[Manifest] = field(default_factory=list)
    policies: list[Manifest] = field(default_factory=list)
    """With the Namespaces that select them."""
    workloads: list[Workload] = field(default_factory=list)
    report: ImportReport = field(default_factory=ImportReport)


def import_manifests(files: Files, given: Given) -> Imported:
    """Never raises for what is in the manifests: it is mapped or reported."""
    run = _Run(files, given)
    run.read_sources()
    run.read_pods()
    result = run.checked()
    strays.report(run.manifests, run.report, run.sources, given.namespace)
    return result


class _Run:
    def __init__(self, files: Files, given: Given) -> None:
        self.report = ImportReport()
        self.sources = Sources()
        self.manifests = [
            it for _, documents in files for document in documents for it in objects(document)
        ]
        self._given = given
        self._accounts = DraftAccounts()
        self._stores = Stores()
        self._converted: list[tuple[Manifest, str, Converted]] = []
        self._of_namespace: list[tuple[str, Wanted]] = []

    def read_sources(self) -> None:
        """Stores before the ExternalSecrets that name them."""
        for manifest in self._of(EXTERNAL_SECRETS, *STORES):
            key = _key(manifest, self._given.namespace)
            spec = self._spec(manifest)
            self._stores.known[key] = read_store(spec, key[2], self._accounts, self._given)
        for manifest in self._of(EXTERNAL_SECRETS, EXTERNAL_SECRET):
            _, namespace, name = _key(manifest, self._given.namespace)
            spec = self._spec(manifest)
            supply = read_external_secret(spec, namespace, name, self._stores)
            self.sources.secrets[namespace, target_of(spec, name)] = supply
            self._note(namespace, supply.files.values())
        for manifest in self._of(provider_classes.GROUP, provider_classes.KIND):
            _, namespace, name = _key(manifest, self._given.namespace)
            found = provider_classes.read_class(self._spec(manifest), self._accounts, self._given)
            self.sources.classes[namespace, name] = found
            self._note(namespace, found.volume.files.values())
            for secret, supply in found.synced.items():
                self.sources.secrets.setdefault((namespace, secret), supply)
        for manifest in self.manifests:
            why = _OTHERS.get((_group(manifest), str(manifest.get("kind"))))
            if why is not None:
                self.report.add(
                    FieldOutcome.NOT_MAPPED, self._name(manifest), "", f"{why}. Leave it"
                )

    def read_pods(self) -> None:
        """What converts of them."""
        converter = PodConverter(self.report, self.sources, self._accounts, self._given)
        for manifest in self.manifests:
            namespace = namespace_of(manifest, self._given.namespace)
            of = self._name(manifest)

            def note(
                manifest: Manifest, pod: Manifest, namespace: str = namespace, of: str = of
            ) -> Manifest:
                found = converter.convert(of, namespace, pod)
                if found is not None:
                    self._converted.append((manifest, of, found))
                    values = [value for value, _ in found.draft.secrets.values()]
                    self._note(namespace, values)
                return pod

            change_pods(manifest, note)
        for supply in self._unused():
            self.report.add(FieldOutcome.DECIDE, supply, "", _NO_POD)

    def checked(self) -> Imported:
        """What is accepted; the rest is reported."""
        known = Checked(self._accounts, self.report)
        pods = [
            (of, namespace_of(manifest, self._given.namespace), found)
            for manifest, of, found in self._converted
        ]
        good = checked(known, self._of_namespace, pods)
        result = Imported(accounts=known.accounts, policies=known.objects, report=self.report)
        for (manifest, _, _), after in zip(self._converted, good, strict=True):
            if after is not None:
                changed = change_pods(manifest, lambda _, __, pod=after: pod)  # type: ignore[misc]
                if isinstance(changed, dict):
                    result.workloads.append(Workload(before=manifest, after=changed))
        return result

    def _unused(self) -> Iterator[str]:
        used = {it.of for it in self.sources.secrets.values() if it.used}
        used |= {it.volume.of for it in self.sources.classes.values() if it.volume.used}
        found = [it.of for it in self.sources.secrets.values()]
        found += [it.volume.of for it in self.sources.classes.values()]
        yield from (of for of in dict.fromkeys(found) if of not in used)

    def _note(self, namespace: str, values: Iterable[Wanted]) -> None:
        for value in values:
            self._of_namespace.append((namespace, value))

    def _of(self, group: str, *kinds: str) -> Iterator[Manifest]:
        for manifest in self.manifests:
            if _group(manifest) == group and manifest.get("kind") in kinds:
                yield manifest

    def _spec(self, manifest: Manifest) -> Fields:
        ledger = Ledger(self.report, self._name(manifest))
        self.report.objects.setdefault(ledger.of)
        return Fields(ledger, copy.deepcopy(manifest.get("spec")), ("spec",))

    def _name(self, manifest: Manifest) -> str:
        kind, namespace, name = _key(manifest, self._given.namespace)
        return f"{shown(kind)} {shown(namespace)}/{shown(name)}" if namespace else f"{kind} {name}"


def _group(manifest: Manifest) -> str:
    return str(manifest.get("apiVersion")).partition("/")[0]


def _key(manifest: Manifest, default: str) -> tuple[str, str, str]:
    kind = str(manifest.get("kind"))
    metadata: dict[str, Any] = metadata_of(manifest)
    name = str(metadata.get("name") or metadata.get("generateName") or "")
    namespace = "" if kind.startswith("Cluster") else namespace_of(manifest, default)
    return kind, namespace, name
