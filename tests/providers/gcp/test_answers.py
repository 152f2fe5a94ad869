"""Each answer of Secret Manager has its meaning; bodies are of public issues."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest

from contract.reasons import FetchFailure
from providers.gcp.source.answers import STATUSES
from providers.gcp.source.crc32c import crc32c
from providers.protocol import Failed
from tests.providers.cloud import Reply
from tests.providers.gcp.fake import GLOBAL, IAM, NUMBER, PROJECT, error

if TYPE_CHECKING:
    from tests.providers.gcp.fake import Google
    from tests.providers.gcp.given import Given

DB = f"{GLOBAL}/v1/projects/{PROJECT}/secrets/db"
FOREIGN = (FetchFailure.UNAVAILABLE, "ForeignAnswer")
UNREADABLE = (FetchFailure.UNAVAILABLE, "UnreadableAnswer")


def answer(name: str = f"projects/{NUMBER}/secrets/db/versions/1", **payload: object) -> Reply:
    """As `access` gives it."""
    return Reply({"name": name, "payload": payload})


def info(reason: str) -> list[dict[str, Any]]:
    """google.rpc.ErrorInfo."""
    return [IAM[0] | {"reason": reason, "domain": "googleapis.com"}]


GOOD = {"data": base64.b64encode(b"one").decode(), "dataCrc32c": str(crc32c(b"one"))}
REPLIES = {
    "get-secretmanager-secrets#268": (
        error(400, "FAILED_PRECONDITION", "Secret Version [x] is in DESTROYED state.", []),
        (FetchFailure.INVALID, "VersionNotEnabled"),
    ),
    "nodejs-secret-manager#74": (
        error(400, "INVALID_ARGUMENT", "Resource ID [x] is not in a valid format.", []),
        (FetchFailure.INVALID, "INVALID_ARGUMENT"),
    ),
    "nodejs-secret-manager#58": (
        error(403, "PERMISSION_DENIED", "has not been used in project", info("SERVICE_DISABLED")),
        (FetchFailure.DENIED, "PERMISSION_DENIED:SERVICE_DISABLED"),
    ),
    "causmos#43": (
        error(403, "PERMISSION_DENIED", "denied (or it may not exist)", IAM),
        (FetchFailure.DENIED, "PERMISSION_DENIED"),
    ),
    "a new reason": (
        error(403, "PERMISSION_DENIED", "New.", info("canary-5f1d3c")),
        (FetchFailure.DENIED, "PERMISSION_DENIED"),
    ),
    "a new status": (error(418, "canary-5f1d3c", "New.", []), FOREIGN),
    "not found": (
        error(404, "NOT_FOUND", "Secret [x] not found or has no versions.", []),
        (FetchFailure.ABSENT, "NOT_FOUND"),
    ),
    "proxy's 404": (Reply(b"<!DOCTYPE html>", 404), FOREIGN),
    "404 without a status": (Reply({"error": {"code": 404}}, 404), FOREIGN),
    "404 of OAuth": (Reply({"error": "not_found"}, 404), FOREIGN),
    "proxy's 401": (
        Reply(b"<html>proxy login", 401, {"WWW-Authenticate": 'Basic realm="proxy"'}),
        FOREIGN,
    ),
    "proxy's 403": (Reply(b"<!DOCTYPE html>", 403), FOREIGN),
    "proxy's 429": (Reply(b"slow down", 429), (FetchFailure.THROTTLED, "Http429")),
    "redirect": (
        Reply(b"", 302, {"Location": "https://login.evil.example/"}),
        (FetchFailure.UNAVAILABLE, "Http3xx"),
    ),
    "no payload": (
        Reply({"name": f"projects/{NUMBER}/secrets/db/versions/1"}),
        (FetchFailure.EMPTY, "NoData"),
    ),
    "an empty payload": (answer(data=""), (FetchFailure.EMPTY, "NoData")),
    "no checksum": (answer(data=GOOD["data"]), UNREADABLE),
    "a wrong checksum": (
        answer(data=GOOD["data"], dataCrc32c="1"),
        (FetchFailure.UNAVAILABLE, "ChecksumMismatch"),
    ),
    "no base64": (answer(data="canary-5f1d3c!", dataCrc32c="1"), UNREADABLE),
    "no number": (answer(f"projects/{NUMBER}/secrets/db/versions/latest", **GOOD), UNREADABLE),
    "another secret": (
        answer(f"projects/{NUMBER}/secrets/other/versions/1", **GOOD),
        (FetchFailure.INVALID, "NameMismatch"),
    ),
    "a regional secret": (
        answer(f"projects/{NUMBER}/locations/europe-west3/secrets/db/versions/1", **GOOD),
        (FetchFailure.INVALID, "NameMismatch"),
    ),
    "another project's ID": (
        answer("projects/other/secrets/db/versions/1", **GOOD),
        (FetchFailure.INVALID, "ProjectMismatch"),
    ),
    "hung up": (None, (FetchFailure.UNAVAILABLE, "ProxyError")),
}


def meaning(given: Given, reply: Reply | None, **words: str) -> tuple[FetchFailure, str]:
    """Reason and code, where no word of the answer got out."""
    given.google.cloud.faults[DB] = reply
    result = given.ask("db", **words)
    assert isinstance(result, Failed), result
    assert "canary" not in repr((result, given.calls))
    return result.reason, result.code


@pytest.mark.parametrize(("reply", "means"), REPLIES.values(), ids=REPLIES)
def test_each_answer_has_its_meaning(
    given: Given, reply: Reply | None, means: tuple[FetchFailure, str]
) -> None:
    """By `error.status` and ErrorInfo, never by the text."""
    assert meaning(given, reply) == means


@pytest.mark.parametrize("status", STATUSES)
def test_each_status_of_google_has_its_reason(given: Given, status: str) -> None:
    """Whatever HTTP status comes with it."""
    assert meaning(given, error(400, status, "canary-5f1d3c", []))[0] is STATUSES[status]


def test_another_version_than_the_pinned_one_is_refused(given: Given) -> None:
    """By whatever stands between."""
    assert meaning(given, answer(**GOOD), version="2") == (FetchFailure.INVALID, "VersionMismatch")


def test_a_quota_says_how_long(google: Google, given: Given) -> None:
    """With Retry-After, where there is one."""
    reply = error(429, "RESOURCE_EXHAUSTED", "Quota exceeded.", info("RATE_LIMIT_EXCEEDED"))
    google.cloud.faults[DB] = Reply(reply.body, 429, {"Retry-After": "30"})
    result = given.ask("db")
    assert isinstance(result, Failed)
    assert (result.reason, result.delay_s) == (FetchFailure.THROTTLED, 30.0)
