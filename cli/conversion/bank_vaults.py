"""Environment variables with references of bank-vaults' webhook (vault-secrets-webhook,
`pkg/common` and `internal/injector`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cli.conversion.vault_objects import FILES, MOUNT_VERSION, ROLE, vault_block
from cli.conversion.wanted import vault_reference, wanted

if TYPE_CHECKING:
    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.wanted import Draft, DraftAccounts, Wanted

PREFIXES = ("vault.security.banzaicloud.io/", "secrets-webhook.security.bank-vaults.io/")
_REFERENCE = re.compile(r"vault:(?P<path>[^#]+)#(?P<key>[^#]+)(?:#(?P<version>.*))?")
_KEY = re.compile("[A-Za-z0-9_.-]+")
_LEAVE = "Leave this variable with bank-vaults' webhook"
_LOST = {
    "transit-key-id": "lastgood decrypts nothing",
    "vault-agent": "templates are not mapped",
    "vault-agent-configmap": "templates are not mapped",
    "vault-ct-configmap": "templates are not mapped",
    "vault-env-from-path": "name each key as a variable of its own",
    "vault-from-path": "name each key as a variable of its own",
}
_ADDRESS, _ROLE, _NAMESPACE, _MOUNT = (
    "vault-addr",
    "vault-role",
    "vault-namespace",
    "vault-path",
)
_TLS = ("vault-tls-secret", "vault-skip-verify")


def is_reference(value: str) -> bool:
    """Whether bank-vaults' webhook replaces it."""
    return value.startswith(("vault:", ">>vault:")) or "${vault:" in value


def words(annotations: Fields) -> dict[str, str]:
    """Annotation by its word, without the prefix."""
    found = {}
    for name in annotations.names():
        for prefix in PREFIXES:
            if name.startswith(prefix):
                found[name.removeprefix(prefix)] = name
    return found


def account(annotations: Fields, accounts: DraftAccounts, given: Given) -> Draft:
    """Of the pod's variables. Its annotations are accounted for."""
    names = words(annotations)

    def text(word: str) -> str:
        return annotations.text(names[word]) if word in names else ""

    login = {"role": given.role}
    if text(_MOUNT):
        login["mount"] = text(_MOUNT).strip("/")
    block, missing = vault_block(given, text(_ADDRESS), text(_NAMESPACE), {"kubernetes": login})
    for word, name in names.items():
        if word in {_ADDRESS, _NAMESPACE, _MOUNT}:
            annotations.mapped(name, "vault of the SecretAccount")
        elif word == _ROLE:
            annotations.decide(name, ROLE.format(role=given.role))
        elif word in _TLS:
            annotations.decide(name, FILES)
        elif word in _LOST and annotations.text(name).lower() != "false":
            annotations.lost(name, f"{_LOST[word]}. Leave this pod with bank-vaults' webhook")
        elif word == "vault-ignore-missing-secrets":
            annotations.decide(name, "the pod waits until each secret is there")
        else:
            annotations.dropped(name, "bank-vaults' webhook does nothing to the pod any more")
    return accounts.draft("vault", "vault", block, annotations.ledger.of, missing)


def read_variable(variable: Fields, draft: Draft) -> Wanted | None:
    """The value of `value`. None is reported; the text is not quoted."""
    found = _REFERENCE.fullmatch(variable.text("value"))
    if found is None or not _KEY.fullmatch(found["key"]):
        variable.lost(
            "value",
            "only vault:path#key can be mapped, no template, part of a text, or >>vault:."
            f" {_LEAVE}",
        )
        return None
    if found["version"]:
        variable.decide(
            "value", "lastgood serves the newest version unless an operator pins one: lastgood pin"
        )
    reference = vault_reference(draft, variable, "value", found["path"])
    if not reference:
        return None
    value = wanted(variable, "value", draft, ("vault", reference, found["key"]))
    if value is None:
        return None
    mount = next((it for it in draft.mounts if reference.startswith(f"{it}/")), "")
    if draft.mounts.get(mount) == 1:
        version = MOUNT_VERSION.format(version=1, mount=mount)
        variable.decide("value", f"{value.text(qualified=False)}. Check {version}")
    return value
