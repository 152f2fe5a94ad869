"""`lastgood explain`: what keeps a pod from starting, or its secrets from being fresh."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from cli import listing
from cli.cluster_snapshots import ClusterSnapshots
from cli.diagnosis import PodSecret, Standing, is_of, secrets, standing
from cli.exit_codes import CommandError, Exit
from cli.open_cluster import connected
from cli.output import MACHINE, written
from cli.terminal import plain
from contract import layout
from contract.quoted import shown
from contract.spelling import suggestion
from controller.demand import NotADemandError, plan_of
from controller.times import seconds
from kube.api_resources import CORE_EVENTS, PODS

if TYPE_CHECKING:
    import argparse

    from cli.api_client import ApiConnection
    from cli.settings import Settings
    from cli.terminal import Terminal
    from contract.plan import Plan
    from workqueue.clock import Clock

Json = dict[str, Any]
HEADINGS = ("SECRET", "SOURCE", "CLASS", "STATE", "AGE", "VERSION")
OURS = "lastgood"
"""In the component of our Events, and in the webhook's name, which a refusal quotes."""
_EVENTS_SHOWN = 5
_MOST_SAID = 1024
"""Characters of an Event; anyone who may write Events there has written it."""
_PREFIXES = ("pod/", "pods/")


def explain(
    arguments: argparse.Namespace, settings: Settings, clock: Clock, terminal: Terminal
) -> int:
    """Prints why; 0 when that can be told."""
    name = arguments.pod
    for prefix in _PREFIXES:
        name = name.removeprefix(prefix)
    with connected(arguments, settings, clock) as connection:
        namespace = arguments.namespace or connection.namespace
        document = Explainer(connection, namespace, clock).explain(name)
    if arguments.output in MACHINE:
        terminal.out.write(plain(written(document, arguments.output)))
    else:
        print(plain(_text(document)), file=terminal.out)
        for note in document["notes"]:
            print(plain(f"note: {note}"), file=terminal.err)
    return Exit.DONE


