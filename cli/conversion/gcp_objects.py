"""SecretProviderClass with provider gcp, as secrets-store-csi-driver-provider-gcp reads it
(`config/config.go`); with provider gke, as GKE's own add-on.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cli.conversion.aws_objects import PERMISSION, WHO_READS
from cli.conversion.report import FieldOutcome
from cli.conversion.wanted import wanted
from contract.quoted import shown

if TYPE_CHECKING:
    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.wanted import DraftAccounts, Supply

RESOURCE = re.compile(
    "projects/(?P<project>[^/]+)/(?:locations/(?P<location>[^/]+)/)?secrets/(?P<id>[^/]+)"
    "(?:/versions/(?P<version>[^/]+))?"
)


def read_gcp(parameters: Fields, accounts: DraftAccounts, given: Given, volume: Supply) -> None:
    """Its files. Losses are reported."""
    del given  # all that an account needs is in the class
    parameters.dropped("auth", "the identity is the controller's")
    parameters.note(FieldOutcome.DECIDE, WHO_READS)
    listed = parameters.parsed("secrets")
    objects = listed.items("secrets")
    if not objects:
        volume.complete = False
        listed.lost("secrets", "this is not a list of secrets, so there is nothing to import")
    for item in objects:
        if not _secret(item, accounts, volume):
            volume.complete = False
        if item.finish():
            volume.complete = False


def _secret(item: Fields, accounts: DraftAccounts, volume: Supply) -> bool:
    item.drop_all({"mode": PERMISSION})
    fine = not item.lose_all(
        {"extractYAMLKey": "a property is a member of a JSON object. Store the value as JSON"}
    )
    named = "path" if "path" in item else "fileName"
    file = item.text(named)
    item.dropped("fileName", "path is used in its place") if named == "path" else None
    resource = RESOURCE.fullmatch(item.text("resourceName"))
    if resource is None:
        item.lost("resourceName", "this is not projects/PROJECT/secrets/ID/versions/VERSION")
        fine = False
    if "/" in file:
        item.lost(named, "a file is in no folder below the mount path. Choose another file name")
        fine = False
    if resource is None or not fine:
        item.drop_all(dict.fromkeys(("fileName", "path", "extractJSONKey"), "it is not mapped"))
        item.dropped("resourceName", "it is not mapped")
        return False
    project, location = resource["project"], resource["location"]
    block = {"project": project} | ({"location": location} if location else {})
    name = "-".join(it for it in ("gcp", project, location) if it)
    draft = accounts.draft("gcp", name, block, item.ledger.of)
    part = item.text("extractJSONKey") or None
    value = wanted(item, "resourceName", draft, ("gcp-sm", resource["id"], part))
    if value is None:
        item.drop_all(dict.fromkeys(("fileName", "path", "extractJSONKey"), "it is not mapped"))
        return False
    volume.files[file] = value
    item.mapped("resourceName", f"{value.text(qualified=False)}, file {shown(file)}")
    item.mapped("extractJSONKey", f"the property {shown(part or '')}")
    item.mapped(named, f"the file {shown(file)}")
    if resource["version"] not in {None, "latest"}:
        item.decide(
            "resourceName",
            "lastgood serves the newest version unless an operator pins one: lastgood pin",
        )
    return True
