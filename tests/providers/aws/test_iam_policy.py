"""The policies of docs/providers/aws-sm.md allow what the AWS sources call, and nothing else."""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest

from contract.reasons import FetchFailure
from providers.aws.source.client import SecretsManagerClient, StsClient
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.aws.roles import OWN, REFUSED, Given, account, refusal
from tests.providers.conformance.store import Clock
from tests.providers.harness import one, source_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.protocol import FetchResult, Source
    from tests.providers.harness import Scripted

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs/providers/aws-sm.md").read_text()
BLOCKS: list[dict[str, Any]] = [
    json.loads(block)
    for block in re.findall(r"^```json\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
]
STATEMENTS = [it for block in BLOCKS for it in block.get("Statement", [block])]
PERMISSIONS: dict[str, dict[str, Any]] = {it["Sid"]: it for it in STATEMENTS if "Sid" in it}
"""What an identity may do, by Sid."""
TRUST = [it for it in STATEMENTS if "Principal" in it]
ROLE = PERMISSIONS["Role"]["Resource"]
NAMES = ("/prod/payments/db", "/prod/payments/team/api-key")
ELSEWHERE = "/prod/orders/db"


def actions(statement: dict[str, Any]) -> set[str]:
    """Of a statement that names one or several."""
    found = statement["Action"]
    return {found} if isinstance(found, str) else set(found)


class Iam:
    """An AWS that allows what some statements of the page do. It remembers what it was asked."""

    def __init__(self, script: Scripted, *sids: str) -> None:
        self._script = script
        self._statements = [PERMISSIONS[sid] for sid in sids]
        self.used: set[tuple[str, str]] = set()
        """The Sid and the action of what was allowed."""
        self.denied: set[str] = set()
        self.given = Given(script)
        script.before = self._before

    def _before(self, operation: str) -> None:
        asked = self._script.asked[-1][1]
        if operation == "AssumeRole":
            if self._may("sts:AssumeRole", asked["RoleArn"]):
                self.given.gives(1)
            else:
                self._script.say(operation, refusal("AccessDenied"), 403)
        elif operation == "BatchGetSecretValue":
            allowed = self._may("secretsmanager:BatchGetSecretValue", "*")
            self._answer(operation, {"SecretValues": [*self._values(asked)]}, allowed=allowed)
        else:
            name = asked["SecretId"]
            body = {**_value(name), "VersionIdsToStages": {"v" * 32: ["AWSCURRENT"]}}
            allowed = self._may(f"secretsmanager:{operation}", _arn(name))
            self._answer(operation, body, allowed=allowed)

    def _values(self, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        for name in asked["SecretIdList"]:
            if self._may("secretsmanager:GetSecretValue", _arn(name)):
                yield _value(name)

    def _answer(self, operation: str, body: dict[str, Any], *, allowed: bool) -> None:
        self._script.say(operation, body if allowed else REFUSED, 200 if allowed else 400)

    def _may(self, action: str, resource: str) -> bool:
        for statement in self._statements:
            if action in actions(statement) and fnmatchcase(resource, statement["Resource"]):
                self.used.add((statement["Sid"], action))
                return True
        self.denied.add(action)
        return False


def _arn(name: str) -> str:
    return f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-a1B2c3"


def _value(name: str) -> dict[str, Any]:
    return {
        "Name": name,
        "VersionId": "v" * 32,
        "VersionStages": ["AWSCURRENT"],
        "SecretString": f"value of {name}",
    }


def opened(script: Scripted, role: str | None) -> Source:
    """The source of an account, with a role or without."""
    aws = {"roleARN": role} if role else {"roleARN": None, "stsEndpoint": None}
    return source_of(account(script.address, **aws), "aws-sm", monotonic=Clock(), keys=OWN)


def everything(source: Source, names: tuple[str, ...]) -> list[FetchResult]:
    """All that the engine asks of a source: a value, a change, a pinned version, a batch, and alone
    what the batch says nothing of.
    """
    source.fetch([FetchRequest(reference=names[0])])  # a role logs in first
    found = [
        one(source, names[0]),
        one(source, names[0], known_version="v" * 32),
        one(source, names[0], known_version="w" * 32),
        one(source, names[0], version="v" * 32),
    ]
    for name, result in zip(
        names, source.fetch([FetchRequest(reference=name) for name in names]).results, strict=True
    ):
        found.append(one(source, name) if isinstance(result, Alone) else result)
    return found


CASES = {
    "without batches": (("Read",), None),
    "with batches": (("Read", "Batch"), None),
    "a role, without batches": (("Read", "Role"), ROLE),
    "a role, with batches": (("Read", "Batch", "Role"), ROLE),
}


@pytest.mark.parametrize(("sids", "role"), CASES.values(), ids=CASES)
def test_a_policy_allows_all_that_is_needed_and_no_more(
    script: Scripted, sids: tuple[str, ...], role: str | None
) -> None:
    """Every value arrives, each action of each statement was used, and only a batch was denied,
    where the policy has none.
    """
    iam = Iam(script, *sids)
    source = opened(script, role)
    results = everything(source, NAMES)
    source.close()
    assert [type(result) for result in results] == [Material, NotModified, *[Material] * 4]
    granted = {(sid, action) for sid in sids for action in actions(PERMISSIONS[sid])}
    assert iam.used == granted
    assert iam.denied == (set() if "Batch" in sids else {"secretsmanager:BatchGetSecretValue"})


@pytest.mark.parametrize("sids", [("Read",), ("Read", "Batch")])
def test_no_secret_beyond_the_policy_is_read(script: Scripted, sids: tuple[str, ...]) -> None:
    """Also not by a batch, whose own permission is for all resources."""
    Iam(script, *sids)
    source = opened(script, None)
    results = everything(source, (ELSEWHERE, ELSEWHERE + "-replica"))
    source.close()
    assert {type(result) for result in results} == {Failed}
    assert {result.reason for result in results if isinstance(result, Failed)} == {
        FetchFailure.DENIED
    }


def test_the_page_names_every_operation_in_use() -> None:
    """A source can call only what Client and StsClient have, by mypy. KMS is called by Secrets
    Manager.
    """
    session = botocore.session.Session()
    called = set()
    for service, protocol in (("secretsmanager", SecretsManagerClient), ("sts", StsClient)):
        client = session.create_client(service, region_name="eu-west-1")
        methods = {name for name in vars(protocol) if not name.startswith("_")} - {"close"}
        called |= {f"{service}:{client.meta.method_to_api_mapping[name]}" for name in methods}
        client.close()
    named = {action for statement in PERMISSIONS.values() for action in actions(statement)}
    assert named == called | {"kms:Decrypt"}


def test_a_key_is_used_by_secrets_manager_alone() -> None:
    """In the region of the secrets."""
    key = PERMISSIONS["Key"]
    region = PERMISSIONS["Read"]["Resource"].split(":")[3]
    assert key["Resource"].startswith(f"arn:aws:kms:{region}:")
    assert key["Condition"] == {
        "StringEquals": {"kms:ViaService": f"secretsmanager.{region}.amazonaws.com"}
    }


def test_each_trust_policy_lets_one_identity_in() -> None:
    """Operations of STS that there are; and the service account is the chart's."""
    sts = set(botocore.session.Session().get_service_model("sts").operation_names)
    for statement in TRUST:
        used = {action.removeprefix("sts:") for action in actions(statement)}
        assert used - {"TagSession"} <= sts
        assert statement["Condition"]["StringEquals"]
    text = (ROOT / "charts/lastgood/templates/controller/rbac.yaml").read_text()
    assert "kind: ServiceAccount\nmetadata:\n  name: lastgood-controller\n" in text
    pod, federated, role = (it["Condition"]["StringEquals"] for it in TRUST)
    assert set(pod.values()) == {"lastgood-system", "lastgood-controller"}
    assert "system:serviceaccount:lastgood-system:lastgood-controller" in federated.values()
    assert set(role) == {"sts:ExternalId"}


def test_readme_sends_the_installer_here() -> None:
    """README and the quickstart's values name the same account and names as the page."""
    assert "docs/providers/aws-sm.md" in (ROOT / "README.md").read_text()
    values = (ROOT / "examples/quickstart/values.yaml").read_text()
    assert TRUST[2]["Principal"]["AWS"] in values
    assert f"regions: [{PERMISSIONS['Read']['Resource'].split(':')[3]}]" in values
