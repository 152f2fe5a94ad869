"""Secrets Manager and Parameter Store for the conformance suite: moto, under a role, behind the
wire. What moto does not have, denials and refusing keys, stands before it in AWS's own words.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from contract.secret_bytes import SecretBytes
from controller.accounts import opening_of
from demo.provider import DemoProvider
from providers.aws.source.client import Keys
from providers.aws.source.opening import USUAL, open_source
from providers.aws.source.role import DURATION_S
from providers.credentials import RENEW_SHARE
from tests.providers.aws.roles import account
from tests.providers.conformance.store import (
    PATIENCE_S,
    HttpStore,
    NotApplicable,
    Says,
    patience,
)
from tests.providers.conformance.wire import Reply, Wire, to_server
from tests.providers.harness import REGION

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.providers.conformance.store import Given, Reports
    from tests.providers.conformance.wire import Asked

OWNER = 123456789012
"""moto's own account."""


def moto(folder: Path) -> DemoProvider:
    """For all tests of a session."""
    return DemoProvider(log=folder / "log", region=REGION)


def refusal(code: str, message: str = "by the test", status: int = 400) -> Reply:
    """As AWS JSON 1.1 has it."""
    body = json.dumps({"__type": code, "message": message}).encode()
    return Reply(status=status, body=body, headers={"Content-Type": "application/x-amz-json-1.1"})


CODES = {
    "pinned and gone": "VersionNotFound",
    "denied": "AccessDeniedException",
    "batch with one bad item": "AccessDeniedException",
    "throttled": "ThrottlingException",
    "throttled with Retry-After": "ThrottlingException",
    "unavailable": "InternalServiceError",
    "nobody listens": "ConnectionClosedError",
    "slow beyond the deadline": "ReadTimeoutError",
    "reset mid-body": "ConnectionClosedError",
    "truncated": "UnreadableAnswer ConnectionClosedError",
    "truncated error": "ForeignAnswer",
    "malformed": "UnreadableAnswer",
    "error page": "ForeignAnswer Http5xx",
    # botocore's client falls over a 303.
    "redirected": "Http3xx HTTPClientError",
    "answer for another name": "NameMismatch",
}


class AwsStore(HttpStore):
    """What both services have."""

    server = "moto"

    def __init__(self, given: Given) -> None:
        self.moto = given.servers.of(moto)
        self._given = given
        self._server = to_server(self.moto.address)
        self._refused: dict[str, str] = {}
        """The code of each secret that is refused, by its name."""
        self._instead: dict[str, str] = {}
        """Values that moto does not take, by the name of their secret."""
        self._ended: set[str] = set()
        """Access keys that have expired."""
        self.wire = Wire(self._answer)
        block = {"ssmEndpoint": f"http://{self.wire.address}"}
        it = account(self.wire.address, owner=OWNER, **block)
        opening = opening_of(
            it,
            self.scheme,
            monotonic=given.clock,
            observer=given.observer,
            trouble=given.trouble,
        )
        keys = Keys(access_key="own", secret_key="own")
        self.source = open_source(opening, keys, patience(PATIENCE_S) if given.impatient else USUAL)

    def deny(self, reference: str) -> None:
        self._refused[reference] = "AccessDeniedException"

    def put_empty(self, reference: str) -> None:
        self._put_instead(reference, "")

    def put_large(self, reference: str, value: bytes) -> None:
        self._put_instead(reference, value.decode())

    def expire(self) -> None:
        self._ended |= {_signed_by(it) for it in self.wire.asked} - {"own"}

    def rotate(self) -> None:
        self._given.clock.now += DURATION_S * RENEW_SHARE
        self.expire()

    def error(
        self, kind: Literal["throttled", "unavailable"], message: str = "by the test"
    ) -> Reply:
        if kind == "throttled":
            return refusal("ThrottlingException", message)
        return refusal("InternalServiceError", message, 500)

    def _put_instead(self, reference: str, value: str) -> None:
        self.put(reference, b"to be replaced")
        self._instead[reference] = value

    def _answer(self, asked: Asked) -> Reply:
        if _signed_by(asked) in self._ended:
            return refusal("ExpiredTokenException")
        if "x-amz-target" not in asked.headers:
            return self._server(asked)  # STS
        document = json.loads(asked.body)
        operation = asked.headers["x-amz-target"].rpartition(".")[2]
        refused = self._refusal(operation, document)
        if refused is not None:
            return refused
        reply = self._server(asked)
        if reply.status != 200:
            return reply
        edited = self._edited(operation, json.loads(reply.body))
        return Reply(status=200, body=json.dumps(edited).encode(), headers=reply.headers)

    def _refusal(self, operation: str, document: dict[str, Any]) -> Reply | None:
        raise NotImplementedError

    def _edited(self, operation: str, document: dict[str, Any]) -> dict[str, Any]:
        raise NotImplementedError


