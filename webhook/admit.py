"""One pure function from pod and policy to verdict: the server's and the command line's, so that
both say the same. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from webhook import cost, injection_plan, podspec
from webhook.inject import inject
from webhook.template_cache import TemplateCache
from webhook.verdict import WARNING_LENGTH, Denial, Mistake, Outcome, Verdict, denied

if TYPE_CHECKING:
    from policy.match import PolicySet
    from webhook.injection_settings import Injection
    from webhook.verdict import Pod


MOST_ANNOTATIONS = 2048
"""Maximum number of annotations on an opted-in pod (all annotations, not only ours). It bounds the
time that one tenant's pod takes from the others'."""
MOST_TEXT = 256 << 10
"""Characters of these annotations. The API server allows as many bytes, but counts them only after
this (apimachinery, TotalAnnotationSizeLimitB)."""


def admit(
    pod: Pod,
    namespace: str,
    policies: PolicySet,
    config: Injection,
    cache: TemplateCache | None = None,
    *,
    known: bool = True,
) -> Verdict:
    """The verdict on a pod that is created in `namespace`. `pod` has passed `wellformed.malformed`.

    `cache`: what was found for other pods; None: nothing was.
    `known`: whether the reader of a denial is known to be of that namespace. If not, a denial names
    no pattern and no account of the policy.
    """
    found = podspec.annotations_of(pod)
    if podspec.MIRROR in found or not podspec.opts_in(found):
        return Verdict(outcome=Outcome.UNCHANGED, pod=pod)
    limit = _annotations_limit(found) or cost.too_many_containers(pod["spec"])
    if limit is not None:
        return denied(pod, [limit])
    cache = TemplateCache() if cache is None else cache
    wanted = injection_plan.decide(pod, namespace, policies, config, cache, known=known)
    if isinstance(wanted, list):
        return denied(pod, wanted)
    try:
        injected = inject(pod, wanted, config)
    except ValueError as error:
        mistake = Mistake(reason=Denial.UNSUPPORTED_POD, field="spec.resources", message=str(error))
        return denied(pod, [mistake])
    return Verdict(
        outcome=Outcome.UNCHANGED if injected is pod else Outcome.INJECTED,
        pod=injected,
        plan=wanted.request.plan,
        warnings=tuple(text[:WARNING_LENGTH] for text in wanted.warnings),
    )


def _annotations_limit(found: dict[str, str]) -> Mistake | None:
    """The mistake of too many or too long annotations."""
    message = None
    if len(found) > MOST_ANNOTATIONS:
        message = f"the pod has {len(found)} annotations. Allowed with lastgood: {MOST_ANNOTATIONS}"
    else:
        length = sum(len(key) + len(text) for key, text in found.items())
        if length > MOST_TEXT:
            message = f"the annotations have {length} characters. Allowed: {MOST_TEXT}"
    if message is None:
        return None
    return Mistake(reason=Denial.LIMIT, field="metadata.annotations", message=message)
