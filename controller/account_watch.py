"""Looks each second which accounts and policies are in use, and how accounts are."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from controller.account_health import SteadyHealth, health
from controller.in_use_protection import Used, used
from controller.listers import PolicyLister
from controller.required_rate import needed_calls_per_second
from controller.state_metrics import AccountFigures
from kube.errors import FencedError
from policy.match import PolicySet
from refresh.model import Moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from controller.account_health import AccountHealth
    from controller.accounts import Accounts
    from controller.controller import Controller
    from controller.in_use_protection import InUseProtection
    from controller.informers import Informers
    from controller.reconcile import Decided
    from refresh.engine import Engine
    from refresh.model import SnapshotKey
    from workqueue.clock import Clock

PROTECT_S = 1.0


class AccountWatch:
    """Keeps what is in use from vanishing, and says how accounts are."""

    def __init__(
        self,
        protection: InUseProtection,
        controller: Controller,
        informers: Informers,
        *,
        accounts: Accounts,
        engine: Engine,
        clock: Clock,
    ) -> None:
        self._protection = protection
        self._controller = controller
        self._policies = PolicyLister(informers)
        self._accounts = accounts
        self._engine = engine
        self._clock = clock
        self._steady = SteadyHealth()
        self.figures = AccountFigures()
        """As of the last look. Replaced whole."""

    async def run(self) -> None:
        """Until cancelled."""
        decided: Mapping[SnapshotKey, Decided] = {}
        policies, now_used = PolicySet(), Used()
        bursts: Mapping[str, int] = {}
        while True:
            await asyncio.sleep(PROTECT_S)  # noqa: TID251 - a fixed interval
            if not self._controller.settled:
                continue
            before = decided, policies, bursts
            decided, policies = self._controller.decided, self._policies.current()
            bursts = self._engine.smallest_bursts()
            if decided is not before[0] or policies is not before[1] or bursts != before[2]:
                now_used = _used(decided, policies, bursts)
            found = self._healths(now_used)
            if found != now_used.health:
                now_used = replace(now_used, health=found)
            self.figures = self._figures(policies, found)
            with suppress(FencedError):  # leadership is lost: the process is about to end
                await self._protection.update(now_used)

    def _healths(self, now_used: Used) -> dict[str, AccountHealth]:
        """What is to be said of the accounts in use for which a source was opened."""
        at = Moment(self._clock.now(), self._clock.monotonic())
        is_open = self._engine.open_breakers()
        found = ((name, self._accounts.logins(name)) for name in now_used.accounts)
        now = {
            name: health(logins.state, needed=logins.needed, is_open=name in is_open, at=at)
            for name, logins in found
            if logins is not None
        }
        return self._steady.shown(now, at.mono)

    def _figures(self, policies: PolicySet, healths: Mapping[str, AccountHealth]) -> AccountFigures:
        accounts = policies.accounts.items()
        return AccountFigures(
            allowed={name: account.spec.budget.calls_per_second for name, account in accounts},
            is_open=self._engine.open_breakers(),
            ready={name: health.ready for name, health in healths.items()},
        )


def _used(
    decided: Mapping[SnapshotKey, Decided], policies: PolicySet, bursts: Mapping[str, int]
) -> Used:
    """Never served and not demanded is not in use: it is about to be forgotten."""
    kept = (key for key, item in decided.items() if item.demanded is not None or item.known.synced)
    return used(kept, policies, needed_calls_per_second(decided), bursts)
