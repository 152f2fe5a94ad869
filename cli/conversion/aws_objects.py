"""SecretProviderClass with provider aws, as secrets-store-csi-driver-provider-aws reads it
(`provider/secret_descriptor.go`, `server/server.go`).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cli.conversion.report import FieldOutcome
from cli.conversion.wanted import jmes_property, wanted
from contract.quoted import shown

if TYPE_CHECKING:
    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.wanted import Draft, DraftAccounts, Supply

_SCHEMES = {
    "secretsmanager": "aws-sm",
    "ssmparameter": "aws-ssm",
}
_ARN = re.compile(
    r"arn:[^:]+:(?P<service>secretsmanager|ssm):(?P<region>[^:]*):(?P<account>[^:]*):"
    r"(?:secret:(?P<secret>.+)|parameter/?(?P<parameter>.+))"
)
_ARN_END = re.compile("(.+)-[A-Za-z0-9]{6}")
PERMISSION = "the files' owner and mode follow the pod's fsGroup and user (docs/contract.md)"
WHO_READS = (
    "pods no longer log in themselves: the controller reads for all pods that the SecretPolicy"
    " allows. Give its role read access to exactly these secrets"
)


def read_aws(parameters: Fields, accounts: DraftAccounts, given: Given, volume: Supply) -> None:
    """Its files. Losses are reported."""
    listed = parameters.parsed("objects")
    objects = listed.items("objects")
    draft = _account(parameters, objects, accounts, given)
    translation = parameters.text("pathTranslation") or "_"
    parameters.dropped("pathTranslation", "the files keep their names")
    parameters.dropped("usePodIdentity", WHO_READS)
    parameters.dropped("filePermission", PERMISSION)
    parameters.dropped("preferredAddressType", "the controller uses what the cluster's network has")
    parameters.note(FieldOutcome.DECIDE, WHO_READS)
    if not objects:
        volume.complete = False
        listed.lost("objects", "this is not a list of objects, so there is nothing to import")
    for item in objects:
        _object(item, draft, translation, volume)
        if item.finish():
            volume.complete = False


def _account(
    parameters: Fields, objects: list[Fields], accounts: DraftAccounts, given: Given
) -> Draft:
    region, second = parameters.text("region"), parameters.text("failoverRegion")
    arns = (_ARN.fullmatch(item.text("objectName")) for item in objects)
    named = {arn["region"]: None for arn in arns if arn}
    first = region or (given.region or "") or next(iter(named), "")
    regions = [it for it in (first, second) if it]
    parameters.mapped("region", "aws.regions of the SecretAccount")
    parameters.mapped("failoverRegion", "aws.regions of the SecretAccount, after the first one")
    missing = (
        None
        if first
        else "aws.regions: the driver takes the region of the node. Give it with --region"
    )
    block: dict[str, object] = {"regions": regions}
    name = "-".join(["aws", *regions]) if first else "aws"
    return accounts.draft("aws", name, block, parameters.ledger.of, missing)


def _object(item: Fields, draft: Draft, translation: str, volume: Supply) -> None:
    found = _reference(item, draft)
    if found is None or not _is_current(item):
        volume.complete = False
        item.close()
        item.dropped("objectAlias", "its object is not mapped")
        item.dropped("jmesPath", "its object is not mapped")
        return
    scheme, reference = found
    alias = item.text("objectAlias") or item.text("objectName")
    named: list[tuple[Fields, str, str, str | None]] = [(item, "objectName", alias, None)]
    for entry in item.items("jmesPath"):
        entry.drop_all({"filePermission": PERMISSION})
        part = jmes_property(entry.text("path"))
        if part is None:
            volume.complete = False
            entry.lost(
                "path",
                "only names of members can be mapped, no index, filter or function. Let the app"
                " read the whole value, or leave it with the driver",
            )
            entry.dropped("objectAlias", "its path is not mapped")
            continue
        named.append((entry, "path", entry.text("objectAlias"), part))
    for fields, name, alias, part in named:
        value = wanted(fields, name, draft, (scheme, reference, part))
        if value is None:
            volume.complete = False
            continue
        file = alias.lstrip("/") if translation == "False" else alias.replace("/", translation)
        volume.files[file] = value
        fields.mapped(name, f"{value.text(qualified=False)}, file {shown(file)}")
        fields.mapped("objectAlias", f"the file {shown(file)}")


def _is_current(item: Fields) -> bool:
    """Whether it is the secret's current version, the same in all regions."""
    whole = True
    item.drop_all({"filePermission": PERMISSION})
    label = item.text("objectVersionLabel")
    if label == "AWSCURRENT":
        item.dropped("objectVersionLabel", "lastgood serves the current version")
    elif label:
        whole = False
        item.lost("objectVersionLabel", "lastgood serves the current version only")
    if "objectVersion" in item:
        item.decide(
            "objectVersion",
            "lastgood serves the newest version unless an operator pins one: lastgood pin",
        )
    failover = item.child("failoverObject")
    if "failoverObject" in item:
        if failover.text("objectName") in {"", item.text("objectName")}:
            item.dropped("failoverObject", "a later region is asked for the same name")
        else:
            whole = False
            item.lost("failoverObject", "a later region is asked for the same name, not another")
    return whole


def _reference(item: Fields, draft: Draft) -> tuple[str, str] | None:
    """Scheme and reference."""
    name, kind = item.text("objectName"), item.text("objectType")
    arn = _ARN.fullmatch(name)
    if arn is not None:
        item.dropped("objectType", "the ARN says it")
        region, regions = arn["region"], draft.block["regions"]
        item.decide(
            "objectName",
            f"the ARN is of AWS account {arn['account']} in {region}. The SecretAccount"
            f" {draft.name} must read from there; it has {', '.join(regions)}",
        )
        if region not in regions:
            item.lost(
                "objectName",
                f"the ARN is of region {shown(region)}, and the account {draft.name} has"
                f" {', '.join(regions) or 'none'}. Write a SecretAccount for it",
            )
            return None
        if arn["service"] == "ssm":
            path = arn["parameter"]
            return "aws-ssm", f"/{path}" if "/" in path else path
        cut = _ARN_END.fullmatch(arn["secret"])
        return "aws-sm", cut[1] if cut else arn["secret"]
    scheme = _SCHEMES.get(kind)
    if scheme is None:
        what = "objectType" if "objectType" in item else "objectName"
        item.lost(what, f"the type of object is not one of {', '.join(_SCHEMES)}")
        item.close()
        return None
    item.mapped("objectType", scheme)
    return scheme, name
