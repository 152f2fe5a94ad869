"""What the webhook knows of a cluster: its own copies of accounts, policies and namespaces."""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Any

from api.account import SecretAccount
from api.policy import SecretPolicy
from kube.api_resources import NAMESPACES, SECRET_ACCOUNTS, SECRET_POLICIES
from kube.reflector import Reflector
from policy.watched import LastGoodObject, ObjectReader, WatchedPolicies, labelled

if TYPE_CHECKING:
    import random
    from collections.abc import AsyncIterator

    from kube.api import Api
    from policy.watched import Labelled
    from webhook.telemetry import Telemetry
    from workqueue.clock import Clock


class Informers:
    """The copies, kept current while `running`."""

    def __init__(self, api: Api, clock: Clock, rng: random.Random, telemetry: Telemetry) -> None:
        def problem(text: str) -> None:
            telemetry.log.write("watch.failed", level="warning", problem=text)

        self._accounts: Reflector[LastGoodObject[SecretAccount]] = Reflector(
            api,
            SECRET_ACCOUNTS,
            ObjectReader(SecretAccount, lambda key: self._accounts.items.get(key)),  # noqa: PLW0108 - it is not there yet
            clock=clock,
            rng=rng,
            problem=problem,
        )
        self._policies: Reflector[LastGoodObject[SecretPolicy]] = Reflector(
            api,
            SECRET_POLICIES,
            ObjectReader(SecretPolicy, lambda key: self._policies.items.get(key)),  # noqa: PLW0108 - as above
            clock=clock,
            rng=rng,
            problem=problem,
        )
        self._namespaces: Reflector[Labelled] = Reflector(
            api, NAMESPACES, labelled, clock=clock, rng=rng, problem=problem
        )
        self.policies = WatchedPolicies(self._accounts, self._policies, self._namespaces)
        for name, reflector in self._all().items():
            telemetry.watched(name, reflector.staleness_s, clock)
        telemetry.invalid_objects(lambda: self.policies.invalid)

    def _all(self) -> dict[str, Reflector[Any]]:
        return {
            "secretaccounts": self._accounts,
            "secretpolicies": self._policies,
            "namespaces": self._namespaces,
        }

    def problem(self) -> str | None:
        """Why no pod can be decided on; None: it can. Once it can, it stays so."""
        waiting = [name for name, reflector in self._all().items() if not reflector.synced]
        return f"not listed yet: {', '.join(waiting)}" if waiting else None

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Follows the API server until the block ends."""
        stop = asyncio.Event()
        tasks = [asyncio.create_task(item.run(stop)) for item in self._all().values()]
        try:
            yield
        finally:
            stop.set()
            await asyncio.gather(*tasks, return_exceptions=True)
