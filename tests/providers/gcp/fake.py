"""Google Cloud as its docs and the bodies in public issues have it: Secret Manager, STS, IAM
Credentials, OAuth and the metadata server, and that of AWS beside them. The official client reads
from it in test_official.py.
"""

from __future__ import annotations

import base64
import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from providers.gcp.source.crc32c import crc32c
from tests.providers.cloud import Asked, Cloud, Reply, later

if TYPE_CHECKING:
    from pathlib import Path

PROJECT, NUMBER = "payments-prod", "123456789012"
LOCATION = "europe-west3"
GLOBAL = "secretmanager.googleapis.com"
REGIONAL = f"secretmanager.{LOCATION}.rep.googleapis.com"
HOSTS = [
    GLOBAL,
    REGIONAL,
    "sts.googleapis.com",
    "iamcredentials.googleapis.com",
    "oauth2.googleapis.com",
]
NODE = "lastgood@payments-prod.iam.gserviceaccount.com"
OTHER = "reader@payments-prod.iam.gserviceaccount.com"
BETWEEN = "aws@payments-prod.iam.gserviceaccount.com"
AUDIENCE = (
    f"//iam.googleapis.com/projects/{NUMBER}/locations/global/workloadIdentityPools/clusters"
    "/providers/prod"
)
SCOPE = "https://www.googleapis.com/auth/cloud-platform"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"
AWS_TOKEN = "urn:ietf:params:aws:token-type:aws4_request"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
BY_JWT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_PATH = re.compile(
    "/v1/projects/([^/]+)(?:/locations/([^/]+))?/secrets/([^/]+)/versions(?:/([^/:]+)(:access)?)?"
)


@dataclass
class Version:
    """Of a secret."""

    data: bytes
    state: str = "ENABLED"
    crc: int | None = None
    """What is said instead of the right one."""


@dataclass
class Google:
    """Who may read what: every principal but those in `denied`, in the project that they have a
    grant on (`project_level`), or secret by secret.
    """

    folder: Path
    secrets: dict[tuple[str | None, str], list[Version]] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    """Principal by token."""
    denied: set[str] = field(default_factory=set)
    project_level: bool = True
    subject_tokens: set[str] = field(default_factory=lambda: {"header.token-of-the-pod.signature"})
    lasts_s: int = 3599
    lagging: dict[str, int] = field(default_factory=dict)
    """The number that `latest` still is at a replica that lags, by secret."""
    cloud: Cloud = field(init=False)

    def __post_init__(self) -> None:
        self.cloud = Cloud(self.folder, HOSTS, self.answer)

    def put(self, secret: str, data: bytes, location: str | None = None) -> None:
        """Add a version."""
        self.secrets.setdefault((location, secret), []).append(Version(data))

    def answer(self, asked: Asked) -> Reply:
        if asked.path.startswith("/computeMetadata/v1/"):
            return self._metadata(asked)
        if asked.path.startswith("/latest/"):
            return _imds(asked)
        if not asked.secure:
            return _html(400)
        if asked.path == "/v1/token":
            return self._exchange(asked)
        if asked.path == "/token":
            return self._by_jwt(asked)
        if asked.path.endswith(":generateAccessToken"):
            return self._impersonate(asked)
        return self._secret_manager(asked)

    def given(self, principal: str) -> dict[str, Any]:
        """A new token of OAuth."""
        token = f"ya29.canary-5f1d3c-{len(self.tokens)}"
        self.tokens[token] = principal
        return {"access_token": token, "expires_in": self.lasts_s, "token_type": "Bearer"}

    def _metadata(self, asked: Asked) -> Reply:
        flavor = {"Metadata-Flavor": "Google", "Server": "Metadata Server for VM"}
        if asked.headers.get("metadata-flavor") != "Google":
            return Reply(b"Missing Metadata-Flavor:Google header.\n", 403, flavor)
        account, _, what = asked.path.removeprefix(
            "/computeMetadata/v1/instance/service-accounts/"
        ).partition("/")
        if account not in {"default", NODE}:
            return Reply(b"<!DOCTYPE html><p>Error 404 (Not Found)", 404, flavor)
        if what == "token":
            return Reply(self.given(NODE), headers=flavor)
        found = {"aliases": ["default"], "email": NODE, "scopes": [SCOPE]}
        return Reply(found, headers=flavor)

    def _exchange(self, asked: Asked) -> Reply:
        """As https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token."""
        form = asked.form
        if form.get("grant_type") != EXCHANGE or form.get("scope") not in {SCOPE, IAM_SCOPE}:
            return _oauth("invalid_request", 'Invalid value for "grant_type".')
        if form.get("audience") != AUDIENCE:
            return _oauth(
                "invalid_target",
                'The target service indicated by the "audience" parameters is invalid.',
            )
        token = form.get("subject_token", "")
        if form.get("subject_token_type") == AWS_TOKEN:
            signed = json.loads(unquote(token))
            known = signed["url"].startswith("https://sts.eu-west-1.amazonaws.com")
        else:
            known = token in self.subject_tokens
        if not known:
            return _oauth(
                "invalid_grant",
                "The audience in ID Token [sts.amazonaws.com] does not"
                " match the expected audience.",
            )
        issued = {"issued_token_type": "urn:ietf:params:oauth:token-type:access_token"}
        return Reply(self.given("principal://of-the-pool") | issued)

    def _by_jwt(self, asked: Asked) -> Reply:
        if asked.form.get("grant_type") != BY_JWT or asked.form["assertion"].count(".") != 2:
            return _oauth("invalid_grant", "Invalid JWT Signature.")
        return Reply(self.given(NODE))

    def _impersonate(self, asked: Asked) -> Reply:
        principal = self.tokens.get(asked.bearer)
        if principal is None:
            return unauthenticated()
        email = asked.path.rpartition("/")[2].partition(":")[0]
        if email not in {OTHER, BETWEEN}:
            what = "Permission 'iam.serviceAccounts.getAccessToken' denied on resource"
            return error(403, "PERMISSION_DENIED", f"{what} (or it may not exist).", IAM)
        token = self.given(email)["access_token"]
        return Reply({"accessToken": token, "expireTime": later(self.lasts_s)})

    def _secret_manager(self, asked: Asked) -> Reply:
        principal = self.tokens.get(asked.bearer)
        if principal is None:
            return unauthenticated()
        path = _PATH.fullmatch(asked.path)
        if path is None:
            return _html(404)
        project, location, secret, version, access = path.groups()
        if project not in {PROJECT, NUMBER}:
            return error(403, "PERMISSION_DENIED", f"Permission denied on resource {project}.", [])
        if asked.host not in {"localhost", REGIONAL if location else GLOBAL}:
            return _html(404)
        versions = self.secrets.get((location, secret), [])
        if secret in self.denied or (not versions and not self.project_level):
            what = "Permission 'secretmanager.versions.access' denied for resource"
            resource = asked.path.removeprefix("/v1/").removesuffix(":access")
            return error(
                403, "PERMISSION_DENIED", f"{what} '{resource}' (or it may not exist).", IAM
            )
        place = f"projects/{NUMBER}" + (f"/locations/{location}" if location else "")
        name = f"{place}/secrets/{secret}"
        return self._version(name, versions, version or "", access=bool(access), secret=secret)

    def _version(
        self, name: str, versions: list[Version], version: str, *, access: bool, secret: str
    ) -> Reply:
        if not versions:
            return error(404, "NOT_FOUND", f"Secret [{name}] not found or has no versions.", [])
        latest = self.lagging.get(secret, len(versions))
        number = latest if version == "latest" else int(version)
        if not 1 <= number <= len(versions):
            return error(
                404, "NOT_FOUND", f"Secret Version [{name}/versions/{number}] not found.", []
            )
        found = versions[number - 1]
        full = f"{name}/versions/{number}"
        if not access:
            return Reply({"name": full, "state": found.state, "createTime": later(0)})
        if found.state != "ENABLED":
            what = f"Secret Version [{full}] is in {found.state} state."
            return error(400, "FAILED_PRECONDITION", what, [])
        payload = {"data": base64.b64encode(found.data).decode()}
        sum_ = crc32c(found.data) if found.crc is None else found.crc
        return Reply({"name": full, "payload": payload | {"dataCrc32c": str(sum_)}})

    def stop(self) -> None:
        self.cloud.stop()


