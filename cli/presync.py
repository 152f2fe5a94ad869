"""`lastgood presync`: the SecretSnapshots that manifests will need, declared ahead of pods."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from cli import listing, manifests, pod_templates, policies, secret_grants
from cli.api_errors import EDIT
from cli.cluster_snapshots import ClusterSnapshots
from cli.exit_codes import CommandError, Exit
from cli.manifests import namespace_of, namespaces
from cli.open_cluster import connected
from cli.output import JSON, NAME, YAML, name_of, written
from cli.render import NOTHING, renderings_of
from contract.quoted import shown
from controller.demand import NotADemandError, from_pod
from controller.snapshot_objects import MADE_FOR, declaration
from controller.spec import SnapshotName
from kube.api_resources import SECRET_SNAPSHOTS
from kube.errors import AlreadyExistsError, ConflictError

if TYPE_CHECKING:
    import argparse
    from collections.abc import Awaitable, Iterable

    from cli.api_client import ApiConnection
    from cli.pod_templates import Manifest
    from cli.render import Renderer
    from cli.secret_grants import Grant
    from cli.settings import Settings
    from cli.terminal import Terminal
    from controller.snapshot_status import Status
    from workqueue.clock import BlockingClock

_TRIES = 20
Declarations = dict[SnapshotName, dict[str, Any]]


def presync(
    arguments: argparse.Namespace, settings: Settings, clock: BlockingClock, terminal: Terminal
) -> int:
    """Prints them, or with `--apply` makes them and waits for their values."""
    if arguments.policy is not None and not arguments.apply:
        return _presync(arguments, None, clock, terminal)
    with connected(arguments, settings, clock) as connection:
        return _presync(arguments, connection, clock, terminal)


def _presync(
    arguments: argparse.Namespace,
    connection: ApiConnection | None,
    clock: BlockingClock,
    terminal: Terminal,
) -> int:
    files = [(file, manifests.load(file, terminal.stdin)) for file in arguments.files]
    usual = "default" if connection is None else connection.namespace
    namespace = arguments.namespace or usual
    if arguments.policy is not None or connection is None:
        said = policies.in_folder(arguments.policy)
    else:
        said = policies.on_cluster(connection, namespaces(files, namespace))
    renderer = renderings_of(files, arguments, said, namespace)
    for sentence in (*renderer.problems, *renderer.remarks, *renderer.denials):
        terminal.tell(sentence)
    if renderer.denials:
        return Exit.REFUSED
    wanted = declarations(renderer, namespace)
    if not wanted:
        terminal.tell(NOTHING)
    granted = _grants(wanted, terminal)
    system = arguments.system_namespace
    if granted:
        system = secret_grants.system_of(connection, system)
    documents = _written(granted, wanted, system, arguments.output or YAML)
    if not arguments.apply or connection is None:
        terminal.out.write(documents)
        return Exit.DONE
    progress = terminal.out if arguments.output is None else terminal.err
    for grant in granted:
        what = secret_grants.apply(connection, grant, system)
        print(f"{grant.namespace}/{grant.secret}: {what}", file=progress, flush=True)
    for name, body in wanted.items():
        what = _declare(connection, name, body)
        print(f"{name.namespace}/{name.snapshot}: {what}", file=progress, flush=True)
    if arguments.output is not None:
        terminal.out.write(documents)
    cluster = ClusterSnapshots(connection, None, arguments.system_namespace, clock)
    return _await(cluster, list(wanted), arguments.wait, clock, replace(terminal, out=progress))


def declarations(renderer: Renderer, namespace: str) -> Declarations:
    """What the injected pods ask for, each once."""
    found: Declarations = {}

    def collect(manifest: Manifest, template: Manifest) -> Manifest:
        where = namespace_of(manifest, namespace)
        metadata = {**(template.get("metadata") or {}), "name": "pod", "namespace": where}
        try:
            demand = from_pod({"metadata": metadata, "spec": template.get("spec")})
        except NotADemandError as error:
            message = f"{shown(str(manifest.get('kind')))} {shown(where)}: {error}"
            raise CommandError(message) from error
        for key, taken in demand.parts.items() if demand is not None else ():
            source = key.source
            name = SnapshotName(where, source.snapshot)
            before = found.get(name, {}).get("spec", {}).get("properties", ())
            found[name] = declaration(
                where,
                account=source.account,
                identity=source.identity,
                scheme=source.scheme,
                reference=source.reference,
                properties=taken.properties.union(before),
            )
        return template

    for rendering in renderer.renderings:
        for document in rendering.after:
            pod_templates.change_pods(document, collect)
    return dict(sorted(found.items()))


def _declare(connection: ApiConnection, name: SnapshotName, body: dict[str, Any]) -> str:
    """What was done. One that was made for pods becomes a declared one, which outlives them. One
    that is there counts on the members of the manifests too, and on no fewer than before.
    """
    where = f" in namespace {name.namespace}"
    path = SECRET_SNAPSHOTS.path(name.namespace, name.snapshot)
    api = connection.api

    async def done(request: Awaitable[object]) -> bool:
        try:
            await request
        except (AlreadyExistsError, ConflictError):
            return False
        return True

    for _ in range(_TRIES):
        create = api.create(SECRET_SNAPSHOTS.path(name.namespace), body)
        if connection.ask(done(create), "create SecretSnapshots" + where, EDIT):
            return "created"
        found = connection.find(path, "get SecretSnapshots" + where)
        change, said = _joined(found or {}, body["spec"].get("properties", ()))
        patch = api.merge_patch(path, change) if change else None
        if patch is None or connection.ask(done(patch), "patch SecretSnapshots" + where, EDIT):
            return said
    where = f"{name.namespace}/{name.snapshot}"
    message = (
        f"{where} was changed by other clients each time. Nothing was changed in it. Try again"
    )
    raise CommandError(message)


def _joined(found: dict[str, Any], members: Iterable[str]) -> tuple[dict[str, Any], str]:
    """The merge patch by which a SecretSnapshot is declared and counts on `members` too, unless
    somebody wrote it since, and what is said of it; empty: it is so already.
    """
    metadata = found.get("metadata") or {}
    before = frozenset((found.get("spec") or {}).get("properties") or ())
    missing = sorted(before.union(members) - before)
    change: dict[str, Any] = {}
    said = "unchanged"
    if missing:
        change["spec"] = {"properties": sorted(before.union(missing))}
        said = f"configured: its properties now include {shown(', '.join(missing))}"
    if MADE_FOR in (metadata.get("annotations") or {}):
        change["metadata"] = {"annotations": {MADE_FOR: None}}
        said = "configured: created for pods before, now kept until it is deleted"
    if change:
        change.setdefault("metadata", {})["resourceVersion"] = metadata.get("resourceVersion")
    return change, said


def _await(
    cluster: ClusterSnapshots,
    names: list[SnapshotName],
    wait_s: float,
    clock: BlockingClock,
    terminal: Terminal,
) -> int:
    """Until each has been decided on and fetched once, or the time is over."""
    deadline = clock.monotonic() + wait_s
    while True:
        statuses = {name: cluster.status(name) for name in names}
        waiting = {name: status for name, status in statuses.items() if not _synced(status)}
        running = cluster.controlled() is not False
        if not waiting or not running or clock.monotonic() >= deadline:
            break
        clock.sleep(cluster.poll_s)
    now = cluster.now()
    known = {name: status for name, status in statuses.items() if status is not None}
    if known:
        print(listing.overview(known, now), file=terminal.out)
    for note in cluster.notes:
        terminal.tell(f"note: {note}")
    if not waiting:
        return Exit.DONE
    listed = ", ".join(f"{name.namespace}/{name.snapshot}" for name in waiting)
    if not running:
        terminal.tell(f"no controller is running. Not fetched yet: {listed}")
        return Exit.NOT_RUNNING
    terminal.tell(f"not fetched within {wait_s:g} s: {listed}")
    return Exit.NOT_YET


def _synced(status: Status | None) -> bool:
    return status is not None and status.serving is not None


def _grants(wanted: Declarations, terminal: Terminal) -> list[Grant]:
    """What the sources of declarations need."""
    sources = ((name.namespace, body["spec"]["source"]) for name, body in wanted.items())
    found = secret_grants.grants(
        (namespace, source["provider"], source["reference"]) for namespace, source in sources
    )
    for namespace in sorted({grant.namespace for grant in found if not grant.possible}):
        terminal.tell(
            f"Secrets of namespace {namespace} cannot be granted: lastgood reads none there."
            " Use another namespace"
        )
    return [grant for grant in found if grant.possible]


def _written(granted: list[Grant], wanted: Declarations, system: str, output: str) -> str:
    roles = [pair for grant in granted for pair in secret_grants.documents(grant, system)]
    if output == NAME:
        names = [name_of(body["metadata"]["name"], resource) for resource, body in roles]
        names += [name_of(name.snapshot) for name in wanted]
        return "".join(f"{name}\n" for name in names)
    documents = [*(body for _, body in roles), *wanted.values()]
    if output == YAML:
        return manifests.write(documents)
    return written({"apiVersion": "v1", "kind": "List", "items": documents}, JSON)
