"""At the start: what is forbidden is tried without effect, and must be refused (docs/contract.md,
"Snapshots and ages"). Where it is not, the controller could read any Secret, and does not start.
"""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING

from kube.access_review import may
from kube.api_resources import PODS, SECRETS
from kube.forbidden_requests import Attempt

if TYPE_CHECKING:
    from kube.api import Api
    from kube.forbidden_requests import AttemptOutcome, Attempts

PROBE = "lastgood-self-check"
"""A Secret of another type in the release namespace that the chart makes."""
MARKER = "lastgood-self-check-is-no-secret"
"""What the chart puts into it, as `data.k`. It is no secret, so it shows what an answer quotes."""
READS = ("get", "list", "watch", "patch", "deletecollection")
"""Verbs whose answers or errors hold a Secret's content. In its own namespace the controller has
get and list.
"""
ELSEWHERE = (None, "kube-system", "default")
"""Where no right to read may be. None: in all namespaces at once."""

_JSON = "application/json"
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_JSON_PATCH = "application/json-patch+json"
_APPLY = "application/apply-patch+yaml"
_DRY = {"dryRun": "All"}
_ENCODED = base64.b64encode(MARKER.encode()).decode()
_SOUGHT = (MARKER.encode(), _ENCODED.encode())
_FORBIDDEN, _INVALID = 403, 422


class NotRefusedError(Exception):
    """Something forbidden was granted, or could not be tried; the message says what. Caught by
    main.
    """


async def check(api: Api, attempts: Attempts, namespace: str, pod: str | None) -> None:
    """Asks for each right to read where every cluster has Secrets. Then tries each forbidden act as
    a dry run in our own namespace. `controller.namespace_rights` asks for other namespaces.
    NotRefusedError, TemporaryError.
    """
    for where in ELSEWHERE:
        if where != namespace:
            await _no_right_to_read(api, where)
    await _probe_is_there(attempts, namespace)
    granted = [what for what, one in acts(namespace, pod).items() if await _lets(attempts, one)]
    if granted:
        raise NotRefusedError(
            f"the API server allows the controller to {', '.join(granted)}. The chart's"
            " ValidatingAdmissionPolicies must be in force, and the controller's identity must have"
            " no permission that the chart does not grant"
        )


def acts(namespace: str, pod: str | None) -> dict[str, Attempt]:
    """What must be refused, by what it would be. `pod` is our own; None: it is not known."""
    found = {"create a Secret of another type": _create(namespace)}
    for how, attempt in reads(namespace).items():
        found[f"read a foreign Secret by {how}"] = attempt
    if pod is not None:
        body = {"metadata": {"labels": {"lastgood.dev/self-check": "granted"}}}
        found["label a pod"] = _patch(PODS.path(namespace, pod), _MERGE, body)
    return found


def reads(namespace: str) -> dict[str, Attempt]:
    """Each form that was seen to answer with a Secret's content, or with what depends on it, on an
    API server that has `patch` or no policy (docs/design/010); all are dry runs.
    """
    path = SECRETS.path(namespace, PROBE)
    whole = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": PROBE}}
    strict = {**_DRY, "fieldValidation": "Strict"}
    options = {"apiVersion": "v1", "kind": "DeleteOptions", "dryRun": ["All"]}
    test = [{"op": "test", "path": "/data/k", "value": _ENCODED}]
    return {
        "an empty patch": _patch(path, _MERGE, {}),
        "a patch of its type": _patch(path, _MERGE, {"type": {"a": 1}}),
        "a patch of its data": _patch(path, _MERGE, {"data": {"z": "!!"}}),
        "a patch of an unknown field": _patch(path, _MERGE, {"unknown": 1}, strict),
        "an empty strategic patch": _patch(path, _STRATEGIC, {}),
        "an apply": _patch(path, _APPLY, whole, {**_DRY, "fieldManager": "x", "force": "true"}),
        "a copy to its type": _copy(path, "/type"),
        "a copy to a label": _copy(path, "/metadata/labels/x"),
        "a copy to its name": _copy(path, "/metadata/name"),
        "a copy to a finalizer": _copy(path, "/metadata/finalizers", ["example.com/x"]),
        "a test of its data": _patch(path, _JSON_PATCH, test),
        "a dry-run delete": Attempt(method="DELETE", path=path, body=options, content_type=_JSON),
        "a dry-run delete by its query": Attempt(method="DELETE", path=path, query=_DRY),
        "an update of its type": _put(path, {**whole, "type": "lastgood.dev/snapshot"}),
        "an update": _put(path, {**whole, "type": "Opaque", "data": {"k": _ENCODED}}),
    }


def _create(namespace: str) -> Attempt:
    metadata = {"name": "lastgood-self-check-create"}
    body = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque"}
    path = SECRETS.path(namespace)
    return Attempt(method="POST", path=path, query=_DRY, body=body, content_type=_JSON)


def _patch(path: str, kind: str, body: object, query: dict[str, str] = _DRY) -> Attempt:
    return Attempt(method="PATCH", path=path, query=query, body=body, content_type=kind)


def _copy(path: str, to: str, first: object = None) -> Attempt:
    """Of the content; `first` is put there before."""
    made = [] if first is None else [{"op": "add", "path": to, "value": first}]
    to = to if first is None else f"{to}/0"
    return _patch(path, _JSON_PATCH, [*made, {"op": "copy", "from": "/data/k", "path": to}])


def _put(path: str, body: object) -> Attempt:
    return Attempt(method="PUT", path=path, query=_DRY, body=body, content_type=_JSON)


async def _lets(attempts: Attempts, attempt: Attempt) -> bool:
    """Whether it was not refused, or its refusal depends on the content."""
    outcome = await attempts.make(attempt, _SOUGHT)
    refused = outcome.status in {_FORBIDDEN, _INVALID} and not outcome.found
    if attempt.content_type == _JSON_PATCH:
        # Refused by RBAC before it was looked at: a policy comes after `test` has told its result.
        return not refused or outcome.status != _FORBIDDEN
    return not refused


async def _probe_is_there(attempts: Attempts, namespace: str) -> None:
    get = Attempt(method="GET", path=SECRETS.path(namespace, PROBE))
    outcome: AttemptOutcome = await attempts.make(get, _SOUGHT)
    if not outcome.found:
        raise NotRefusedError(
            f"Secret {namespace}/{PROBE} with the chart's content not found (the API server"
            f" answered {outcome.status}). Without it the controller cannot check that it may not"
            " read other Secrets. `helm upgrade` creates it again"
        )


async def _no_right_to_read(api: Api, where: str | None) -> None:
    answers = await asyncio.gather(*(may(api, verb, "secrets", where) for verb in READS))
    for verb, allowed in zip(READS, answers, strict=True):
        if allowed:
            place = "in every namespace" if where is None else f"in the namespace {where}"
            raise NotRefusedError(
                f"the controller's identity may {verb} Secrets {place}. Remove this permission"
            )