def _imds(asked: Asked) -> Reply:
    """AWS's metadata server where only its second version is allowed
    (https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-retrieval.html).
    """
    session = "AQAEALEXAMPLE=="
    if (asked.method, asked.path) == ("PUT", "/latest/api/token"):
        known = "x-aws-ec2-metadata-token-ttl-seconds" in asked.headers
        return Reply(session.encode() if known else b"", 200 if known else 400)
    if asked.headers.get("x-aws-ec2-metadata-token") != session:
        return Reply(b"", 401)
    role = "/latest/meta-data/iam/security-credentials"
    credentials = {
        "Code": "Success",
        "Type": "AWS-HMAC",
        "AccessKeyId": "ASIAEXAMPLE",
        "SecretAccessKey": "canary-5f1d3c",
        "Token": "IQoJb3JpZ2luX2VjEXAMPLE",
        "Expiration": later(21600),
    }
    answers = {
        "/latest/meta-data/placement/availability-zone": b"eu-west-1b",
        role: b"node",
        f"{role}/node": credentials,
    }
    return Reply(answers[asked.path]) if asked.path in answers else Reply(b"", 404)


IAM = [
    {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "IAM_PERMISSION_DENIED",
        "domain": "iam.googleapis.com",
    }
]


def error(status: int, code: str, message: str, details: list[dict[str, Any]]) -> Reply:
    """Of Google's APIs (https://cloud.google.com/apis/design/errors)."""
    found = {"code": status, "message": message, "status": code}
    return Reply({"error": found | ({"details": details} if details else {})}, status)


def unauthenticated() -> Reply:
    """As Google answers a token that is none or has ended."""
    details = [
        {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "ACCESS_TOKEN_EXPIRED",
            "domain": "googleapis.com",
        }
    ]
    message = "Request had invalid authentication credentials."
    return error(401, "UNAUTHENTICATED", message, details)


def _oauth(code: str, description: str) -> Reply:
    return Reply({"error": code, "error_description": description}, 400)


def _html(status: int) -> Reply:
    return Reply(b"<!DOCTYPE html>", status, {"Content-Type": "text/html; charset=UTF-8"})