class Explainer:
    """Reads what keeps the pods of a namespace from starting."""

    def __init__(self, connection: ApiConnection, namespace: str, clock: Clock) -> None:
        self._connection = connection
        self._namespace = namespace
        self._cluster = ClusterSnapshots(connection, namespace, None, clock)

    def explain(self, name: str) -> Json:
        """All that is known, for programs. CommandError: there is nothing of that name."""
        where = f" in namespace {self._namespace}"
        pod = self._connection.find(PODS.path(self._namespace, name), "get pods" + where)
        if pod is None:
            return self._refused(name)
        try:
            plan = plan_of(pod)
        except NotADemandError as error:
            message = f"{self._namespace}/{name}: {error}"
            raise CommandError(message) from error
        events = [event for event in self._events(name) if event["ours"]]
        found = [] if plan is None else self._secrets(pod, plan)
        where_it_is = standing(pod, plan, found, self._cluster.now())
        return self._document(name, where_it_is, found, events)

    def _secrets(self, pod: Json, plan: Plan) -> list[PodSecret]:
        statuses = {
            name.snapshot: status
            for name, status in self._cluster.statuses().items()
            if name.namespace == self._namespace
        }
        return secrets(plan, statuses, self._held(pod), self._cluster.now())

    def _held(self, pod: Json) -> dict[str, str]:
        """What a gate that waits says of each secret, from the last line of its log."""
        statuses = (pod.get("status") or {}).get("initContainerStatuses") or ()
        gate: Json = next((item for item in statuses if item.get("name") == layout.GATE), {})
        if "running" not in (gate.get("state") or {}):
            return {}
        path = PODS.path(self._namespace, pod["metadata"]["name"], "log")
        query = {"container": layout.GATE, "tailLines": "1"}
        line = self._connection.attempt(self._connection.api.get(path, query)) or {}
        held = line.get("secrets")
        if not isinstance(held, dict):
            return {}
        return {str(name): shown(str(reason)) for name, reason in held.items()}

    def _refused(self, name: str) -> Json:
        """There is no such pod: perhaps it was never let in."""
        events = [event for event in self._events(None) if is_of(event["about"], name)]
        refused = [event for event in events if event["reason"] == "FailedCreate" and event["ours"]]
        if refused:
            sentence = "is refused: the webhook denies its pods"
            where_it_is = Standing(verdict="refused", sentence=sentence)
            return self._document(refused[-1]["about"], where_it_is, [], refused)
        listing = self._connection.api.list_all(PODS.path(self._namespace))
        listed = self._connection.allowed(listing, "list pods")
        known = [] if listed is None else [item["metadata"]["name"] for item in listed.items]
        message = (
            f"pod {name} not found in namespace {self._namespace}, and no Event says that it was"
            f" refused{suggestion(name, known)}"
        )
        raise CommandError(message)

    def _events(self, name: str | None) -> list[Json]:
        """The namespace's, or a pod's, oldest first; none where they can't be listed."""
        of_pod = f"involvedObject.kind=Pod,involvedObject.name={name}"
        listing = self._connection.api.list_all(
            CORE_EVENTS.path(self._namespace), field_selector=None if name is None else of_pod
        )
        listed = self._connection.allowed(listing, "list events")
        if listed is None:
            note = (
                f"you cannot list Events in namespace {self._namespace} (403). They may give more"
                " details"
            )
            self._cluster.notes.append(note)
            return []
        return sorted((_event(item) for item in listed.items), key=lambda item: item["at"] or 0.0)

    def _document(
        self, name: str, where_it_is: Standing, found: list[PodSecret], events: list[Json]
    ) -> Json:
        now = self._cluster.now()
        running = self._cluster.controlled()
        notes = list(self._cluster.notes)
        if running is False:
            notes.append(listing.NO_CONTROLLER)
        return {
            "namespace": self._namespace,
            "pod": name,
            "verdict": where_it_is.verdict,
            "sentence": where_it_is.sentence,
            "secrets": [_described(item) for item in found],
            "events": [
                {
                    "reason": event["reason"],
                    "age_s": None if event["at"] is None else max(0.0, now - event["at"]),
                    "message": event["message"],
                }
                for event in events[-_EVENTS_SHOWN:]
            ],
            "notes": notes,
        }


def _described(item: PodSecret) -> Json:
    return {
        "name": item.name,
        "source": item.source,
        "snapshot": item.snapshot,
        "class": item.rules,
        "state": item.state,
        "age_s": item.age_s,
        "version": item.version,
        "blocksStart": item.blocks_start,
        "why": item.why,
    }


def _event(item: Json) -> Json:
    source = item.get("reportingComponent") or (item.get("source") or {}).get("component") or ""
    message = shown(" ".join(str(item.get("message") or "").split()), _MOST_SAID)
    series = item.get("series") or {}
    times = (series.get("lastObservedTime"), item.get("lastTimestamp"), item.get("eventTime"))
    return {
        "about": str((item.get("involvedObject") or {}).get("name")),
        "reason": shown(str(item.get("reason"))),
        "message": message,
        "at": next((at for at in map(seconds, times) if at is not None), None),
        "ours": OURS in source or OURS in message,
    }


def _text(document: Json) -> str:
    lines = [f"{document['namespace']}/{document['pod']} {document['sentence']}"]
    found = document["secrets"]
    if found:
        lines.append(listing.table(HEADINGS, [_row(item) for item in found]))
    lines += [f"{item['name']}: {item['why']}" for item in found if item["why"] is not None]
    lines += [
        f"Event {event['reason']}, {listing.duration(event['age_s'])} ago: {event['message']}"
        for event in document["events"]
    ]
    return "\n".join(lines)


def _row(item: Json) -> tuple[str, ...]:
    return (
        item["name"],
        item["source"],
        item["class"],
        item["state"],
        listing.duration(item["age_s"]),
        listing.short(item["version"]),
    )
