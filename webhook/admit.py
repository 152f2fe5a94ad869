"""One pure function from pod and policy to verdict: the server's and the command line's, so that
both say the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook import intent, pods
from webhook.inject import inject
from webhook.memo import Memo
from webhook.verdict import WARNING_LENGTH, Mistake, Outcome, Reason, Verdict, denied

if TYPE_CHECKING:
    from policy.match import PolicySet
    from webhook.config import Injection
    from webhook.verdict import Pod


MOST_ANNOTATIONS = 2048
"""Of a pod that opts in, whoever's they are: a bound on the time that one tenant's pod takes from
the others' (the API server counts their bytes only after this)."""


def admit(
    pod: Pod, namespace: str, policies: PolicySet, config: Injection, memo: Memo | None = None
) -> Verdict:
    """The verdict on a pod that is created in `namespace`. `pod` has passed `pods.malformed`.

    `memo`: what was found for other pods under the very same policies; None: nothing was.
    """
    found = pods.annotations_of(pod)
    if pods.MIRROR in found or not pods.opts_in(found):
        return Verdict(outcome=Outcome.UNCHANGED, pod=pod)
    if len(found) > MOST_ANNOTATIONS:
        message = f"there are {len(found)}; a pod that opts in may have {MOST_ANNOTATIONS}"
        field = "metadata.annotations"
        return denied(pod, [Mistake(reason=Reason.LIMIT, field=field, message=message)])
    wanted = intent.decide(pod, namespace, policies, config, Memo() if memo is None else memo)
    if isinstance(wanted, list):
        return denied(pod, wanted)
    try:
        injected = inject(pod, wanted, config)
    except ValueError as error:
        mistake = Mistake(reason=Reason.UNSUPPORTED_POD, field="spec.resources", message=str(error))
        return denied(pod, [mistake])
    return Verdict(
        outcome=Outcome.UNCHANGED if injected is pod else Outcome.INJECTED,
        pod=injected,
        plan=wanted.plan,
        warnings=tuple(text[:WARNING_LENGTH] for text in wanted.warnings),
    )
