"""From the bytes of a review to the bytes of its answer, counted and logged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import orjson

from policy.load import NotYetError
from webhook import patch, pods, review
from webhook.admit import admit
from webhook.memo import Memo
from webhook.verdict import Outcome

if TYPE_CHECKING:
    from collections.abc import Callable

    from policy.load import Policies
    from policy.match import PolicySet
    from webhook.config import Injection
    from webhook.review import Request
    from webhook.telemetry import Telemetry
    from webhook.verdict import Pod, Verdict


@dataclass(frozen=True, slots=True)
class Answer:
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
    ) -> None:
        """`timer` gives seconds of a clock that never goes back."""
        self._policies = policies
        self._current: PolicySet | None = None
        self._memo = Memo()
        self._injection = injection
        self._telemetry = telemetry
        self._timer = timer

    def handle(self, body: bytes) -> Answer:
        """The answer to one review. Raises nothing."""
        start = self._timer()
        try:
            request = review.parse(orjson.loads(body))
        except orjson.JSONDecodeError:
            return self.reject(400, "the body is not JSON, or nested too deep", start)
        except review.NotAReviewError as error:
            return self.reject(400, str(error), start)
        try:
            return self._decide(request, start)
        except NotYetError as error:
            return self.reject(503, f"lastgood's webhook is not ready: {error}", start)
        except Exception as error:  # noqa: BLE001 - the API server gets an answer, whatever it is
            problem = pods.malformed(request.pod)
            if problem is not None:
                return self.reject(400, f"request.object is not a pod: {problem}", start)
            self._telemetry.crashed(error, self._timer() - start)
            return Answer(500, _message("internal error; the webhook's log has the place"))

    def _decide(self, request: Request, start: float) -> Answer:
        policies = self._policies.current()
        if policies is not self._current:
            self._current, self._memo = policies, Memo()
        verdict = admit(request.pod, request.namespace, policies, self._injection, self._memo)
        answer = review.answer(request.uid, verdict, checked_patch(request.pod, verdict))
        encoded = orjson.dumps(answer)
        self._telemetry.admitted(request, verdict, self._timer() - start)
        return Answer(200, encoded)

    def reject(self, status: int, message: str, start: float | None = None) -> Answer:
        """The answer to what is no review, counted. `start`: when its handling began; None: just
        now.
        """
        self._telemetry.rejected(status, message, 0.0 if start is None else self._timer() - start)
        return Answer(status, _message(message))


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
