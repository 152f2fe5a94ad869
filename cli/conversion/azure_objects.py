"""SecretProviderClass with provider azure, as secrets-store-csi-driver-provider-azure reads it
(`pkg/provider/types`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli.conversion.aws_objects import PERMISSION, WHO_READS
from cli.conversion.fields import Fields, read_yaml
from cli.conversion.report import FieldOutcome
from cli.conversion.wanted import wanted
from contract.quoted import shown

if TYPE_CHECKING:
    from cli.conversion.fields import Path
    from cli.conversion.options import Given
    from cli.conversion.wanted import Draft, DraftAccounts, Supply

SUFFIXES = {
    "": "vault.azure.net",
    "azurepubliccloud": "vault.azure.net",
    "azurecloud": "vault.azure.net",
    "azurechinacloud": "vault.azure.cn",
    "azureusgovernmentcloud": "vault.usgovcloudapi.net",
    "azureusgovernment": "vault.usgovcloudapi.net",
}
_TENANTS = ("tenantId", "tenantID")


def read_azure(parameters: Fields, accounts: DraftAccounts, given: Given, volume: Supply) -> None:
    """Its files. Losses are reported."""
    del given  # all that an account needs is in the class
    draft = _account(parameters, accounts, volume)
    parameters.note(FieldOutcome.DECIDE, WHO_READS)
    objects = _objects(parameters)
    if not objects:
        volume.complete = False
        parameters.lost("objects", "this is not a list of objects, so there is nothing to import")
    for item in objects:
        _object(item, draft, volume)
        if item.finish():
            volume.complete = False


def _objects(parameters: Fields) -> list[Fields]:
    """A text of YAML with `array`, whose items are texts of YAML, or objects."""
    node: Any = parameters.parsed("objects").raw("objects")
    path: Path = (*parameters.path, "objects")
    if isinstance(node, dict):
        node, path = node.get("array"), (*path, "array")
    if not isinstance(node, list):
        return []
    for number, item in enumerate(node):
        if isinstance(item, str):
            node[number] = read_yaml(item) or item
    return [Fields(parameters.ledger, item, (*path, number)) for number, item in enumerate(node)]


def _account(parameters: Fields, accounts: DraftAccounts, volume: Supply) -> Draft:
    vault, cloud = parameters.text("keyvaultName"), parameters.text("cloudName")
    suffix = SUFFIXES.get(cloud.lower())
    if suffix is None:
        parameters.lost("cloudName", "lastgood does not know this cloud. Write the account by hand")
        volume.complete = False
        suffix = SUFFIXES[""]
    else:
        parameters.mapped("cloudName", f"the suffix {suffix}")
    if parameters.lose_all({"cloudEnvFileName": "write the account's authorityHost by hand"}):
        volume.complete = False
    tenant = next((parameters.text(name) for name in _TENANTS if name in parameters), "")
    for name in _TENANTS:
        parameters.mapped(name, "azure.tenantID of the SecretAccount")
    parameters.mapped("keyvaultName", "azure.vaultURL of the SecretAccount")
    login = _login(parameters)
    block = {"vaultURL": f"https://{vault}.{suffix}", "tenantID": tenant, "auth": login}
    missing = None if tenant else "azure.tenantID: add tenantId to the class"
    return accounts.draft("azure", f"azure-{vault}", block, parameters.ledger.of, missing)


def _login(parameters: Fields) -> dict[str, Any]:
    """The controller's, in place of the pod's or the node's."""
    client, identity = parameters.text("clientID"), parameters.text("userAssignedIdentityID")
    if parameters.text("useVMManagedIdentity").lower() == "true":
        parameters.mapped("useVMManagedIdentity", "azure.auth.managedIdentity")
        parameters.mapped("userAssignedIdentityID", "azure.auth.managedIdentity.clientID")
        parameters.dropped("clientID", "with a managed identity the driver does not use it")
        parameters.drop_all({"usePodIdentity": "the identity is the controller's"})
        return {"managedIdentity": {"clientID": identity} if identity else {}}
    parameters.drop_all(
        {
            "useVMManagedIdentity": "false",
            "userAssignedIdentityID": "without useVMManagedIdentity the driver does not use it",
            "usePodIdentity": "the identity is the controller's",
            "useAzureTokenProxy": "the controller logs in to Microsoft Entra ID itself",
        }
    )
    if client:
        parameters.decide(
            "clientID",
            "azure.auth.workloadIdentity. Add a federated credential for the controller's service"
            " account to this identity (docs/providers/azure-kv.md)",
        )
    else:
        parameters.decide(
            "usePodIdentity",
            "the controller logs in with a workload identity of its own. Set one up"
            " (docs/providers/azure-kv.md)",
        )
    return {"workloadIdentity": {"clientID": client} if client else {}}


def _object(item: Fields, draft: Draft, volume: Supply) -> None:
    item.drop_all({"filePermission": PERMISSION})
    kind, encoding = item.text("objectType"), item.text("objectEncoding")
    fine = True
    if kind != "secret":
        fine = False
        item.lost(
            "objectType" if kind else "",
            "only objects of type secret can be read. Leave keys and certificates with the driver",
        )
    else:
        item.mapped("objectType", "azure-kv")
    if encoding.lower() not in {"", "utf-8"}:
        fine = False
        item.lost("objectEncoding", "the file has the value as it is stored. Decode it in the app")
    else:
        item.dropped("objectEncoding", "the file has the value as it is stored")
    if item.text("objectFormat").lower() == "pfx":
        fine = False
        item.lost("objectFormat", "only the value as it is stored can be served")
    else:
        item.dropped("objectFormat", "the file has the value as it is stored")
    history = item.text("objectVersionHistory")
    if history not in {"", "0", "1"}:
        fine = False
        item.lost("objectVersionHistory", "only the current version is in a file")
    else:
        item.dropped("objectVersionHistory", "the current version only, as here")
    if item.text("objectVersion").lower() == "latest":
        item.dropped("objectVersion", "lastgood serves the newest version")
    elif "objectVersion" in item:
        item.decide(
            "objectVersion",
            "lastgood serves the newest version unless an operator pins one: lastgood pin",
        )
    name = item.text("objectName")
    value = None
    if fine:
        value = wanted(item, "objectName", draft, ("azure-kv", name.lower(), None))
    if value is None:
        volume.complete = False
        item.close()
        return
    file = item.text("objectAlias") or name
    volume.files[file] = value
    item.mapped("objectName", f"{value.text(qualified=False)}, file {shown(file)}")
    item.mapped("objectAlias", f"the file {shown(file)}")
