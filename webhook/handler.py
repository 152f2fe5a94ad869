"""From the bytes of a review to the bytes of its answer, counted and logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from policy.watched import NotYetError
from webhook import cost, patch, review, wellformed
from webhook.admit import admit
from webhook.smallest_first import SmallestFirst
from webhook.template_cache import TemplateCache
from webhook.verdict import Denial, Mistake, Outcome, denied

if TYPE_CHECKING:
    from collections.abc import Callable

    from policy.load import Policies
    from policy.match import PolicySet
    from webhook.injection_settings import Injection
    from webhook.review import AdmissionRequest
    from webhook.telemetry import Telemetry
    from webhook.verdict import Pod, Verdict


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """An HTTP answer; `body` is JSON."""

    status: int
    body: bytes


class PatchMismatchError(Exception):
    """A patch that does not make the injected pod: ours is wrong somewhere, so no patch is
    answered.
    """


class Handler:
    """Answers reviews. Calls nothing outside the process."""

    def __init__(
        self,
        policies: Policies,
        injection: Injection,
        telemetry: Telemetry,
        timer: Callable[[], float],
        *,
        verified: bool = False,
    ) -> None:
        """`timer` gives seconds of a clock that never goes back. `verified`: nobody but the API
        server reaches this. If not, a denial names no pattern and no account of a policy: the
        caller may be a pod that claims another's namespace.
        """
        self._policies = policies
        self._current: PolicySet | None = None
        self._cache = TemplateCache()
        self._injection = injection
        self._telemetry = telemetry
        self._timer = timer
        self._verified = verified
        self._turns = SmallestFirst()

    async def answer(self, body: bytes) -> HttpAnswer:
        """The answer to one review. A large one waits for its turn, so that small ones pass."""
        if len(body) <= cost.SMALL:
            return self.handle(body)
        async with self._turns.turn(len(body)) as came:
            if came:
                return self.handle(body)
            return self.reject(503, "too many large reviews are waiting. Try again")

    def handle(self, body: bytes) -> HttpAnswer:
        """The answer to one review. Raises nothing."""
        start = self._timer()
        too_many = cost.too_many_values(body)
        if too_many is not None:
            return self._unread(body, too_many, start)
        try:
            request = review.parse(orjson.loads(body))
        except orjson.JSONDecodeError:
            return self.reject(400, "the body is not JSON, or is nested too deeply", start)
        except review.NotAReviewError as error:
            return self.reject(400, str(error), start)
        try:
            return self._decide(request, start)
        except NotYetError as error:
            return self.reject(503, f"lastgood's webhook is not ready: {error}", start)
        except Exception as error:  # noqa: BLE001 - the API server gets an answer, whatever it is
            problem = wellformed.malformed(request.pod)
            if problem is not None:
                return self.reject(400, f"request.object is not a pod: {problem}", start)
            self._telemetry.crashed(error, self._timer() - start)
            return HttpAnswer(
                500, _message("internal error. The webhook's log shows where it happened")
            )

    def _decide(self, request: AdmissionRequest, start: float) -> HttpAnswer:
        policies = self._policies.current()
        if policies is not self._current:
            self._current, self._cache = policies, TemplateCache()
        verdict = admit(
            request.pod,
            request.namespace,
            policies,
            self._injection,
            self._cache,
            known=self._verified,
        )
        encoded_patch = checked_patch(request.pod, verdict)
        if encoded_patch is not None and len(encoded_patch) > cost.MOST_PATCH:
            mistake = cost.patch_size(len(encoded_patch))
            verdict, encoded_patch = denied(request.pod, [mistake]), None
        encoded = orjson.dumps(review.answer(request.uid, verdict, encoded_patch))
        self._telemetry.admitted(request, verdict, self._timer() - start)
        return HttpAnswer(200, encoded)

    def _unread(self, body: bytes, message: str, start: float) -> HttpAnswer:
        """The denial of a body that costs too much to parse: of what is not known to be a pod."""
        rejected = self.reject(413, message, start)
        uid = review.uid_of(body)
        if uid is None:
            return rejected
        mistake = Mistake(reason=Denial.LIMIT, field="request", message=message)
        return HttpAnswer(200, orjson.dumps(review.answer(uid, denied({}, [mistake]), None)))

    def reject(self, status: int, message: str, start: float | None = None) -> HttpAnswer:
        """The answer to what is no review, counted. `start`: when its handling began; None: just
        now.
        """
        self._telemetry.rejected(status, message, 0.0 if start is None else self._timer() - start)
        return HttpAnswer(status, _message(message))


def checked_patch(pod: Pod, verdict: Verdict) -> bytes | None:
    """The patch, encoded, after applying it to `pod` gave the injected pod; None when nothing
    changes.
    """
    if verdict.outcome is not Outcome.INJECTED:
        return None
    operations = patch.diff(pod, verdict.pod)
    if patch.apply(pod, operations) != verdict.pod:
        raise PatchMismatchError
    return orjson.dumps(operations)


def _message(text: str) -> bytes:
    return orjson.dumps({"message": text})
