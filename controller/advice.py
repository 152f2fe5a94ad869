"""What to do about each reason why a source was not fetched: for Events, and operators' terminals.
Pure.
"""

from __future__ import annotations

from contract.reasons import FetchFailure, Found, Holding
from policy.match import ASK, Reason

_WHAT_TO_DO = {
    FetchFailure.ABSENT.value: "create it at the provider, or correct the annotation",
    FetchFailure.DENIED.value: (
        "the account's role may not read it; ask who runs the SecretAccount"
    ),
    FetchFailure.THROTTLED.value: "the provider asked us to slow down; it is tried again",
    FetchFailure.UNAVAILABLE.value: "the provider does not answer; it is tried again",
    FetchFailure.INVALID.value: "correct the value at the provider, or the policy's validations",
    FetchFailure.EMPTY.value: "put a value into it at the provider",
    FetchFailure.LOST_MEMBER.value: (
        "the new version lacks a member that is in use; put it back at the provider, or pin the new"
        " version to serve it now"
    ),
    FetchFailure.BUDGET_TOO_SMALL.value: (
        "one fetch can take more calls than the SecretAccount's budget.burst; its status says the"
        " smallest that works; ask who runs it"
    ),
    FetchFailure.TOO_LARGE.value: "make the value smaller, or raise the policy's limit",
    Found.FOREIGN_SECRET.value: (
        "remove or rename the Secret of this name, which lastgood did not write"
    ),
    Found.NO_RIGHTS.value: (
        "add the namespace to controller.namespaces in the chart's values; ask who installed"
        " lastgood"
    ),
    Found.WRITE_REFUSED.value: (
        "the API server refuses the snapshot's Secret; look at the namespace's ResourceQuota"
    ),
    Found.WRITE_FAILED.value: (
        "the API server did not take the snapshot's Secret; it is tried again"
    ),
    Found.RECORD_NOT_WRITTEN.value: (
        "the controller can't write its record in the release namespace; look at its rights and"
        " quotas there, and at its log"
    ),
    Found.AGES_NOT_WRITTEN.value: (
        "the ConfigMap lastgood-freshness of the namespace can't be written; the controller's log"
        " says why"
    ),
    Holding.PROPERTY_MISSING.value: (
        "put it into the value at the provider, or correct the annotation"
    ),
    Holding.UNFIT_FOR_BUNDLE.value: (
        "the form of the pod's bundle can't carry its value: write lastgood.dev/bundle: json, leave"
        " the bundle out, or set a value without quotes, spaces and other signs of a shell"
    ),
    Reason.UNREADABLE.value: (
        "its SecretPolicy or SecretAccount can't be read, which the controller's log explains; ask"
        " who runs it"
    ),
    Reason.NOT_ALLOWED.value: f"policy does not allow it{ASK}",
    Found.RESTORED.value: "a backup of another cluster; it is fetched again before all else",
}


def what_to_do(reason: str) -> str | None:
    """By a FetchFailure, a Found, a Holding or a `policy.match.Reason`; None: there is none."""
    return _WHAT_TO_DO.get(reason)


def explained(reason: str, message: str | None = None, *, sign: str = ":") -> str:
    """A reason, and the sentence that decided it. Where none is known: what to do, if that is."""
    said = message or what_to_do(reason)
    return reason if said is None else f"{reason}{sign} {said}"
