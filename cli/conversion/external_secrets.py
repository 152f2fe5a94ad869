"""ExternalSecret of External Secrets Operator: the keys of its Secret. Read at external-secrets' v1
types; v1beta1 and v1alpha1 have the same fields as far as they go.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from cli.conversion.wanted import Supply, Wanted, vault_reference, wanted
from contract.quoted import shown
from contract.reference import is_property

if TYPE_CHECKING:
    from cli.conversion.fields import Fields
    from cli.conversion.stores import ImportedStore

KIND = "ExternalSecret"
_IDENTITY = re.compile(r"\{\{-?\s*\.([A-Za-z_][A-Za-z0-9_]*)\s*(?:\|\s*toString\s*)?-?\}\}")
_AS_STORED = "the value is served as it is stored. Leave it with the operator"
_LEAVE = "Leave this ExternalSecret. lastgood can read its Secret as k8s:NAME"


@dataclass(slots=True, kw_only=True)
class Stores:
    """Those of the files, by kind, namespace and name. None: one that cannot be an account."""

    known: dict[tuple[str, str, str], ImportedStore | None] = field(default_factory=dict)

    def get(self, reference: Fields, field_name: str, namespace: str) -> ImportedStore | None:
        """The store of a reference. None is reported."""
        chosen = reference.child(field_name)
        kind = chosen.text("kind") or "SecretStore"
        name = chosen.text("name")
        key = (kind, namespace if kind == "SecretStore" else "", name)
        store = self.known.get(key)
        if store is not None:
            reference.mapped(field_name, f"the SecretAccount {store.draft.name}")
        elif key in self.known:
            reference.lost(field_name, f"{kind} {shown(name)} cannot be a SecretAccount")
        else:
            reference.lost(
                field_name, f"{kind} {shown(name)} is not in these files. Add the file that has it"
            )
        return store


def read_external_secret(spec: Fields, namespace: str, name: str, stores: Stores) -> Supply:
    """Its Secret's keys. Losses are reported. `name`: its own."""
    supply = Supply(of=spec.ledger.of)
    default = None
    if "secretStoreRef" in spec:
        default = stores.get(spec, "secretStoreRef", namespace)
    _times(spec, supply)
    for item in spec.items("data"):
        if not _entry(item, _store_of(item, default, stores, namespace), supply):
            supply.complete = False
            item.close()
    sources = spec.items("dataFrom")
    for item in sources:
        if not _extract(item, _store_of(item, default, stores, namespace), supply, len(sources)):
            supply.complete = False
            item.close()
    _target(spec.child("target"), supply, name)
    if not spec.items("data") and not sources:
        supply.complete = False
        spec.lost("data", "it reads nothing, so there is nothing to import")
    if spec.finish():
        supply.complete = False
    return supply


def target_of(spec: Fields, name: str) -> str:
    """The name of its Secret."""
    return spec.child("target").text("name") or name


def _times(spec: Fields, supply: Supply) -> None:
    spec.dropped(
        "refreshInterval", "the class of the SecretPolicy has refreshInterval: compare them"
    )
    if spec.text("refreshPolicy") not in {"", "Periodic"}:
        supply.complete = False
        spec.lost("refreshPolicy", f"lastgood always keeps values current. {_LEAVE}")
    spec.dropped("refreshPolicy", "the class of the SecretPolicy says how often")
    if spec.lose_all({"syncWindows": f"lastgood has no windows. {_LEAVE}"}):
        supply.complete = False


def _store_of(
    item: Fields, default: ImportedStore | None, stores: Stores, namespace: str
) -> ImportedStore | None:
    reference = item.child("sourceRef")
    if "generatorRef" in reference:
        reference.lost("generatorRef", f"lastgood makes no values. {_LEAVE}")
        return None
    return stores.get(reference, "storeRef", namespace) if "storeRef" in reference else default


def _entry(item: Fields, store: ImportedStore | None, supply: Supply) -> bool:
    key = item.text("secretKey")
    value = _remote(item.child("remoteRef"), store)
    if value is None:
        return False
    supply.files[key] = value
    item.mapped("secretKey", value.text(qualified=False))
    return True


def _extract(item: Fields, store: ImportedStore | None, supply: Supply, count: int) -> bool:
    lost = item.lose_all(
        {
            "find": f"a SecretPolicy could not bound what is found by name. {_LEAVE}",
            "rewrite": f"keys are members of the secret, with their names. {_LEAVE}",
        }
    )
    if lost or "extract" not in item:
        return False
    value = _remote(item.child("extract"), store)
    if value is None:
        return False
    if count > 1:
        item.lost(
            "extract",
            "with several dataFrom it is not known which has which key. List the keys in data",
        )
        return False
    supply.whole = value
    item.decide(
        "extract",
        "a key that pods name is the member of the same name. What takes all keys (a whole volume,"
        " envFrom) is not mapped: list the keys in data",
    )
    return True


