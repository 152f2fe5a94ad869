"""The few series that a pod's agent exposes, in Prometheus's text format 0.0.4. No label names a
secret or a reference.
"""

from __future__ import annotations

from agent.decide import counts, oldest_age_s

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from agent.decide import Decision
    from agent.reload import Reloader


class Counts:
    """What has happened since the agent started."""

    def __init__(self) -> None:
        self.published = 0
        self.failed = 0
        self.bind_failed = 0


def page(decision: Decision | None, done: Counts, reloader: Reloader, now: float) -> str:
    """All series. `decision` None: nothing could be looked at yet."""
    lines: list[str] = []
    if decision is not None:
        age = oldest_age_s(decision, now)
        lines += _family(
            "oldest_age_seconds",
            "gauge",
            "Age of the pod's oldest secret. +Inf if one is not known.",
            [("", "+Inf" if age is None and decision.choices else age or 0)],
        )
        lines += _family(
            "secrets",
            "gauge",
            "The pod's secrets by state.",
            [(f'{{state="{state}"}}', count) for state, count in counts(decision).items()],
        )
        lines += _family(
            "secrets_not_current",
            "gauge",
            "Secrets whose files are not what the snapshot has.",
            [("", len(decision.not_current))],
        )
    lines += _family(
        "reload_total",
        "counter",
        "Attempts to reload the app by result. superseded: ended by the next change of the files.",
        [(f'{{result="{result}"}}', count) for result, count in reloader.results.items()],
    )
    lines += _family(
        "reload_pending",
        "gauge",
        "1 while the app has not reloaded after the last change of its files.",
        [("", int(reloader.pending))],
    )
    lines += _family("published_total", "counter", "Revisions published.", [("", done.published)])
    lines += _family(
        "failures_total",
        "counter",
        "Failures of the agent by part.",
        [('{part="cache"}', done.failed), ('{part="listen"}', done.bind_failed)],
    )
    return "\n".join(lines) + "\n"


def _family(name: str, kind: str, meaning: str, samples: Iterable[tuple[str, object]]) -> list[str]:
    full = f"lastgood_agent_{name}"
    head = [f"# HELP {full} {meaning}", f"# TYPE {full} {kind}"]
    return head + [f"{full}{labels} {value}" for labels, value in samples]
