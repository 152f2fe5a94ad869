"""What to do about each reason why a source was not fetched: for Events, and operators' terminals.
Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from contract.reasons import CacheReason, FetchFailure, Found, Serving
from policy.match import ASK, Reason
from providers.registry import SCHEMES

if TYPE_CHECKING:
    from refresh.model import SnapshotState

_WHAT_TO_DO = {
    FetchFailure.ABSENT.value: (
        "the provider has no such secret. Create it there, or correct the annotation"
    ),
    FetchFailure.DENIED.value: (
        "the provider denies the account's identity. Ask the owner of the SecretAccount to permit"
        " the secret"
    ),
    FetchFailure.THROTTLED.value: "the provider limits the request rate. The fetch is retried",
    FetchFailure.UNAVAILABLE.value: (
        "the provider cannot be reached, or its answer cannot be used. The fetch is retried. The"
        " controller's log shows the error code"
    ),
    FetchFailure.INVALID.value: (
        "the request or the value is not valid. The controller's log shows the error code. Correct"
        " the secret at the provider, the SecretAccount, or validate in the SecretPolicy"
    ),
    FetchFailure.EMPTY.value: "the value is empty. Set a value at the provider",
    FetchFailure.LOST_MEMBER.value: (
        "the new version lacks a property that is in use. Add it again at the provider, or pin the"
        " new version to serve it now"
    ),
    FetchFailure.NOT_CONFIRMED.value: (
        "the provider's confirmation of the value is not known. The value is served, and its age"
        " goes on"
    ),
    FetchFailure.WEAK_EVIDENCE.value: (
        "nothing proves that the provider still has the value. The value is served, and its age"
        " goes on"
    ),
    FetchFailure.BUDGET_TOO_SMALL.value: (
        "one fetch can need more calls than budget.burst of the SecretAccount allows. Its status"
        " shows the smallest burst that works. Ask its owner"
    ),
    FetchFailure.TOO_LARGE.value: (
        "the value is too large. Make it smaller, or raise limits.bytesPerSecret in the"
        " SecretPolicy"
    ),
    Found.FOREIGN_SECRET.value: (
        "a Secret with the snapshot's name exists, and lastgood did not create it. Delete it, or"
        " create it under another name"
    ),
    Found.NO_RIGHTS.value: (
        "lastgood may not write Secrets in this namespace. Ask the cluster's admin to add the"
        " namespace to controller.namespaces in the chart's values"
    ),
    Found.WRITE_REFUSED.value: (
        "the API server rejects the snapshot's Secret. Check the namespace's ResourceQuota"
    ),
    Found.WRITE_FAILED.value: ("the snapshot's Secret could not be written. The write is retried"),
    Found.RECORD_NOT_WRITTEN.value: (
        "the controller cannot write its record in the release namespace. Check its permissions and"
        " quotas there, and its log"
    ),
    Found.AGES_NOT_WRITTEN.value: (
        "the ConfigMap lastgood-freshness of the namespace cannot be written. The controller's log"
        " shows the reason"
    ),
    CacheReason.PROPERTY_MISSING.value: (
        "add it to the value at the provider, or correct the annotation"
    ),
    CacheReason.UNFIT_FOR_BUNDLE.value: (
        "the format of the pod's bundle cannot contain its value. Set lastgood.dev/bundle: json,"
        " remove the bundle, or use a value without quotes, spaces and other shell characters"
    ),
    Reason.UNREADABLE.value: (
        "its SecretPolicy or SecretAccount cannot be read. The controller's log shows the reason."
        " Ask its owner"
    ),
    Reason.NOT_ALLOWED.value: f"the policy does not allow this secret{ASK}",
    Found.RESTORED.value: (
        "the snapshot comes from a backup of another cluster. Its refresh is queued"
    ),
}


NOTHING_SERVED = {
    Serving.REVOKED: (
        "its version was revoked, and no other version replaces it. Create a new version at the"
        " provider, or pin a good one"
    ),
    Serving.WITHDRAWN: (
        "the policy no longer allows the source, so its value was removed. Ask the owner of the"
        " SecretPolicy"
    ),
}
"""Why a snapshot has no value, and what to do."""


def what_to_do(reason: str) -> str | None:
    """By a FetchFailure, a Found, a CacheReason or a `policy.match.Reason`; None: there is none."""
    return _WHAT_TO_DO.get(reason)


def of_source(scheme: str, reference: str, state: SnapshotState) -> str | None:
    """What to do about the reason and code of a source; None: its provider has no more to say."""
    known = SCHEMES.get(scheme)
    if known is None or known.advice is None or state.reason is None or state.code is None:
        return None
    return known.advice(reference, state.reason.value, state.code)


def explained(reason: str, message: str | None = None) -> str:
    """A reason, and the sentence that decided it. Where none is known: what to do, if that is."""
    said = message or what_to_do(reason)
    return reason if said is None else f"{reason}: {said}"


def reason_of(reason: str, message: str | None = None) -> str:
    """The same as sentences, as in `Reason: denied. The account's role may not read it`."""
    said = message or what_to_do(reason)
    return (
        f"Reason: {reason}" if said is None else f"Reason: {reason}. {said[:1].upper()}{said[1:]}"
    )
