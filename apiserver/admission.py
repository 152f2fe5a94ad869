"""Mutating webhooks, called as the API server calls them for new objects.

https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/
"""

from __future__ import annotations

import base64
import ssl
import uuid
from typing import TYPE_CHECKING

import aiohttp
import jsonpatch

from apiserver import kinds
from apiserver.refusal import Json, Refusal
from apiserver.schema import evaluated
from apiserver.selectors import chosen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apiserver.authorization import User
    from apiserver.kinds import Kind
    from apiserver.store import Store

Service = tuple[str, str]
"""Namespace and name."""


_Call = tuple[str, str | None, ssl.SSLContext]
"""Where a webhook is: URL, whose certificate is expected (None: that of the URL's host), trust."""


class Webhooks:
    """Calls the webhooks of the store's configurations, in the order of their names."""

    def __init__(self, store: Store, services: Mapping[Service, str]) -> None:
        """`services` has `host:port` of each Service, live: nothing routes to Services here."""
        self._store = store
        self._services = services

    async def __call__(self, kind: Kind, content: Json, user: User, *, dry_run: bool) -> Json:
        """The object as they changed it. Refusal: one denied it, or could not be asked."""
        found = self._store.list_at(kinds.MUTATING_WEBHOOK.store, self._store.version)
        for _, configuration in found:
            for webhook in configuration.get("webhooks") or ():
                request = _request(kind, content, user, dry_run=dry_run)
                if self._meant(webhook, kind, request):
                    content = await self._called(webhook, request)
        return content

    def _meant(self, webhook: Json, kind: Kind, request: Json) -> bool:
        if not any(_rules(rule, kind) for rule in webhook.get("rules") or ()):
            return False
        content, namespace = request["object"], request["namespace"]
        held = self._store.get(kinds.NAMESPACE.store, ("", namespace))
        labels = ((held or {}).get("metadata") or {}).get("labels") or {}
        own = content["metadata"].get("labels") or {}
        return (
            chosen(webhook["namespaceSelector"], labels)
            and chosen(webhook["objectSelector"], own)
            and _conditions(webhook, request)
        )

    async def _called(self, webhook: Json, request: Json) -> Json:
        """The object with the webhook's patch. Refusal."""
        name = webhook["name"]
        content: Json = request["object"]
        review = {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
        timeout_s = webhook["timeoutSeconds"]
        try:
            call = self._call(webhook["clientConfig"])
            response = await _asked(call, {**review, "request": request}, timeout_s)
        except (aiohttp.ClientError, OSError, TimeoutError, ValueError, KeyError) as error:
            if webhook["failurePolicy"] == "Ignore":
                return content
            message = f'failed calling webhook "{name}": {_trouble(error)}'
            raise Refusal(500, message) from None
        if not response["allowed"]:
            status = response.get("status") or {}
            message = f'admission webhook "{name}" denied the request: {status.get("message", "")}'
            raise Refusal(status.get("code", 403), message, reason=status.get("reason", ""))
        if "patch" not in response:
            return content
        patched: Json = jsonpatch.apply_patch(content, base64.b64decode(response["patch"]).decode())
        return patched

    def _call(self, client: Json) -> _Call:
        bundle = client.get("caBundle")
        if not bundle:
            raise OSError("x509: certificate signed by unknown authority: there is no caBundle")
        tls = ssl.create_default_context(cadata=base64.b64decode(bundle).decode())
        if "url" in client:
            return client["url"], None, tls
        service = client["service"]
        named = f"{service['name']}.{service['namespace']}.svc"
        place = self._services.get((service["namespace"], service["name"]))
        if place is None:
            raise OSError(f'service "{service["name"]}" not found')
        return f"https://{place}{service.get('path', '')}", named, tls


def _trouble(error: Exception) -> str:
    """What kept us from an answer, in the words of the real one where it is known."""
    if isinstance(error, aiohttp.ClientSSLError):
        return "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    if isinstance(error, aiohttp.ClientConnectorError):
        return "dial tcp: connect: connection refused"
    if isinstance(error, TimeoutError):
        return "context deadline exceeded"
    return f"{type(error).__name__}: {error}"


async def _asked(call: _Call, review: Json, timeout_s: float) -> Json:
    limit = aiohttp.ClientTimeout(total=timeout_s)
    query = {"timeout": f"{timeout_s:g}s"}
    url, name, tls = call
    async with (
        aiohttp.ClientSession(timeout=limit) as session,
        session.post(url, params=query, json=review, ssl=tls, server_hostname=name) as answer,
    ):
        answer.raise_for_status()
        response: Json = (await answer.json())["response"]
    if response["uid"] != review["request"]["uid"]:
        raise ValueError("expected response.uid to be that of the request")
    return response


def _request(kind: Kind, content: Json, user: User, *, dry_run: bool) -> Json:
    named = {"group": kind.group, "version": kind.version}
    of_kind, of_resource = {**named, "kind": kind.kind}, {**named, "resource": kind.plural}
    return {
        "uid": str(uuid.uuid4()),
        "kind": of_kind,
        "resource": of_resource,
        "requestKind": of_kind,
        "requestResource": of_resource,
        "name": content["metadata"].get("name", ""),
        "namespace": content["metadata"].get("namespace", ""),
        "operation": "CREATE",
        "userInfo": {"username": user.name, "groups": list(user.groups)},
        "object": content,
        "oldObject": None,
        "dryRun": dry_run,
        "options": {"apiVersion": "meta.k8s.io/v1", "kind": "CreateOptions"},
    }


def _rules(rule: Json, kind: Kind) -> bool:
    listed = (rule[name] for name in ("operations", "apiGroups", "apiVersions", "resources"))
    wanted = ("CREATE", kind.group, kind.version, kind.plural)
    scope = "Namespaced" if kind.namespaced else "Cluster"
    return rule.get("scope", "*") in {"*", scope} and all(
        value in given or "*" in given for given, value in zip(listed, wanted, strict=True)
    )


def _conditions(webhook: Json, request: Json) -> bool:
    """Whether all match conditions hold. Refusal: one has no answer, which failurePolicy Fail makes
    an error.
    """
    known = {"object": request["object"], "oldObject": None, "request": request}
    try:
        return all(
            evaluated(condition["expression"], known)
            for condition in webhook.get("matchConditions") or ()
        )
    except ValueError as error:
        message = f'failed to evaluate match conditions of webhook "{webhook["name"]}": {error}'
        raise Refusal(403, message) from None
