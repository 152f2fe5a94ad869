"""At the start: what is forbidden is tried without effect, and must be refused (DESIGN.md section
6). Where it is not, the controller could read any Secret, and does not start.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from kube.errors import ForbiddenError, InvalidError, NotFoundError
from kube.resources import PODS, SECRETS, SELF_ACCESS_REVIEWS

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from kube.api import Api

PROBE = "lastgood-self-check"
"""A Secret of another type in the release namespace, without content, that the chart makes."""
READS = ("get", "list", "watch", "deletecollection", "update")
"""Verbs on Secrets that no process of ours has."""


class NotRefusedError(Exception):
    """Something forbidden was granted, or could not be tried; the message says what. Caught by
    main.
    """


async def check(api: Api, namespace: str, pod: str | None) -> None:
    """Tries each forbidden act as a dry run in our own namespace. NotRefusedError."""
    for verb in READS:
        if await _may(api, verb):
            raise NotRefusedError(f"this identity may {verb} Secrets; take that right away from it")
    opaque = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "lastgood-self-check-create"},
        "type": "Opaque",
    }
    path = SECRETS.path(namespace)
    await _refused("create a Secret of another type", api.create(path, opaque, dry_run=True))
    await _kept_from_us(api, namespace)
    if pod is not None:
        label = {"metadata": {"labels": {"lastgood.dev/self-check": "granted"}}}
        patch = api.merge_patch(PODS.path(namespace, pod), label, dry_run=True)
        await _refused("label a pod", patch)


async def _kept_from_us(api: Api, namespace: str) -> None:
    probe = SECRETS.path(namespace, PROBE)
    try:
        await _refused("read a foreign Secret by an empty patch", api.merge_patch(probe, {}))
        delete = api.delete(probe, dry_run=True)
        await _refused("read a foreign Secret by a dry-run delete", delete)
    except NotFoundError:
        raise NotRefusedError(
            f"there is no Secret {namespace}/{PROBE}, so it can't be tried whether foreign Secrets"
            " are kept from us; it is the chart's, and `helm upgrade` makes it again"
        ) from None


async def _refused(what: str, act: Awaitable[object]) -> None:
    try:
        await act
    except (ForbiddenError, InvalidError):
        return
    raise NotRefusedError(
        f"the API server lets us {what}; the chart's ValidatingAdmissionPolicies must be in force"
    )


async def _may(api: Api, verb: str) -> bool:
    review = {
        "apiVersion": SELF_ACCESS_REVIEWS.api_version,
        "kind": "SelfSubjectAccessReview",
        "spec": {"resourceAttributes": {"resource": "secrets", "verb": verb}},
    }
    answer = await api.create(SELF_ACCESS_REVIEWS.path(), review)
    return (answer.get("status") or {}).get("allowed") is True
