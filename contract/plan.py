"""What a pod asked for, as the webhook decided it: an argument of gate and agent, immutable with
the pod's spec.

The controller reads the same argument to learn what is demanded. Wire: one JSON object, `v` 1,
additive; golden files in tests/contract/golden keep old ones readable.
"""

from __future__ import annotations

from contract import wire
from contract.freshness import FreshnessClass
from contract.frozen import Record
from contract.layout import RESERVED_FILES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

FOLLOW = "follow"
MOUNT = "mount"
MODES = (FOLLOW, MOUNT)

JSON = "json"
DOTENV = "dotenv"
BUNDLES = {JSON: "bundle.json", DOTENV: "bundle.env"}
"""By form the name of the file with all secrets of the pod (contract.bundle)."""
NEEDS_BUNDLE = "bundle"
"""A word of `--needs`, an argument beside the plan: what gate and agent must know of it. A gate
that does not know the argument or one of its words refuses to work, and the pod does not start.
"""

DIRECTORY_MODES = {"owner": 0o700, "group": 0o750, "world": 0o755}
FILE_MODES = {"owner": 0o400, "group": 0o440, "world": 0o444}
"""File mode by who may read: the app's UID alone, its fsGroup, or anyone who has the volume mounted
(docs/contract.md, "Who may read the files").
"""

MOST_PLAN = 64 << 10
"""Bytes of a plan: an argument may have 128 KiB (Linux MAX_ARG_STRLEN), and etcd keeps it with each
pod.
"""
MOST_NAME = 253
"""Bytes in a name that becomes a path element: a Kubernetes key's limit, below every file system's.
"""


class PlannedFile(Record):
    """One file in the cache: the whole value of its snapshot, or one property of it."""

    name: str
    """The annotation's `<name>`."""
    file: str
    """The file's name, one path element."""
    property: str | None
    """None: the whole value."""


class PlannedSnapshot(Record):
    """One source and the files that this pod takes from it. All of them always come from one
    version.
    """

    snapshot: str
    """The name of the Secret, `contract.object_names.snapshot_name`."""
    account: str
    identity: str
    scheme: str
    reference: str
    """Canonical, without the provider."""
    rules: FreshnessClass
    files: tuple[PlannedFile, ...]


class Reload(Record):
    """How the app learns of a change: exactly one of the two is set."""

    http: str | None = None
    """A loopback URL that gets a POST."""
    signal: str | None = None
    """A signal's name without SIG, sent to the main process of each container of the pod."""


class Plan(Record):
    """A pod's whole request. `access` is a key of FILE_MODES, `bundle` one of BUNDLES."""

    mode: str
    access: str
    snapshots: tuple[PlannedSnapshot, ...]
    reload: Reload | None = None
    bundle: str | None = None
    """None: no file with all secrets. In mode `follow` only."""


def to_wire(plan: Plan) -> str:
    """The plan as one line of JSON; equal plans give equal text.

    A class is told by its name: snapshots that name one class have equal rules.
    """
    classes = {planned.rules.name: planned.rules for planned in plan.snapshots}
    document: dict[str, Any] = {
        "mode": plan.mode,
        "access": plan.access,
        "classes": {name: _class_to_wire(classes[name]) for name in sorted(classes)},
        "snapshots": [_snapshot_to_wire(planned) for planned in plan.snapshots],
    }
    if plan.reload is not None:
        document["reload"] = {
            key: value for key, value in plan.reload.__dict__.items() if value is not None
        }
    if plan.bundle is not None:
        document["bundle"] = plan.bundle
    return wire.encode(document)


def from_wire(raw: str) -> Plan:
    """The plan of one line of JSON, or a WireError."""
    document = wire.decode(raw, "the plan")
    access = wire.text(document, "access")
    mode = wire.text(document, "mode")
    if mode not in MODES:
        raise wire.WireError(f"the plan's mode must be one of {', '.join(MODES)}")
    if access not in FILE_MODES:
        raise wire.WireError(f"the plan's access must be one of {', '.join(FILE_MODES)}")
    wire.need(document, "classes", "snapshots")
    classes = {
        name: _class_from_wire(name, item)
        for name, item in wire.mapping(document, "classes").items()
    }
    snapshots = tuple(
        _snapshot_from_wire(item, classes) for item in wire.objects(document, "snapshots")
    )
    bundle = wire.optional_text(document, "bundle")
    if bundle is not None and bundle not in BUNDLES:
        raise wire.WireError(f"the plan's bundle must be one of {', '.join(BUNDLES)}")
    if bundle is not None and mode != FOLLOW:
        raise wire.WireError(f"the plan's bundle needs mode {FOLLOW}")
    _refuse_doubles(snapshots, bundle)
    return Plan(
        mode=mode,
        access=access,
        snapshots=snapshots,
        reload=_reload_from_wire(document),
        bundle=bundle,
    )


