"""Decisions about the webhook. Pure."""

from __future__ import annotations

import base64
import re
import ssl
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from cli.checks.enforcement import PODS as GUARD
from cli.checks.enforcement import refusal, unanswered
from cli.checks.model import failed, named, ok, skipped, warning
from contract.annotations import INJECTED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from cli.checks.enforcement import Trial
    from cli.checks.model import Finding

Json = dict[str, Any]
CONFIGURATION, WEBHOOK = "lastgood-webhook", "pods.lastgood.dev"
DENIED = f'"{WEBHOOK}" denied the request'
NOT_CALLED = "failed calling webhook"
TROUBLE = {
    "x509": "the API server does not trust the certificate that the webhook serves",
    "no endpoints available": "no replica of the webhook is ready",
    "not found": "the Service lastgood-webhook does not exist",
    "connection refused": "nothing listens at the webhook's address",
    "deadline exceeded": "the webhook does not answer in time",
    "no route to host": "the API server has no route to the webhook's pods",
}
"""What the API server says of a webhook that it cannot call, with what it means."""
_HINTS = {
    "x509": "Wait a minute: the webhook publishes its CA. Else look at its log, and at what"
    " else writes caBundle (GitOps)",
    "no endpoints available": "kubectl -n {system} get pods -l app.kubernetes.io/component=webhook",
    "not found": "`helm upgrade` creates it again",
    "connection refused": "Look at the pods of the Deployment lastgood-webhook",
    "deadline exceeded": "Open the webhook's port to the control plane (firewall, NetworkPolicy;"
    " webhook.port in private clusters)",
    "no route to host": "Open the webhook's port to the control plane (firewall, routes)",
}
SIDE_EFFECTS = "does not support dry run"
SOUGHT = (DENIED, INJECTED, NOT_CALLED, SIDE_EFFECTS, refusal(GUARD), *TROUBLE)
_DAY_S = 86_400.0
CA_LEFT_S = 30 * _DAY_S
LEAF_LEFT_S = 1 * _DAY_S
"""Of a week: it is renewed after two thirds."""
_METRICS = {
    "leaf": re.compile(r'lastgood_certificate_not_after_timestamp_seconds\{kind="leaf"\}'),
    "in_sync": re.compile("lastgood_ca_bundle_in_sync"),
}
UNLABELLED = "kubernetes.io/metadata.name"


def configuration(configurations: Sequence[Json]) -> Finding:
    """That it is there once and has what the chart gives it."""
    found = [
        (it["metadata"]["name"], webhook)
        for it in configurations
        for webhook in it.get("webhooks") or ()
        if webhook.get("name") == WEBHOOK
    ]
    if not found:
        return failed(
            f"there is no MutatingWebhookConfiguration {CONFIGURATION}: annotated pods are refused",
            "`helm upgrade` creates it again",
        )
    if len(found) > 1:
        return failed(
            f"{len(found)} configurations call it: {named(name for name, _ in found)}",
            f"Delete all but {CONFIGURATION}: one installation serves the cluster",
        )
    name, webhook = found[0]
    if name != CONFIGURATION:
        return failed(f"it is called {name}", f"The chart names it {CONFIGURATION}")
    wrong = [f"{key} {webhook.get(key)}" for key in _WANTED if webhook.get(key) != _WANTED[key]]
    if wrong:
        return failed(f"it has {', '.join(wrong)}", "`helm upgrade` sets it again")
    return ok(CONFIGURATION)


_WANTED = {"failurePolicy": "Fail", "reinvocationPolicy": "IfNeeded", "matchPolicy": "Equivalent"}


def excluded(configurations: Sequence[Json], namespaces: Mapping[str, str | None]) -> Finding:
    """Labelled namespaces for which the webhook is not called."""
    excluded = {
        name
        for webhook in _ours(configurations)
        for expression in (webhook.get("namespaceSelector") or {}).get("matchExpressions") or ()
        if (expression.get("key"), expression.get("operator")) == (UNLABELLED, "NotIn")
        for name in expression.get("values") or ()
    }
    found = [name for name, label in namespaces.items() if label is not None and name in excluded]
    if found:
        return warning(
            f"namespaces with a policy, but excluded from the webhook: {named(found)}. Annotated"
            " pods there are refused",
            "Remove the label lastgood.dev/policy, or the name from webhook.excludedNamespaces",
        )
    return ok()


