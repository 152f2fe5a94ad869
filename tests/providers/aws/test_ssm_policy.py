"""The policies of docs/providers/aws-ssm.md allow what the source of Parameter Store calls, and
nothing else.
"""

from __future__ import annotations

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any

import botocore.session
import pytest
import yaml

from api.account import SecretAccount
from api.policy import SecretPolicy
from contract.reasons import FetchFailure
from providers.aws.source.client import SsmClient
from providers.protocol import Alone, Failed, FetchRequest, Material, NotModified
from tests.providers.harness import known, one, ssm_source

if TYPE_CHECKING:
    from collections.abc import Iterator

    from providers.aws.source.parameter_store import AwsParameterStore
    from providers.protocol import FetchResult
    from tests.providers.harness import Scripted

PAGE = (Path(__file__).parents[3] / "docs/providers/aws-ssm.md").read_text()


def blocks(language: str) -> list[str]:
    """The page's blocks of code."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


STATEMENTS = [
    it for block in map(json.loads, blocks("json")) for it in block.get("Statement", [block])
]
PERMISSIONS: dict[str, dict[str, Any]] = {it["Sid"]: it for it in STATEMENTS}
NAMES = ("/prod/payments/db", "/prod/payments/team/api-key")
ELSEWHERE = "/prod/orders/db"
KEY = PERMISSIONS["Key"]["Resource"]


def actions(statement: dict[str, Any]) -> set[str]:
    """Of a statement that names one or several."""
    found = statement["Action"]
    return {found} if isinstance(found, str) else set(found)


def arn(name: str) -> str:
    """As AWS makes it: one slash, whatever the name starts with."""
    return f"arn:aws:ssm:eu-west-1:111122223333:parameter/{name.removeprefix('/')}"


class Iam:
    """A Parameter Store that allows what some statements of the page do. `keyed`: parameters under
    the customer key.
    """

    def __init__(self, script: Scripted, *sids: str, keyed: tuple[str, ...] = ()) -> None:
        self._script = script
        self._statements = [PERMISSIONS[sid] for sid in sids]
        self._keyed = keyed
        self.version = 1
        self.used: set[tuple[str, str]] = set()
        """The Sid and the action of what was allowed."""
        script.before = self._before

    def _before(self, operation: str) -> None:
        asked = self._script.asked[-1][1]
        names = asked["Names"] if operation == "GetParameters" else [asked["Name"]]
        named = [name.partition(":")[0] for name in names]
        allowed = [self._may(f"ssm:{operation}", arn(name)) for name in named]
        if asked["WithDecryption"]:
            allowed += [
                self._may("kms:Decrypt", KEY, parameter=arn(name))
                for name in named
                if name in self._keyed
            ]
        if not all(allowed):
            self._script.say(operation, {"__type": "AccessDeniedException"}, 400)
        elif operation == "GetParameters":
            self._script.say(operation, {"Parameters": [self._shown(name) for name in named]})
        else:
            self._script.say(operation, {"Parameter": self._shown(named[0])})

    def _shown(self, name: str) -> dict[str, Any]:
        return {
            "Name": name,
            "Type": "SecureString",
            "Value": "v",
            "Version": self.version,
            "LastModifiedDate": 1764180000.0 + self.version,
            "ARN": arn(name),
        }

    def _may(self, action: str, resource: str, parameter: str = "") -> bool:
        for statement in self._statements:
            given = statement.get("Condition", {}).get("StringLike", {"": "*"})
            for_it = all(fnmatchcase(parameter, pattern) for pattern in given.values())
            fits = action in actions(statement) and fnmatchcase(resource, statement["Resource"])
            if fits and for_it:
                self.used.add((statement["Sid"], action))
                return True
        return False


@pytest.fixture
def source(script: Scripted) -> Iterator[AwsParameterStore]:
    """A source whose provider is the script."""
    source = ssm_source(script.address)
    yield source
    source.close()


def everything(source: AwsParameterStore, iam: Iam, names: tuple[str, ...]) -> list[FetchResult]:
    """All that the engine asks of a source: a value, a check, a change, a pinned version, a batch,
    and alone what the batch says nothing of.
    """
    first = one(source, names[0])
    held = known(first) if isinstance(first, Material) else {}
    found = [first, one(source, names[0], **held)]
    iam.version = 2
    found += [one(source, names[0], **held), one(source, names[0], version="2")]
    for name, result in zip(
        names, source.fetch([FetchRequest(reference=name) for name in names]).results, strict=True
    ):
        found.append(one(source, name) if isinstance(result, Alone) else result)
    return found


CASES = {"the managed key": (("Read",), ()), "a customer key": (("Read", "Key"), NAMES)}


@pytest.mark.parametrize(("sids", "keyed"), CASES.values(), ids=CASES)
def test_a_policy_allows_all_that_is_needed_and_no_more(
    script: Scripted, source: AwsParameterStore, sids: tuple[str, ...], keyed: tuple[str, ...]
) -> None:
    """Every value arrives, and each action of each statement was used."""
    iam = Iam(script, *sids, keyed=keyed)
    results = everything(source, iam, NAMES)
    assert [type(result) for result in results] == [Material, NotModified, *[Material] * 4]
    assert iam.used == {(sid, action) for sid in sids for action in actions(PERMISSIONS[sid])}


def test_without_the_key_only_what_needs_it_is_denied(
    script: Scripted, source: AwsParameterStore
) -> None:
    """The other of the batch arrives."""
    iam = Iam(script, "Read", keyed=NAMES[:1])
    *_, denied, other = everything(source, iam, NAMES)
    assert isinstance(denied, Failed)
    assert denied.reason is FetchFailure.DENIED
    assert isinstance(other, Material)


def test_no_parameter_beyond_the_policy_is_read(
    script: Scripted, source: AwsParameterStore
) -> None:
    """And it takes no other of its batch along."""
    iam = Iam(script, "Read", "Key", keyed=(ELSEWHERE,))
    denied = everything(source, iam, (ELSEWHERE, ELSEWHERE + "-replica"))
    assert {it.reason for it in denied if isinstance(it, Failed)} == {FetchFailure.DENIED}
    assert {type(it) for it in denied} == {Failed}
    *_, own, other = everything(source, iam, (NAMES[0], ELSEWHERE))
    assert (type(own), type(other)) == (Material, Failed)


def test_the_page_names_every_operation_in_use() -> None:
    """A source can call only what SsmClient has, by mypy. KMS is called by Parameter Store."""
    client = botocore.session.Session().create_client("ssm", region_name="eu-west-1")
    methods = {name for name in vars(SsmClient) if not name.startswith("_")} - {"close"}
    called = {f"ssm:{client.meta.method_to_api_mapping[name]}" for name in methods}
    client.close()
    named = {action for statement in PERMISSIONS.values() for action in actions(statement)}
    assert named == called | {"kms:Decrypt"}


def test_a_key_is_used_by_parameter_store_alone() -> None:
    """In the region of the parameters, and for them."""
    read = PERMISSIONS["Read"]["Resource"]
    region = read.split(":")[3]
    assert KEY.startswith(f"arn:aws:kms:{region}:")
    assert PERMISSIONS["Key"]["Condition"] == {
        "StringEquals": {"kms:ViaService": f"ssm.{region}.amazonaws.com"},
        "StringLike": {"kms:EncryptionContext:PARAMETER_ARN": read},
    }


def test_the_pages_account_and_policy_are_valid() -> None:
    """And its revocation is one."""
    whole, part = blocks("yaml")
    account, policy = yaml.safe_load_all(whole)
    SecretPolicy.model_validate(policy)
    account["spec"] |= yaml.safe_load(part)["spec"]
    found = SecretAccount.model_validate(account)
    assert found.spec.revoked[0].covers("aws-ssm", "/prod/payments/db")
    assert not found.spec.revoked[0].covers("aws-sm", "/prod/payments/db")
    assert found.serves("aws-ssm")
