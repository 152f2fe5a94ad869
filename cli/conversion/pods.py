"""Pods and templates that use another tool's secrets, with lastgood's annotations in its place.

What cannot be mapped stays as it is: a volume, a variable, or all annotations of an injector. So a
converted pod never lacks a secret that it had.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from cli.conversion import bank_vaults, vault_injector
from cli.conversion.fields import Fields, Ledger
from cli.conversion.pod_draft import PodDraft
from cli.conversion.provider_classes import CSI_DRIVER
from cli.conversion.report import FieldOutcome
from contract.quoted import shown
from webhook.wellformed import malformed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from cli.conversion.options import Given
    from cli.conversion.provider_classes import ProviderClass
    from cli.conversion.report import ImportReport
    from cli.conversion.wanted import DraftAccounts, Supply, Wanted

_KINDS = ("containers", "initContainers")
_WAITS = "the pod waits until the secret is there. Before, it started without it"


@dataclass(slots=True, kw_only=True)
class Sources:
    """What the other tools give pods, by namespace and name."""

    classes: dict[tuple[str, str], ProviderClass] = field(default_factory=dict)
    secrets: dict[tuple[str, str], Supply] = field(default_factory=dict)
    """By the Secrets that other tools make."""


@dataclass(slots=True, kw_only=True)
class Converted:
    """A pod or template, changed."""

    pod: dict[str, Any]
    draft: PodDraft


class PodConverter:
    """One pod at a time."""

    def __init__(
        self, report: ImportReport, sources: Sources, accounts: DraftAccounts, given: Given
    ) -> None:
        self._report = report
        self._sources = sources
        self._accounts = accounts
        self._given = given

    def convert(self, of: str, namespace: str, template: dict[str, Any]) -> Converted | None:
        """None: it uses nothing of other tools, or nothing of it could be mapped."""
        fault = malformed(template)
        if fault is not None:
            self._report.add(FieldOutcome.NOT_MAPPED, of, "", f"this is not a pod: {fault}")
            return None
        pod = copy.deepcopy(template)
        work = _Pod(Ledger(self._report, of), namespace, pod, self._sources)
        annotations = Fields(work.ledger, work.annotations, ("metadata", "annotations"))
        injected = False
        if vault_injector.uses_injector(annotations):
            names = [item["name"] for item in work.containers() if "name" in item]
            injected = vault_injector.read_injector(
                annotations, self._accounts, self._given, work.draft, names
            )
            if injected:
                work.remove_annotations((vault_injector.PREFIX,))
        self._bank_vaults(work, annotations)
        work.variables()
        work.volumes()
        if not work.draft.secrets:
            return None
        return Converted(pod=pod, draft=work.draft)

    def _bank_vaults(self, work: _Pod, annotations: Fields) -> None:
        found = [
            (container, number, fields)
            for container in work.containers()
            for number, fields in work.env_of(container)
            if bank_vaults.is_reference(fields.text("value"))
        ]
        if not found:
            return
        draft = bank_vaults.account(annotations, self._accounts, self._given)
        done = 0
        for container, number, fields in found:
            value = bank_vaults.read_variable(fields, draft)
            if value is not None and work.set_value(container, number, fields, "value", value):
                done += 1
        if done == len(found):
            work.remove_annotations(bank_vaults.PREFIXES)


class _Pod:
    """One pod while it is changed. All that is read was written by somebody else, so nothing is
    taken for what it should be.
    """

    def __init__(
        self, ledger: Ledger, namespace: str, pod: dict[str, Any], sources: Sources
    ) -> None:
        self.ledger = ledger
        self.draft = PodDraft()
        self._namespace = namespace
        self._sources = sources
        self._pod = pod
        spec = pod.get("spec")
        self._spec: dict[str, Any] = spec if isinstance(spec, dict) else {}
        self._kept: set[str] = set()
        """Secrets that the pod still needs from the other tool."""

    @property
    def annotations(self) -> dict[str, Any]:
        metadata = self._pod.get("metadata")
        found = metadata.get("annotations") if isinstance(metadata, dict) else None
        return found if isinstance(found, dict) else {}

    def remove_annotations(self, prefixes: tuple[str, ...]) -> None:
        found = self.annotations
        for name in [name for name in found if str(name).startswith(prefixes)]:
            del found[name]

    def containers(self) -> list[dict[str, Any]]:
        """Of both kinds."""
        return [item for kind in _KINDS for item in _objects(self._spec.get(kind))]

    def env_of(self, container: dict[str, Any]) -> list[tuple[int, Fields]]:
        """Its variables, with their places."""
        name = str(container.get("name"))
        return [
            (number, Fields(self.ledger, item, (f"containers({shown(name)})", "env", number)))
            for number, item in enumerate(_list(container.get("env")))
            if isinstance(item, dict)
        ]

    def set_value(
        self, container: dict[str, Any], number: int, fields: Fields, where: str, value: Wanted
    ) -> bool:
        """Whether the variable is mapped; then it is removed from the container."""
        variable = fields.text("name")
        if not self.draft.may_have(variable, value):
            fields.lost(
                where,
                f"{shown(variable)} has another value in another container of the pod, and lastgood"
                " sets variables for all chosen containers. Rename one",
            )
            return False
        self.draft.add_value(variable, value)
        fields.mapped(where, f"{value.text(qualified=False)}, variable {shown(variable)}")
        container["env"][number] = None
        self.draft.containers.setdefault(str(container.get("name")))
        return True

    def variables(self) -> None:
        """References to Secrets of other tools."""
        for container in self.containers():
            for number, fields in self.env_of(container):
                reference = fields.child("valueFrom").child("secretKeyRef")
                name = reference.text("name")
                supply = self._sources.secrets.get((self._namespace, name))
                if supply is None:
                    continue
                supply.used = True
                value = supply.get(reference.text("key"))
                if value is None:
                    fields.lost("valueFrom", f"this key of {supply.of} could not be mapped")
                    self._kept.add(name)
                    continue
                if reference.text("optional") == "true":
                    fields.decide("valueFrom", _WAITS)
                if not self.set_value(container, number, fields, "valueFrom", value):
                    self._kept.add(name)
            self._env_from(container)
            if isinstance(container.get("env"), list):
                container["env"] = [item for item in container["env"] if item is not None]
                if not container["env"]:
                    del container["env"]

    def _env_from(self, container: dict[str, Any]) -> None:
        left = []
        for number, item in enumerate(_list(container.get("envFrom"))):
            place = (f"containers({shown(str(container.get('name')))})", "envFrom", number)
            fields = Fields(self.ledger, item, place)
            name = fields.child("secretRef").text("name")
            supply = self._sources.secrets.get((self._namespace, name))
            if supply is None or not self._all_values(container, fields, supply):
                left.append(item)
            if supply is not None and item in left:
                self._kept.add(name)
        if "envFrom" in container:
            container["envFrom"] = left
            if not left:
                del container["envFrom"]

    def _all_values(self, container: dict[str, Any], fields: Fields, supply: Supply) -> bool:
        supply.used = True
        values = supply.all()
        prefix = fields.text("prefix")
        if values is None:
            fields.lost("secretRef", f"not all keys of {supply.of} are known. List them in env")
            return False
        if not all((prefix + key).isidentifier() and key.isascii() for key in values):
            fields.lost("secretRef", "a key is no name of a variable. List those needed in env")
            return False
        if not all(self.draft.may_have(prefix + key, value) for key, value in values.items()):
            fields.lost("secretRef", "a variable has another value in another container")
            return False
        for key, value in values.items():
            self.draft.add_value(prefix + key, value)
        self.draft.containers.setdefault(str(container.get("name")))
        fields.mapped("secretRef", f"{len(values)} variables")
        return True

    def volumes(self) -> None:
        """Volumes of the CSI driver, and of Secrets that other tools make."""
        left = []
        for number, item in enumerate(_list(self._spec.get("volumes"))):
            fields = Fields(self.ledger, item, ("volumes", number))
            found = self._volume(fields)
            if found is None or not self._replace(fields, *found):
                left.append(item)
        if "volumes" in self._spec:
            self._spec["volumes"] = left
            if not left:
                del self._spec["volumes"]

    def _volume(self, fields: Fields) -> tuple[str, dict[str, Wanted]] | None:
        """Which part of the volume, and its files. None: it is another one, or is not mapped."""
        csi = fields.child("csi")
        if csi.text("driver") == CSI_DRIVER:
            return self._csi(fields, csi)
        secret = fields.child("secret")
        supply = self._sources.secrets.get((self._namespace, secret.text("secretName")))
        if supply is not None:
            supply.used = True
            files = self._files(fields, secret, supply)
            if files is not None and secret.text("optional") == "true":
                fields.decide("secret", _WAITS)
            return None if files is None else ("secret", files)
        for source in fields.child("projected").items("sources"):
            name = source.child("secret").text("name")
            if (self._namespace, name) in self._sources.secrets:
                fields.lost(
                    "projected",
                    "lastgood replaces whole volumes. Mount this Secret in a volume of its own",
                )
                self._kept.add(name)
        return None

    def _csi(self, fields: Fields, csi: Fields) -> tuple[str, dict[str, Wanted]] | None:
        name = csi.child("volumeAttributes").text("secretProviderClass")
        found = self._sources.classes.get((self._namespace, name))
        if found is None:
            fields.lost(
                "csi",
                f"SecretProviderClass {shown(self._namespace)}/{shown(name)} is not in these files."
                " Add the file that has it",
            )
            return None
        found.volume.used = True
        kept = sorted(self._kept & found.synced.keys())
        if kept:
            fields.lost("csi", f"the driver keeps Secret {shown(kept[0])} only for this volume")
            return None
        files = found.volume.all()
        if files is None:
            fields.lost("csi", f"not all of {found.volume.of} could be mapped")
            return None
        return "csi", files

    def _files(self, fields: Fields, secret: Fields, supply: Supply) -> dict[str, Wanted] | None:
        items = secret.items("items")
        if not items:
            files = supply.all()
            if files is None:
                fields.lost("secret", f"not all keys of {supply.of} are known. List them in items")
            return files
        found = {}
        for item in items:
            value, path = supply.get(item.text("key")), item.text("path")
            if value is None or "/" in path:
                what = "lastgood makes no folders" if value else "this key could not be mapped"
                fields.lost("secret", f"{shown(item.text('key'))}: {what}")
                return None
            found[path] = value
        return found

    def _replace(self, fields: Fields, part: str, files: dict[str, Wanted]) -> bool:
        """The volume and its mounts by annotations; whether that could be done."""
        name = fields.text("name")
        mounts = list(self._mounts(name))
        paths = {str(mount.get("mountPath")).rstrip("/") for _, mount in mounts}
        why = None
        if len(paths) != 1:
            why = "it is mounted at several paths, or not at all. lastgood has one path per pod"
        elif any("subPath" in mount or "subPathExpr" in mount for _, mount in mounts):
            why = "a subPath mounts one file, and lastgood one folder. Let the app read the folder"
        why = why or self.draft.clashes(files, next(iter(paths)))
        if why is not None:
            fields.lost(part, why)
            return False
        self.draft.add_files(files, paths.pop())
        for container, mount in mounts:
            container["volumeMounts"] = [it for it in container["volumeMounts"] if it is not mount]
            if not container["volumeMounts"]:
                del container["volumeMounts"]
            self.draft.containers.setdefault(str(container.get("name")))
        fields.mapped(part, f"{len(files)} files at {shown(str(self.draft.mount_path))}")
        return True

    def _mounts(self, volume: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        for container in self.containers():
            for mount in _objects(container.get("volumeMounts")):
                if mount.get("name") == volume:
                    yield container, mount


def _list(found: object) -> list[Any]:
    return found if isinstance(found, list) else []


def _objects(found: object) -> list[dict[str, Any]]:
    return [item for item in _list(found) if isinstance(item, dict)]