def _remote(remote: Fields, store: ImportedStore | None) -> Wanted | None:
    """The value of a remoteRef or of extract."""
    if not _as_stored(remote) or store is None:
        return None
    reference = _reference(remote, store)
    part = remote.text("property") or None
    if part is not None:
        if "." in part:
            remote.decide(
                "property",
                "the operator takes a dot for part of a name, or for a path if there is no such"
                f" name. It is mapped as a name. For a path write #{shown(part.replace('.', '/'))}",
            )
        if not is_property(part) or any(sign in part for sign in "#@*|"):
            remote.lost("property", f"only names of members can be mapped. {_LEAVE}")
            return None
    if not reference:
        return None
    value = wanted(remote, "key", store.draft, (store.scheme, reference, part))
    if value is not None:
        remote.mapped("key", value.text(qualified=False))
        remote.mapped("property", f"the property {shown(part or '')}")
    return value


def _as_stored(remote: Fields) -> bool:
    """Whether the newest value is taken as it is stored."""
    lost = False
    for name, usual in (
        ("decodingStrategy", "None"),
        ("conversionStrategy", "Default"),
        ("metadataPolicy", "None"),
        ("nullBytePolicy", "Ignore"),
    ):
        if remote.text(name) in {"", usual}:
            remote.dropped(name, "this is its default")
        else:
            lost = True
            remote.lost(name, _AS_STORED)
    if "version" in remote:
        if remote.text("version") in {"latest", "AWSCURRENT"}:
            remote.dropped("version", "lastgood serves the newest version")
        else:
            remote.decide(
                "version",
                "lastgood serves the newest version unless an operator pins one: lastgood pin",
            )
    return not lost


def _reference(remote: Fields, store: ImportedStore) -> str:
    key = store.prefix + remote.text("key")
    if store.scheme == "vault":
        if not store.mount and "/data/" not in key and store.version != 1:
            mount, _, rest = key.strip("/").partition("/")
            key = f"{mount}/data/{rest}"
        return vault_reference(store.draft, remote, "key", key, store.mount)
    if store.scheme == "gcp-sm":
        return key.rpartition("secrets/")[2] if key.startswith("projects/") else key
    if store.scheme == "azure-kv":
        kind, slash, name = key.partition("/")
        if slash and kind != "secret":
            remote.lost("key", "only secrets can be read. Leave keys and certificates")
            return ""
        return (name if slash else key).lower()
    return key


def _target(target: Fields, supply: Supply, name: str) -> None:
    secret = target.text("name") or name
    if target.lose_all({"manifest": f"lastgood makes no objects for others. {_LEAVE}"}):
        supply.complete = False
    target.drop_all(
        {
            "name": f"lastgood makes no Secret {shown(secret)}. Pods in these files get its keys",
            "creationPolicy": "lastgood makes no Secret of this name",
            "deletionPolicy": "lastgood never deletes a value because its provider lost it",
            "immutable": "lastgood makes no Secret of this name",
        }
    )
    template = target.child("template")
    if template.text("type") in {"kubernetes.io/tls", "kubernetes.io/dockerconfigjson"}:
        template.lost(
            "type",
            "such a Secret is for an Ingress, a Gateway or imagePullSecrets, and lastgood makes no"
            f" Secret of this name. {_LEAVE}",
        )
        supply.complete = False
    template.drop_all(
        dict.fromkeys(
            ("type", "metadata", "engineVersion"), "lastgood makes no Secret of this name"
        )
    )
    if template.lose_all({"templateFrom": f"lastgood has no templates. {_LEAVE}"}):
        supply.complete = False
    if "data" in template:
        _template(template, supply)
    template.dropped("mergePolicy", "see data")


def _template(template: Fields, supply: Supply) -> None:
    """Only a template that is one value can be mapped. No text of a template is quoted."""
    before = dict(supply.files)
    if template.text("mergePolicy") != "Merge":
        supply.files = {}
    whole, supply.whole = supply.whole, None
    data = template.child("data")
    for key in data.names():
        found = _IDENTITY.fullmatch(data.text(key).strip())
        value = None
        if found is not None:
            value = before.get(found[1]) or Supply(of="", whole=whole).get(found[1])
        if value is None:
            supply.complete = False
            supply.files.pop(key, None)
            data.lost(
                key,
                "lastgood has no templates: let the app read the values of which this is made, or"
                " leave this key with the operator",
            )
        else:
            supply.files[key] = value
            data.mapped(key, value.text(qualified=False))
