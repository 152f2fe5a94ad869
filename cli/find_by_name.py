"""What a user calls a snapshot or a version -> the one that is meant. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cli.exit_codes import CommandError
from contract.spelling import suggestion
from providers.references import namespace_of, written

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from controller.snapshot_status import Status
    from controller.spec import SnapshotName

SHORTEST_PREFIX = 4
"""Characters of a version's or snapshot's name that may stand for all of it."""

_SHOWN = 8


def find_snapshot(
    text: str, namespace: str | None, statuses: Mapping[SnapshotName, Status]
) -> SnapshotName:
    """The snapshot called `text`: its name, a unique prefix of that, the hash that ends it, or
    `provider[@account]:reference`.

    CommandError names the nearest spelling, or all that it could be.
    """
    here = {name: s for name, s in statuses.items() if namespace in {None, name.namespace}}
    exact = [name for name, status in here.items() if text in _spellings(name, status)]
    found = exact or [
        name for name in here if len(text) >= SHORTEST_PREFIX and name.snapshot.startswith(text)
    ]
    if len(found) == 1:
        return found[0]
    if found:
        listed = ", ".join(
            f"{name.namespace}/{name.snapshot} ({here[name].account})"
            for name in sorted(found)[:_SHOWN]
        )
        message = f'"{text}" matches {listed}. Add --namespace, @account or more characters'
        raise CommandError(message)
    known = [spelling for name, status in here.items() for spelling in _spellings(name, status)]
    if not here:
        message = nothing(namespace, statuses)
        raise CommandError(message)
    where = f" in namespace {namespace}" if namespace is not None else ""
    message = f'snapshot "{text}" not found{where}{suggestion(text, known)}'
    raise CommandError(message)


def find_version(text: str, known: Collection[str]) -> str | None:
    """The known version called `text`, whole or by a unique prefix of at least 4 characters; None:
    it is not known.
    """
    if text in known:
        return text
    found = [
        version for version in known if len(text) >= SHORTEST_PREFIX and version.startswith(text)
    ]
    if len(found) > 1:
        message = f'"{text}" matches {", ".join(found)}. Use more characters'
        raise CommandError(message)
    return found[0] if found else None


def _spellings(name: SnapshotName, status: Status) -> tuple[str, ...]:
    with_account = f"{status.scheme}@{status.account}:{status.reference}"
    found = (name.snapshot, status.source, with_account, name.snapshot.rpartition("-")[2])
    if namespace_of(status.scheme, status.reference) != name.namespace:
        return found
    short = written(status.scheme, status.reference)
    return (*found, f"{status.scheme}:{short}", f"{status.scheme}@{status.account}:{short}")


def nothing(namespace: str | None, statuses: Mapping[SnapshotName, Status]) -> str:
    """The sentence where there is no snapshot; `statuses` may have some of other namespaces."""
    if namespace is None:
        return "no snapshots found. A snapshot is created when a pod needs it"
    known = sorted({name.namespace for name in statuses})
    elsewhere = f". There are some in {', '.join(known[:_SHOWN])}" if known else ""
    return f"no snapshots found in namespace {namespace}" + (
        suggestion(namespace, known) or elsewhere
    )
