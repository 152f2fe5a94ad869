"""What the tests of roles share: an account with a role, and an AWS that gives it credentials."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import boto3

from api.account import SecretAccount
from providers.aws.source.client import Keys
from providers.open_source import Logins
from providers.protocol import Again, Material
from tests.providers.conformance.store import Clock
from tests.providers.harness import REGION, Scripted, one, source_of

if TYPE_CHECKING:
    from demo.provider import DemoProvider
    from providers.protocol import FetchResult, Source

OWN = Keys(access_key="own", secret_key="own")
DATE = "Tue, 24 Nov 2026 04:00:00 GMT"
EXPIRED = {"__type": "ExpiredTokenException", "message": "it is over"}
REFUSED = {"__type": "AccessDeniedException", "message": "no"}
ANSWER = {
    "Name": "a",
    "VersionId": "v" * 32,
    "VersionStages": ["AWSCURRENT"],
    "SecretString": "good",
}


def account(address: str, *, name: str = "main", owner: int = 1, **aws: Any) -> SecretAccount:  # noqa: ANN401 - as on the wire
    """An account with a role of AWS account `owner`, reached at `address`."""
    endpoint = f"http://{address}"
    role = f"arn:aws:iam::{owner:012d}:role/reader"
    block = {"regions": [REGION], "endpoint": endpoint, "stsEndpoint": endpoint, "roleARN": role}
    return SecretAccount.model_validate(
        {
            "apiVersion": "lastgood.dev/v1alpha1",
            "kind": "SecretAccount",
            "metadata": {"name": name},
            "spec": {
                "provider": "aws",
                "aws": block | aws,
                "budget": {"callsPerSecond": 1, "burst": 2},
            },
        }
    )


def assumed(number: int, *, ends: str = "2026-11-24T05:00:00Z") -> bytes:
    """What STS answers: the `number`th credentials."""
    return (
        '<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult>'
        f"<Credentials><AccessKeyId>key{number}</AccessKeyId>"
        f"<SecretAccessKey>canary-secret-{number}</SecretAccessKey>"
        f"<SessionToken>canary-token-{number}</SessionToken><Expiration>{ends}</Expiration>"
        "</Credentials></AssumeRoleResult></AssumeRoleResponse>"
    ).encode()


def refusal(code: str) -> bytes:
    """An error of STS."""
    return (
        '<ErrorResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><Error>'
        f"<Type>Sender</Type><Code>{code}</Code><Message>canary-message</Message></Error>"
        "<RequestId>1</RequestId></ErrorResponse>"
    ).encode()


class Given:
    """A scripted AWS, an account with a role there, and what the account said."""

    def __init__(self, script: Scripted, **aws: Any) -> None:  # noqa: ANN401 - as on the wire
        self.script = script
        self.clock = Clock()
        self.calls: list[tuple[str, str]] = []
        self.troubles: list[str] = []
        self.logins = Logins()
        self.source: Source = source_of(
            account(script.address, **aws),
            "aws-sm",
            monotonic=self.clock,
            observer=lambda *call: self.calls.append(call),
            trouble=self.troubles.append,
            logins=self.logins,
            keys=OWN,
        )
        self.gives(1)
        script.say("GetSecretValue", ANSWER)

    def gives(self, number: int, **words: str) -> None:
        """STS gives these credentials from now on."""
        self.script.say("AssumeRole", assumed(number, **words), headers={"Date": DATE})

    def refuses(self, code: str, status: int = 403, headers: dict[str, str] | None = None) -> None:
        """STS gives none from now on."""
        self.script.say("AssumeRole", refusal(code), status, headers)

    def ask(self) -> FetchResult:
        """One fetch."""
        return one(self.source, "a")

    def value(self) -> Material:
        """Fetches until there is a value, as the engine does."""
        results = [result for result in (self.ask(), self.ask()) if result != Again()]
        assert isinstance(results[0], Material), results
        return results[0]

    def asked(self) -> list[str]:
        """The operations that arrived, and forgets them."""
        operations = [operation for operation, *_ in self.script.asked]
        self.script.asked.clear()
        return operations


def hold(provider: DemoProvider, owner: int, name: str, value: str) -> None:
    """Puts a secret into one AWS account of moto."""
    where: dict[str, Any] = {"region_name": REGION, "endpoint_url": f"http://{provider.address}"}
    sts = boto3.client("sts", aws_access_key_id="x", aws_secret_access_key="x", **where)
    role = f"arn:aws:iam::{owner:012d}:role/writer"
    keys = sts.assume_role(RoleArn=role, RoleSessionName="test")["Credentials"]
    boto3.client(
        "secretsmanager",
        aws_access_key_id=keys["AccessKeyId"],
        aws_secret_access_key=keys["SecretAccessKey"],
        aws_session_token=keys["SessionToken"],
        **where,
    ).create_secret(Name=name, SecretString=value)
