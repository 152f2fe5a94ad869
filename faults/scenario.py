"""What goes wrong and what people do in one run: data, drawn from a seed, that can be shrunk."""

from __future__ import annotations

import random
from dataclasses import dataclass

from faults.provider import KINDS as PROVIDER_KINDS

API_KINDS = ("silence", "status-429", "status-500", "status-409", "lost-answer", "compacted", "cut")
NODE_KINDS = ("late-volumes", "agent-killed", "pod-clock-forward", "pod-clock-back")
PROCESS_KINDS = (
    *("controller-killed", "killed-before-write", "killed-after-write"),
    *("controller-clock-forward", "controller-clock-back"),
)
KINDS = (*PROVIDER_KINDS, *API_KINDS, *NODE_KINDS, *PROCESS_KINDS)
SECRETS = ("/prod/payments/db", "/prod/payments/api", "/prod/orders/db")
DURATION_S = 1800.0
CLOCK_STEP_S = 900.0
"""By how much a clock is wrong."""
QUIET_S = 600.0
"""At the end nothing goes wrong, so that everything can become well."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One thing that goes wrong, in seconds from the start."""

    kind: str
    at: float
    lasts_s: float
    secret: str = ""
    """Of a provider's fault; "": all."""
    number: int = 1
    """Of a kill at a write: the how manieth from then."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Deed:
    """One thing that somebody does."""

    what: str
    """write, pin, unpin, rollback, revoke, pod, restart or recreate."""
    at: float
    secret: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One run."""

    seed: int
    faults: tuple[Fault, ...]
    deeds: tuple[Deed, ...]
    duration_s: float = DURATION_S


def drawn(seed: int, kinds: tuple[str, ...] = KINDS) -> Scenario:
    """The run of a seed; equal seeds give equal runs."""
    rng = random.Random(seed)
    until = DURATION_S - QUIET_S
    faults = [_fault(rng, until, kinds) for _ in range(rng.randint(1, 6))]
    deeds = [_deed(rng, until) for _ in range(rng.randint(4, 14))]
    return Scenario(
        seed=seed,
        faults=tuple(sorted(faults, key=lambda it: it.at)),
        deeds=tuple(sorted(deeds, key=lambda it: it.at)),
    )


def _fault(rng: random.Random, until: float, kinds: tuple[str, ...]) -> Fault:
    kind = rng.choice(kinds)
    at = round(rng.uniform(0, until), 1)
    lasts_s = round(
        min(rng.choice((5.0, 30.0, 120.0, 400.0)) * rng.uniform(0.5, 1.5), until - at), 1
    )
    secret = rng.choice(("", *SECRETS)) if kind in PROVIDER_KINDS else ""
    return Fault(kind=kind, at=at, lasts_s=lasts_s, secret=secret, number=rng.randint(1, 6))


def _deed(rng: random.Random, until: float) -> Deed:
    words = ("write", "write", "write", "pin", "unpin", "rollback", "revoke", "pod", "restart")
    return Deed(
        what=rng.choice(words), at=round(rng.uniform(0, until), 1), secret=rng.choice(SECRETS)
    )
