"""SecretProviderClass with provider vault or openbao, as vault-csi-provider reads it
(`internal/config/config.go`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.conversion.aws_objects import PERMISSION
from cli.conversion.wanted import vault_reference, wanted
from contract.quoted import shown

if TYPE_CHECKING:
    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.wanted import Draft, DraftAccounts, Supply

ROLE = (
    "pods no longer log in themselves. Create a role {role} for the controller's service account"
    " that may read exactly these paths (docs/providers/vault.md)"
)
FILES = (
    "a file of the driver's or the agent's. Give the controller its own with"
    " controller.accountFiles, and set vault.tls of the SecretAccount"
)
NO_ADDRESS = "vault.addresses: these manifests do not say it. Give it with --vault-address"
MOUNT_VERSION = "KV version {version} at {mount}: `vault secrets list -detailed` shows it"
_FILES = (
    "vaultCACertPath",
    "vaultCADirectory",
    "vaultCACertDirectory",
    "vaultTLSClientCertPath",
    "vaultTLSClientKeyPath",
)


_VERIFIED = "the controller always verifies certificates"
_MAPPED = {
    "vaultAddress": "vault.addresses",
    "vaultNamespace": "vault.namespace",
    "vaultKubernetesMountPath": "vault.auth.kubernetes.mount",
    "vaultAuthMountPath": "vault.auth.kubernetes.mount",
    "audience": "vault.auth.kubernetes.audience",
    "vaultTLSServerName": "vault.tls.serverName",
}


def vault_block(
    given: Given, address: str, namespace: str, auth: dict[str, Any] | None = None
) -> tuple[dict[str, Any], str | None]:
    """The block without its mounts, and what is missing."""
    address = (address or given.vault_address or "").rstrip("/")
    block: dict[str, Any] = {"addresses": [address] if address else []}
    if namespace.strip("/"):
        block["namespace"] = namespace.strip("/")
    block["auth"] = auth or {"kubernetes": {"role": given.role}}
    return block, None if address else NO_ADDRESS


def read_vault(parameters: Fields, accounts: DraftAccounts, given: Given, volume: Supply) -> None:
    """Its files. Losses are reported."""
    draft = _account(parameters, accounts, given)
    listed = parameters.parsed("objects")
    objects = listed.items("objects")
    if not objects:
        volume.complete = False
        listed.lost("objects", "this is not a list of objects, so there is nothing to import")
    for item in objects:
        if not _object(item, draft, volume):
            volume.complete = False
            item.close()
        if item.finish():
            volume.complete = False


def _account(parameters: Fields, accounts: DraftAccounts, given: Given) -> Draft:
    def text(name: str) -> str:
        return parameters.text(_named(parameters, name))

    mount = text("vaultAuthMountPath") or text("vaultKubernetesMountPath")
    auth: dict[str, Any] = {"role": given.role}
    if mount:
        auth["mount"] = mount.strip("/").removeprefix("auth/")
    if text("audience"):
        auth["audience"] = text("audience")
    login = {"kubernetes": auth}
    block, missing = vault_block(given, text("vaultAddress"), text("vaultNamespace"), login)
    if text("vaultTLSServerName"):
        block["tls"] = {"serverName": text("vaultTLSServerName")}
    draft = accounts.draft("vault", "vault", block, parameters.ledger.of, missing)
    for name, to in _MAPPED.items():
        parameters.mapped(_named(parameters, name), f"{to} of the SecretAccount")
    parameters.decide("roleName", ROLE.format(role=given.role))
    files = (_named(parameters, name) for name in _FILES)
    for name in (name for name in files if name in parameters):
        parameters.decide(name, FILES)
    skip = _named(parameters, "vaultSkipTLSVerify")
    if parameters.text(skip).lower() in {"true", "1"}:
        parameters.decide(skip, f"{_VERIFIED}. Set vault.tls of the SecretAccount")
    parameters.dropped(skip, _VERIFIED)
    return draft


def _named(parameters: Fields, name: str) -> str:
    """The parameter's name: OpenBao's provider has some that start with bao."""
    other = name.replace("vault", "bao", 1)
    return other if other in parameters else name


def _object(item: Fields, draft: Draft, volume: Supply) -> bool:
    item.drop_all({"filePermission": PERMISSION})
    fine = not item.lose_all(
        {"secretArgs": "lastgood reads KV secrets only. Leave what Vault makes with the driver"}
    )
    if item.text("method").upper() not in {"", "GET"}:
        fine = False
        item.lost(
            "method", "lastgood reads KV secrets only. Leave what Vault makes with the driver"
        )
    item.dropped("method", "the controller reads with GET")
    if item.text("encoding").lower() not in {"", "utf-8"}:
        fine = False
        item.lost("encoding", "the file has the value as it is stored. Decode it in the app")
    item.dropped("encoding", "the file has the value as it is stored")
    path, query, _ = item.text("secretPath").partition("?")
    if query:
        fine = False
        item.lost("secretPath", "a version is selected with lastgood pin, not with ?version=")
    reference = vault_reference(draft, item, "secretPath", path) if fine else ""
    if not reference:
        return False
    part = item.text("secretKey") or None
    if part is None:
        item.lost(
            "secretPath",
            "without secretKey the driver writes Vault's whole answer. lastgood writes the secret's"
            " JSON object. Name the key",
        )
        return False
    value = wanted(item, "secretPath", draft, ("vault", reference, part))
    if value is None:
        return False
    file = item.text("objectName")
    volume.files[file] = value
    text = value.text(qualified=False)
    item.mapped("secretPath", f"{text}, file {shown(file)}")
    item.mapped("secretKey", f"the property {shown(part)}")
    item.mapped("objectName", f"the file {shown(file)}")
    return True