def _refuse_doubles(snapshots: tuple[PlannedSnapshot, ...], bundle: str | None) -> None:
    """Files lie in one folder, and `status.json` lists secrets by name."""
    bundles = [] if bundle is None else [BUNDLES[bundle]]
    planned = [file for snapshot in snapshots for file in snapshot.files]
    for member, found in (
        ("snapshot", [snapshot.snapshot for snapshot in snapshots]),
        ("secret", [file.name for file in planned]),
        ("file", [*bundles, *(file.file for file in planned)]),
    ):
        if len(set(found)) != len(found):
            raise wire.WireError(f"the plan names one {member} twice")


def _class_to_wire(rules: FreshnessClass) -> dict[str, Any]:
    seconds = {key: getattr(rules, key) for key in ("refresh_s", "budget_s", "max_age_s")}
    whole = {key: int(value) if value == int(value) else value for key, value in seconds.items()}
    return {**whole, "on_expired": rules.on_expired}


def _class_from_wire(name: str, item: object) -> FreshnessClass:
    if type(item) is not dict:
        raise wire.WireError(f"class {name!a} must be an object")
    on_expired = wire.text(item, "on_expired")
    if on_expired not in {"serve", "refuse"}:
        raise wire.WireError(f"class {name!a}: on_expired must be serve or refuse")
    return FreshnessClass(
        name=name,
        refresh_s=wire.number(item, "refresh_s"),
        budget_s=wire.number(item, "budget_s"),
        max_age_s=wire.number(item, "max_age_s"),
        on_expired=on_expired,
    )


def _snapshot_to_wire(planned: PlannedSnapshot) -> dict[str, Any]:
    return {
        "snapshot": planned.snapshot,
        "account": planned.account,
        "identity": planned.identity,
        "provider": planned.scheme,
        "reference": planned.reference,
        "class": planned.rules.name,
        "files": [
            {key: value for key, value in file.__dict__.items() if value is not None}
            for file in planned.files
        ],
    }


def _snapshot_from_wire(
    item: dict[str, Any], classes: dict[str, FreshnessClass]
) -> PlannedSnapshot:
    rules = classes.get(wire.text(item, "class"))
    if rules is None:
        raise wire.WireError("a snapshot's class must be one of the plan's classes")
    wire.need(item, "files")
    return PlannedSnapshot(
        snapshot=_path_element(item, "snapshot"),
        account=wire.text(item, "account"),
        identity=wire.text(item, "identity"),
        scheme=wire.text(item, "provider"),
        reference=wire.text(item, "reference"),
        rules=rules,
        files=tuple(
            PlannedFile(
                name=wire.text(file, "name"),
                file=_path_element(file, "file"),
                property=wire.optional_text(file, "property"),
            )
            for file in wire.objects(item, "files")
        ),
    )


def _path_element(item: dict[str, Any], member: str) -> str:
    """A name that becomes a path element: no matter who wrote the plan, it never leads out of our
    folders.
    """
    name = wire.text(item, member)
    plain = name.isascii() and name.isprintable() and "/" not in name
    if not plain or not 0 < len(name) <= MOST_NAME or name.startswith("."):
        raise wire.WireError(
            f"{member} must be one path element of 1 to {MOST_NAME} printable ASCII characters "
            "that does not start with a dot"
        )
    if name in RESERVED_FILES:
        raise wire.WireError(f"{member} must not be {name}, which is ours")
    return name


def _reload_from_wire(document: dict[str, Any]) -> Reload | None:
    if document.get("reload") is None:
        return None
    reload = wire.mapping(document, "reload")
    found = Reload(
        http=wire.optional_text(reload, "http"), signal=wire.optional_text(reload, "signal")
    )
    if (found.http is None) == (found.signal is None):
        raise wire.WireError("reload must have exactly one of http and signal")
    return found
