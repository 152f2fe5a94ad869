"""The verbs that ask the controller for something: record the change, wait until it is seen, say
what is served now.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.exit_codes import CommandError, Exit, UnreachableError
from cli.find_by_name import find_version
from contract.snapshot_format import MOST_VERSION, MOST_VERSIONS, is_version
from controller import spec as specs

if TYPE_CHECKING:
    from collections.abc import Callable

    from cli.cluster_snapshots import ClusterSnapshots
    from controller.snapshot_status import Status
    from controller.spec import Name, Spec
    from workqueue.clock import BlockingClock


SAVED = "The change is saved, and the controller will apply it."


@dataclass(frozen=True, slots=True, kw_only=True)
class SpecChange:
    """One change of a spec."""

    said: str
    """What was asked for, as a sentence's beginning."""
    apply: Callable[[Spec], Spec]
    done: Callable[[Status, Spec], bool]
    """Whether a status that has seen this spec shows that it was carried out, if it can be."""
    note: str | None = None
    """What the user should know besides; None: nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeResult:
    """How it went; `status` is the last one seen."""

    change: SpecChange
    status: Status
    code: Exit


def refresh(status: Status, now: float) -> SpecChange:
    """Fetch now, within the account's budget."""
    last = 0.0 if status.refresh_handled is None else status.refresh_handled + specs.LATER_S
    return SpecChange(
        said="refresh requested",
        apply=lambda spec: specs.refresh_requested(spec, max(now, last)),
        done=lambda seen, spec: _refreshed(seen, spec) or seen.refused_since is not None,
    )


def pin(status: Status, text: str, now: float) -> SpecChange:
    """Serve one version until unpinned. A version that is not held is fetched by name."""
    version = find_version(text, status.versions) or text
    if not is_version(version):
        message = (
            f'a version must be 1 to {MOST_VERSION} printable ASCII characters, without " and \\.'
            f" Nothing was changed{_known(status)}"
        )
        raise CommandError(message)
    if version in status.revoked:
        message = (
            f"{version} is revoked, and a revoked version is never served again."
            f" Nothing was changed{_known(status)}"
        )
        raise CommandError(message)
    asked = _from_here(status, now)
    held = version == status.version or any(item.version == version for item in status.history)
    return SpecChange(
        said=f"pinned to {version}",
        apply=lambda spec: specs.pinned(spec, version),
        done=lambda seen, _: seen.version == version or _tried(seen, asked),
        note=None
        if held
        else f"{version} is not stored. The controller fetches it from the provider",
    )


def unpin(status: Status) -> SpecChange:
    """Serve the newest good version again."""
    if status.pin is None:
        message = "the snapshot is not pinned. Nothing was changed"
        raise CommandError(message)
    return SpecChange(
        said=f"pin to {status.pin} removed",
        apply=lambda spec: specs.pinned(spec, None),
        done=lambda *_: True,
    )


def roll_back(status: Status) -> SpecChange:
    """Serve the previous good version, and not this one until a newer appears."""
    bad = status.version
    if bad is None:
        message = (
            "the snapshot serves no version, so there is nothing to roll back. Nothing was changed"
        )
        raise CommandError(message)
    if status.pin is not None:
        message = (
            f"the snapshot is pinned to {status.pin}, and a pin has priority over a rollback."
            " Nothing was changed. Unpin it, or pin another version"
        )
        raise CommandError(message)
    unusable = {*status.revoked, *(item.version for item in status.quarantined)}
    if all(item.version in unusable for item in status.history):
        message = f"no other good version is stored. Nothing was changed{_known(status)}"
        raise CommandError(message)
    return SpecChange(
        said=f"rolled back from {bad}",
        apply=lambda spec: specs.rolled_back(spec, bad),
        done=lambda seen, _: (seen.version, seen.incarnation) != (bad, status.incarnation),
    )


def revoke(status: Status, text: str) -> SpecChange:
    """Never serve a version again, even with nothing to replace it."""
    version = find_version(text, status.versions)
    if version is None:
        message = f'version "{text}" not found. Nothing was changed{_known(status)}'
        raise CommandError(message)

    def change(spec: Spec) -> Spec:
        # The status also lists what the account revokes, and what an earlier object revoked.
        if len({*spec.revoked, version}) > MOST_VERSIONS:
            message = (
                f"the SecretSnapshot has {MOST_VERSIONS} revoked versions, which is the maximum."
                " Nothing was changed"
            )
            raise CommandError(message)
        return specs.revoked(spec, version)

    return SpecChange(
        said=f"revoked {version}",
        apply=change,
        done=lambda seen, _: seen.version != version,
    )


def carry_out(
    cluster: ClusterSnapshots, name: Name, change: SpecChange, wait_s: float, clock: BlockingClock
) -> ChangeResult:
    """Records the change and waits at most `wait_s` seconds; at once without a controller."""
    spec = cluster.amend(name, change.apply)
    deadline = clock.monotonic() + wait_s
    while True:
        try:
            outcome = _read_result(cluster, name, change, spec)
        except UnreachableError as error:
            if clock.monotonic() >= deadline:
                message = f"{error}. {SAVED}"
                raise CommandError(message) from error
        else:
            if outcome.code != Exit.NOT_YET or clock.monotonic() >= deadline:
                return outcome
        clock.sleep(cluster.poll_s)


def _read_result(
    cluster: ClusterSnapshots, name: Name, change: SpecChange, spec: Spec
) -> ChangeResult:
    """How it stands now."""
    running = cluster.controlled()
    status = cluster.status(name)
    if status is None:
        message = "the SecretSnapshot was deleted while waiting, after the change was saved"
        raise CommandError(message)
    if status.observed_generation >= spec.generation and change.done(status, spec):
        return ChangeResult(change=change, status=status, code=Exit.DONE)
    return ChangeResult(
        change=change, status=status, code=Exit.NOT_RUNNING if running is False else Exit.NOT_YET
    )


def _from_here(status: Status, now: float) -> float:
    """The moment from which an attempt answers a request: not one that was made already, which
    `now`, by an API server's clock, may be a second behind.
    """
    return max(now, (status.last_attempt or 0.0) + specs.LATER_S)


def _refreshed(status: Status, spec: Spec) -> bool:
    """Whether a fetch that began after the request has ended."""
    handled, asked = status.refresh_handled, spec.refresh_requested
    return handled is not None and asked is not None and handled >= asked


def _tried(status: Status, since: float) -> bool:
    return (status.last_attempt or 0.0) >= since and status.reason is not None


def _known(status: Status) -> str:
    return f". Known versions: {', '.join(status.versions) or 'none'}"
