"""SecretStore and ClusterSecretStore of External Secrets Operator: the account that an
ExternalSecret reads with. Read at external-secrets' v1 types.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.conversion.aws_objects import WHO_READS
from cli.conversion.azure_objects import SUFFIXES
from cli.conversion.report import FieldOutcome
from cli.conversion.vault_objects import FILES, ROLE, vault_block
from contract.quoted import shown

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.wanted import Draft, DraftAccounts

GROUP = "external-secrets.io"
STORES = ("SecretStore", "ClusterSecretStore")
_KEYS = (
    "the store logs in with keys from a Secret. No value is copied: let the controller log in with"
    " an identity of its own (docs/providers)"
)
_RIGHTS = (
    "each namespace gets a SecretPolicy of its own, with exactly the secrets of its ExternalSecrets"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportedStore:
    """What a reference of an ExternalSecret means with it."""

    draft: Draft
    scheme: str
    prefix: str = ""
    """Before each key."""
    mount: str = ""
    """Of Vault: where the KV engine is; empty: the first segment of each key."""
    version: int = 2
    """Of Vault's KV engine."""


def read_store(
    spec: Fields, name: str, accounts: DraftAccounts, given: Given
) -> ImportedStore | None:
    """None: lastgood has nothing for it, which is reported."""
    spec.drop_all(
        {
            "conditions": _RIGHTS,
            "controller": "the controller is lastgood's",
            "refreshInterval": "how often a store is checked does not matter here",
            "retrySettings": "the controller retries by itself",
        }
    )
    provider = spec.child("provider")
    kinds = provider.names()
    kind = kinds[0] if len(kinds) == 1 else ""
    reader = _READERS.get(kind)
    if reader is None:
        spec.lost(
            "provider",
            f'lastgood has no provider for "{shown(", ".join(kinds))}". Known:'
            f" {', '.join(_READERS)}. Leave the ExternalSecrets of this store. lastgood can read"
            " their Secrets as k8s:NAME (docs/providers/kubernetes.md)",
        )
        spec.finish()
        return None
    store = reader(provider.child(kind), name, accounts, given)
    spec.finish()
    return store


def _aws(block: Fields, name: str, accounts: DraftAccounts, given: Given) -> ImportedStore | None:
    del given  # a store names its region
    schemes = {"": "aws-sm", "SecretsManager": "aws-sm", "ParameterStore": "aws-ssm"}
    scheme = schemes.get(block.text("service"), "")
    wrong = block.lose_all(
        {
            "additionalRoles": "a SecretAccount assumes one role. Let it trust the controller",
            "sessionTags": "a SecretAccount sends no session tags",
            "sessionTagsPolicy": "a SecretAccount sends no session tags",
            "customSessionTags": "a SecretAccount sends no session tags",
            "transitiveTagKeys": "a SecretAccount sends no session tags",
        }
    )
    block.drop_all(
        {
            "secretsManager": "it is about deleting secrets, which lastgood never does",
            "parameterStore": "it is about writing parameters, which lastgood never does",
        }
    )
    if not scheme:
        block.lost("service", "it is not SecretsManager or ParameterStore")
    for field in ("service", "prefix"):
        block.mapped(field, "part of each reference")
    block.mapped("region", "aws.regions of the SecretAccount")
    block.mapped("role", "aws.roleARN of the SecretAccount")
    block.mapped("externalID", "aws.externalID of the SecretAccount")
    if "auth" in block:
        block.decide("auth", _KEYS if "secretRef" in block.child("auth") else WHO_READS)
    else:
        block.note(FieldOutcome.DECIDE, WHO_READS)
    if wrong or not scheme:
        return None
    made: dict[str, Any] = {"regions": [block.text("region")] if "region" in block else []}
    made |= {"roleARN": block.text("role")} if "role" in block else {}
    made |= {"externalID": block.text("externalID")} if "externalID" in block else {}
    draft = accounts.draft("aws", name, made, block.ledger.of)
    return ImportedStore(draft=draft, scheme=scheme, prefix=block.text("prefix"))


def _vault(block: Fields, name: str, accounts: DraftAccounts, given: Given) -> ImportedStore | None:
    wrong = block.lose_all({"headers": "the controller sends no other headers"})
    block.drop_all(
        {
            "readYourWrites": "lastgood does not write",
            "forwardInconsistent": "an answer older than the value in use is never served",
            "checkAndSet": "lastgood does not write",
        }
    )
    auth = _vault_auth(block.child("auth"), given)
    if auth is None:
        block.close()
        return None
    made, missing = vault_block(given, block.text("server"), block.text("namespace"), auth)
    bundle = _bundle(block.text("caBundle"))
    if bundle:
        made["tls"] = {"caBundle": bundle}
    elif "caBundle" in block:
        block.decide("caBundle", "this is not certificates in base64. Set vault.tls by hand")
    for field in ("caProvider", "tls"):
        if field in block:
            block.decide(field, FILES)
    block.mapped("server", "vault.addresses of the SecretAccount")
    block.mapped("namespace", "vault.namespace of the SecretAccount")
    block.mapped("caBundle", "vault.tls.caBundle of the SecretAccount")
    block.mapped("path", "vault.mounts of the SecretAccount")
    block.mapped("version", "vault.mounts of the SecretAccount")
    if wrong:
        return None
    draft = accounts.draft("vault", name, made, block.ledger.of, missing)
    version = 1 if block.text("version") == "v1" else 2
    mount = block.text("path").strip("/")
    if mount:
        mount = mount.removesuffix("/data") if version != 1 else mount
        draft.mounts.setdefault(mount, version)
    return ImportedStore(draft=draft, scheme="vault", mount=mount, version=version)