def trusted(configurations: Sequence[Json], now: float) -> Finding:
    """The CAs in caBundle: that there are some, and until when."""
    webhooks = _ours(configurations)
    if not webhooks:
        return skipped("there is no MutatingWebhookConfiguration")
    bundle = (webhooks[0].get("clientConfig") or {}).get("caBundle") or ""
    if not bundle:
        return failed(
            "caBundle is empty: annotated pods are refused",
            "The webhook fills it within a minute. Look at its log, and at what else writes it",
        )
    ends = authorities(bundle)
    if not ends:
        return failed(
            "caBundle has no CA certificate that can be read", "Set it to PEM of the webhook's CA"
        )
    left_s = max(ends) - now
    if left_s <= 0:
        return failed("every CA in caBundle has expired", "Look at the webhook's log")
    if left_s < CA_LEFT_S:
        return warning(
            f"the newest CA in caBundle ends in {left_s // _DAY_S:.0f} days",
            "It should have a successor by now. Look at the webhook's log",
        )
    return ok(f"{len(ends)} CA, for {left_s // _DAY_S:.0f} days")


def authorities(bundle: str) -> list[float]:
    """When each CA of a caBundle ends, in seconds since the epoch; empty: none can be read."""
    try:
        pem = base64.b64decode(bundle, validate=True).decode("ascii")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_verify_locations(cadata=pem)
    except (ValueError, ssl.SSLError):
        return []
    return [float(ssl.cert_time_to_seconds(str(it["notAfter"]))) for it in context.get_ca_certs()]


def reached(opted_in: Trial, system: str) -> Finding:
    """By a dry run of a pod that opts in: the webhook's own answer shows that it is called, and
    that the API server trusts it.
    """
    told = opted_in.told
    if DENIED in told or (opted_in.status == 201 and INJECTED in told):  # noqa: PLR2004 - Created
        return ok("it answered for a trial pod")
    if NOT_CALLED in told:
        for text, meaning in TROUBLE.items():
            if text in told:
                return failed(meaning, _HINTS[text].format(system=system))
        return failed("the API server cannot call the webhook", "Look at the webhook's log")
    if refusal(GUARD) in told:
        return failed(
            f"the API server did not call it for a trial pod, and {GUARD} refused the pod",
            "Look at the rules and selectors of the MutatingWebhookConfiguration",
        )
    if SIDE_EFFECTS in told:
        return skipped("another webhook of the cluster does not allow dry runs of pods")
    if opted_in.status == 201:  # noqa: PLR2004 - Created
        return failed(
            "an annotated trial pod was admitted without lastgood: it would start without secrets",
            "`helm upgrade` creates the webhook's configuration and the policies again",
        )
    if opted_in.status == HTTPStatus.FORBIDDEN:
        return skipped("you may not create pods here, or another policy refuses a trial pod")
    return skipped(unanswered(opted_in))


def certificates(pages: Mapping[str, Mapping[str, float]], now: float) -> Finding:
    """`pages`: by replica, the figures of its page of metrics."""
    if not pages:
        return skipped("no replica of the webhook runs")
    old = [name for name, it in pages.items() if "leaf" in it and it["leaf"] <= now]
    if old:
        return failed(f"expired at {named(old)}", "Look at its log, and delete the pod")
    apart = [name for name, it in pages.items() if it.get("in_sync", 1.0) != 1.0]
    if apart:
        return failed(
            f"caBundle lacks the CA of {named(apart)}",
            "Look at what else writes caBundle (GitOps), and at the webhook's log",
        )
    ends = [it["leaf"] for it in pages.values() if "leaf" in it]
    if not ends:
        return skipped("no replica reports its certificate")
    left_s = min(ends) - now
    if left_s < LEAF_LEFT_S:
        return warning(
            f"the first one expires in {left_s // 3600:.0f} hours", "Look at the webhook's log"
        )
    return ok(f"for {left_s // _DAY_S:.0f} days or more")


def figures(page: str) -> dict[str, float]:
    """Of a replica's page of metrics: `leaf`, seconds since the epoch, and `in_sync`."""
    found = {}
    for line in page.splitlines():
        name, _, value = line.rpartition(" ")
        for key, metric in _METRICS.items():
            if metric.fullmatch(name):
                try:
                    found[key] = float(value)
                except ValueError:
                    continue
    return found


def _ours(configurations: Sequence[Json]) -> list[Json]:
    return [
        webhook
        for it in configurations
        if it["metadata"]["name"] == CONFIGURATION
        for webhook in it.get("webhooks") or ()
        if webhook.get("name") == WEBHOOK
    ]