class SecretsManager(AwsStore):
    """`aws-sm`."""

    title = "aws-sm"
    scheme = "aws-sm"
    reports: ClassVar[Mapping[str, Reports]] = {
        "disabled": Says("denied", note="its KMS key refuses"),
        "going backwards": Says("value", note="versions have no order; a rollback is followed"),
    }
    codes: ClassVar[Mapping[str, str]] = CODES | {
        "absent": "ResourceNotFoundException",
        "deleted": "InvalidRequestException MarkedForDeletion",
        "deleted for good": "ResourceNotFoundException",
        "disabled": "DecryptionFailure",
    }

    def put(self, reference: str, value: bytes) -> None:
        self.moto.put(reference, SecretBytes(value))

    def put_binary(self, reference: str, value: bytes) -> None:
        self.moto.client().create_secret(Name=reference, SecretBinary=value)

    def remove(self, reference: str) -> None:
        self.moto.client().delete_secret(SecretId=reference, ForceDeleteWithoutRecovery=True)

    def delete(self, reference: str) -> None:
        self.moto.client().delete_secret(SecretId=reference, RecoveryWindowInDays=7)

    def disable(self, reference: str) -> None:
        self.put(reference, b"under another key")
        self._refused[reference] = "DecryptionFailure"

    def recreate(self, reference: str, value: bytes) -> None:
        """Tools pass a constant ClientRequestToken, which becomes the version's name."""
        client = self.moto.client()
        token = client.describe_secret(SecretId=reference)["VersionIdsToStages"]
        [current] = [it for it, stages in token.items() if "AWSCURRENT" in stages]
        self.remove(reference)
        client.create_secret(
            Name=reference, SecretString=value.decode(), ClientRequestToken=current
        )

    def _refusal(self, operation: str, document: dict[str, Any]) -> Reply | None:
        code = self._refused.get(document.get("SecretId", ""))
        if code is None or (code == "DecryptionFailure" and operation == "DescribeSecret"):
            return None
        return refusal(code)

    def _edited(self, operation: str, document: dict[str, Any]) -> dict[str, Any]:
        if operation != "BatchGetSecretValue":
            return self._with_value(document)
        items = [self._with_value(it) for it in document["SecretValues"]]
        errors = [
            {"SecretId": it["Name"], "ErrorCode": self._refused[it["Name"]], "Message": "no"}
            for it in items
            if it["Name"] in self._refused
        ]
        kept = [it for it in items if it["Name"] not in self._refused]
        return document | {"SecretValues": kept, "Errors": [*document["Errors"], *errors]}

    def _with_value(self, item: dict[str, Any]) -> dict[str, Any]:
        value = self._instead.get(item.get("Name", ""))
        if value is None or "SecretString" not in item:
            return item
        return item | {"SecretString": value}


class TextParameters(AwsStore):
    """`aws-ssm` with parameters of type String."""

    title = "aws-ssm String"
    scheme = "aws-ssm"
    kind = "String"
    gone = "99999"
    reports: ClassVar[Mapping[str, Reports]] = {
        "binary": NotApplicable("values are text"),
        "deleted": NotApplicable("every deletion is final"),
        "disabled": NotApplicable("no key"),
    }
    codes: ClassVar[Mapping[str, str]] = CODES | {
        "absent": "ParameterNotFound",
        "deleted for good": "ParameterNotFound",
        "going backwards": "ReplicaLags",
    }

    def put(self, reference: str, value: bytes) -> None:
        self.moto.put_parameter(reference, SecretBytes(value), kind=self.kind)

    def remove(self, reference: str) -> None:
        self.moto.client(service="ssm").delete_parameter(Name=reference)

    def recreate(self, reference: str, value: bytes) -> None:
        """Its version is 1 again."""
        self.remove(reference)
        self.put(reference, value)

    def _refusal(self, operation: str, document: dict[str, Any]) -> Reply | None:  # noqa: ARG002 - as of all
        """IAM refuses a call as a whole, whichever parameter it is for."""
        names = [document.get("Name", "").partition(":")[0], *document.get("Names", [])]
        codes = [self._refused[it] for it in names if it in self._refused]
        return refusal(codes[0]) if codes else None

    def _edited(self, operation: str, document: dict[str, Any]) -> dict[str, Any]:
        if operation == "GetParameter":
            return {"Parameter": self._with_value(document["Parameter"])}
        return document | {"Parameters": [self._with_value(it) for it in document["Parameters"]]}

    def _with_value(self, item: dict[str, Any]) -> dict[str, Any]:
        return item | {"Value": self._instead.get(item["Name"], item["Value"])}


class SecureParameters(TextParameters):
    """`aws-ssm` with parameters of type SecureString."""

    title = "aws-ssm SecureString"
    kind = "SecureString"
    reports: ClassVar[Mapping[str, Reports]] = {
        "binary": NotApplicable("values are text"),
        "deleted": NotApplicable("every deletion is final"),
        "disabled": Says("denied", note="its KMS key refuses"),
    }
    codes: ClassVar[Mapping[str, str]] = {**TextParameters.codes, "disabled": "InvalidKeyId"}

    def disable(self, reference: str) -> None:
        self.put(reference, b"under another key")
        self._refused[reference] = "InvalidKeyId"

    def _refusal(self, operation: str, document: dict[str, Any]) -> Reply | None:
        """KMS too, but only a call that decrypts."""
        return super()._refusal(operation, document) if document["WithDecryption"] else None


def _signed_by(asked: Asked) -> str:
    """The access key that signed a request."""
    return asked.headers.get("authorization", "").partition("Credential=")[2].partition("/")[0]