def _vault_auth(auth: Fields, given: Given) -> dict[str, Any] | None:
    """The controller's login by the same method, where it has it. None: it has none like it."""
    method = next((it for it in ("kubernetes", "jwt", "appRole") if it in auth), "")
    if method == "appRole" and "roleId" in auth.child("appRole"):
        role = auth.child("appRole")
        role.mapped("roleId", "vault.auth.appRole.roleID of the SecretAccount")
        role.mapped("path", "vault.auth.appRole.mount of the SecretAccount")
        role.decide(
            "secretRef",
            "no value is copied: mount this Secret's key for the controller as vault/secret-id with"
            " controller.accountFiles (docs/providers/vault.md)",
        )
        login = {"roleID": role.text("roleId"), "secretIDFile": "vault/secret-id"}
        mount = role.text("path").strip("/")
        return {"appRole": login | ({"mount": mount} if mount else {})}
    if method in {"kubernetes", "jwt"}:
        found = auth.child(method)
        path = "mountPath" if method == "kubernetes" else "path"
        mount = found.text(path).strip("/").removeprefix("auth/")
        found.mapped(path, f"vault.auth.{method}.mount of the SecretAccount")
        found.decide("role", ROLE.format(role=given.role))
        found.close()
        return {method: {"role": given.role} | ({"mount": mount} if mount else {})}
    if "tokenSecretRef" in auth:
        auth.decide(
            "tokenSecretRef",
            "no value is copied: mount this Secret's key for the controller as vault/token with"
            " controller.accountFiles, or better use the kubernetes method",
        )
        return {"tokenFile": "vault/token"}
    auth.lost(
        "",
        "the controller logs in by kubernetes, jwt, appRole with roleId, or a token. Set up one of"
        " them, and write the SecretAccount by hand (docs/providers/vault.md)",
    )
    return None


def _bundle(text: str) -> str:
    """Certificates in PEM; empty where it is not that."""
    try:
        found = base64.b64decode(text, validate=True).decode("ascii")
    except (binascii.Error, ValueError):
        return ""
    return found if "PRIVATE" not in found and "BEGIN CERTIFICATE" in found else ""


def _azure(block: Fields, name: str, accounts: DraftAccounts, given: Given) -> ImportedStore | None:
    del given  # all that an account needs is in the store
    kind = block.text("authType")
    cloud = block.text("environmentType").lower()
    suffixes = {"publiccloud": "", "chinacloud": "x", "usgovernmentcloud": "x", "": ""}
    if block.lose_all({"customCloudConfig": "write the account's authorityHost by hand"}):
        return None
    if cloud not in suffixes:
        block.lost("environmentType", "write the account's authorityHost by hand")
        return None
    block.dropped(
        "environmentType", f"the vault's URL says it: {', '.join(set(SUFFIXES.values()))}"
    )
    block.dropped("useAzureSDK", "it is about the operator's library")
    identity = block.text("identityId")
    if kind == "ManagedIdentity":
        login: dict[str, Any] = {"managedIdentity": {"clientID": identity} if identity else {}}
        block.mapped("identityId", "azure.auth.managedIdentity.clientID of the SecretAccount")
    else:
        login = {"workloadIdentity": {"clientID": identity} if identity else {}}
        block.decide("identityId", WHO_READS) if identity else None
    block.drop_all({"serviceAccountRef": "the service account is the controller's"})
    if "authSecretRef" in block:
        block.decide("authSecretRef", _KEYS)
    block.mapped("authType", f"azure.auth.{next(iter(login))} of the SecretAccount")
    block.mapped("vaultUrl", "azure.vaultURL of the SecretAccount")
    block.mapped("tenantId", "azure.tenantID of the SecretAccount")
    block.note(FieldOutcome.DECIDE, WHO_READS)
    tenant = block.text("tenantId")
    made = {"vaultURL": block.text("vaultUrl").rstrip("/"), "tenantID": tenant, "auth": login}
    missing = None if tenant else "azure.tenantID: add tenantId to the store"
    draft = accounts.draft("azure", name, made, block.ledger.of, missing)
    return ImportedStore(draft=draft, scheme="azure-kv")


def _gcp(block: Fields, name: str, accounts: DraftAccounts, given: Given) -> ImportedStore | None:
    del given  # all that an account needs is in the store
    if "auth" in block:
        block.decide("auth", _KEYS if "secretRef" in block.child("auth") else WHO_READS)
    else:
        block.note(FieldOutcome.DECIDE, WHO_READS)
    if block.text("secretVersionSelectionPolicy") not in {"", "LatestOrFail"}:
        block.lost(
            "secretVersionSelectionPolicy", "lastgood serves the newest version or keeps one"
        )
        return None
    block.dropped("secretVersionSelectionPolicy", "lastgood never serves an older version for it")
    block.mapped("projectID", "gcp.project of the SecretAccount")
    block.mapped("location", "gcp.location of the SecretAccount")
    project = block.text("projectID")
    made = {"project": project} | (
        {"location": block.text("location")} if "location" in block else {}
    )
    missing = None if project else "gcp.project: add projectID to the store"
    draft = accounts.draft("gcp", name, made, block.ledger.of, missing)
    return ImportedStore(draft=draft, scheme="gcp-sm")


_READERS: dict[str, Callable[[Fields, str, DraftAccounts, Given], ImportedStore | None]] = {
    "aws": _aws,
    "vault": _vault,
    "azurekv": _azure,
    "gcpsm": _gcp,
}
