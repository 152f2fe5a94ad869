"""One API server, asked a thing at a time; what it refuses becomes a sentence."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, TypeVar

from cli.api_errors import VIEW, refused
from cli.exit_codes import CommandError
from kube.api import Api
from kube.config import ConfigError, locate
from kube.errors import ApiError, ForbiddenError, NotFoundError
from kube.forbidden_requests import Attempts

if TYPE_CHECKING:
    from collections.abc import Collection, Coroutine, Iterator, Sequence
    from pathlib import Path

    from kube.config import ApiAddress
    from kube.forbidden_requests import Attempt, AttemptOutcome
    from workqueue.clock import Clock

Json = dict[str, Any]
_AGENT = "lastgood-cli"
_TRIAL_S = 40.0
"""Of a dry run: longer than the 30 s that the API server waits at most for one webhook."""
T = TypeVar("T")


class ApiConnection:
    """Every method raises CommandError, `UnreachableError` where later it may be granted."""

    def __init__(
        self, runner: asyncio.Runner, api: Api, attempts: Attempts, place: ApiAddress, clock: Clock
    ) -> None:
        self._runner = runner
        self.api = api
        self._attempts = attempts
        self._clock = clock
        self._heard: tuple[float, float] | None = None
        """The server's clock at some moment of our monotonic one."""
        self.namespace = place.namespace
        """Where things are that name no other."""
        context = "the pod's service account" if place.context is None else place.context
        self.where = f"the API server {place.configuration.host} ({context})"
        """Server and context, for messages."""

    def ask(self, request: Coroutine[None, None, T], what: str, role: str = VIEW) -> T:
        """Its answer. `what` it is, as in "you may not list pods"; `role` has the right to it."""
        try:
            return self.run(request)
        except ApiError as error:
            raise refused(error, what, self.where, role) from None

    def find(self, path: str, what: str, role: str = VIEW) -> Json | None:
        """One object; None: there is none."""
        try:
            return self.run(self.api.get(path))
        except NotFoundError:
            return None
        except ApiError as error:
            raise refused(error, what, self.where, role) from None

    def allowed(self, request: Coroutine[None, None, T], what: str) -> T | None:
        """Its answer; None: we may not ask that."""
        try:
            return self.run(request)
        except ForbiddenError:
            return None
        except ApiError as error:
            raise refused(error, what, self.where) from None

    def attempt(self, request: Coroutine[None, None, T]) -> T | None:
        """Its answer; None: there is none, for whatever reason."""
        try:
            return self.run(request)
        except ApiError:
            return None

    def run(self, request: Coroutine[None, None, T]) -> T:
        """Its answer, or the ApiError."""
        try:
            return self._runner.run(request)
        finally:
            heard = moment(self.api.date)
            if heard is not None:
                self._heard = heard, self._clock.monotonic()

    def tried(self, attempt: Attempt, sought: Collection[bytes]) -> AttemptOutcome:
        """What became of a dry run, as far as `sought` texts tell it. ApiError."""
        return self._runner.run(self._attempts.make(attempt, sought))

    def now(self) -> float:
        """Seconds since the epoch by the API server's clock, up to a second late: ages are written
        by the clocks of its cluster, and ours may be wrong.
        """
        if self._heard is None:
            return self._clock.now()
        server, heard_at = self._heard
        return server + self._clock.monotonic() - heard_at


def moment(date: str | None) -> float | None:
    """A Date header, in seconds since the epoch; None: there is none, or it can't be read."""
    try:
        return None if date is None else parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


@contextmanager
def connected(
    files: Sequence[Path], context: str | None, clock: Clock, instead: str = ""
) -> Iterator[ApiConnection]:
    """The API server that kubeconfigs name, or, without any, that of the pod we run in. `instead`:
    what to do where there is none.
    """
    with asyncio.Runner() as runner:
        try:
            place = runner.run(locate(files, context))
        except ConfigError as error:
            raise CommandError(_help(str(error), files, instead)) from None
        api = Api(place.configuration, user_agent=_AGENT)
        attempts = Attempts(place.configuration, user_agent=_AGENT, timeout_s=_TRIAL_S)
        try:
            yield ApiConnection(runner, api, attempts, place, clock)
        finally:
            runner.run(api.close())
            runner.run(attempts.close())


def _help(message: str, files: Sequence[Path], instead: str) -> str:
    if files:
        return message
    return (
        "no kubeconfig found (--kubeconfig, KUBECONFIG, ~/.kube/config), and this is not a pod with"
        f" a service account{instead}"
    )
