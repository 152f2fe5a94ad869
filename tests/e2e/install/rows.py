"""The rows of the table in docs/contract.md, and who may read the files: what a team writes, and
what its pod must then be.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from contract import layout
from contract.annotations import CONTAINERS, ENV, MODE, RELOAD
from tests.e2e.install.world import DB, NOTHING, SECURITY, app, deployment
from tests.make import asking

if TYPE_CHECKING:
    from tests.e2e.install.kubectl import Json
    from tests.e2e.install.settings import Settings

FRESH = "/e2e/strict/fresh"
APP_UID, GROUP, OUR_UID = 1000, 2000, 65532
OWNER = {"runAsUser": APP_UID}
WITH_GROUP = {**OWNER, "fsGroup": GROUP}
NEITHER: Json = {}
BY_OWNER = {"mode": "0o400", "uid": APP_UID}
BY_GROUP = {"mode": "0o440", "uid": OUR_UID, "gid": GROUP}
BY_ALL = {"mode": "0o444", "uid": OUR_UID}
MOUNT_ALL = {"mode": "0o444", "uid": 0, "gid": 0}
MOUNT_GROUP = {"mode": "0o440", "uid": 0, "gid": GROUP}
GATE, AGENT = layout.GATE, layout.AGENT
URL = "http://127.0.0.1:8080/reload"


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One workload."""

    name: str
    kind: str = "Deployment"
    mode: str = "follow"
    source: str = DB
    annotations: dict[str, str] = field(default_factory=dict)
    """Further ones."""
    user: Json
    """What the pod's security context says of user and group."""
    before: tuple[str, ...] = ()
    """Init containers that the team has: `side` keeps running, another ends."""
    mesh: tuple[str, ...] = ()
    """A mesh's native sidecars, which lead."""
    uids: dict[str, int] = field(default_factory=dict)
    """The containers that run as users of their own, the app among them."""
    inits: tuple[str, ...]
    """Init containers as injected, in order."""
    containers: tuple[str, ...]
    file: Json
    """Mode and owner of the file that the app reads."""
    folder: Json | None = None
    """Of the folder, in `follow` mode."""

    @property
    def readers(self) -> tuple[str, ...]:
        """The containers that get the files."""
        return tuple(dict.fromkeys(("app", *self.uids, *self.before)))

    @property
    def ends(self) -> bool:
        return self.kind != "Deployment"


OF_OWNER = {"mode": "0o700", "uid": APP_UID}
FOLLOW = ("app", AGENT)
ROWS = (
    Row(
        name="cron",
        kind="CronJob",
        user=OWNER,
        inits=(GATE, AGENT),
        containers=("app",),
        file=BY_OWNER,
        folder=OF_OWNER,
    ),
    Row(
        name="owner",
        user=OWNER,
        inits=(GATE,),
        containers=FOLLOW,
        file=BY_OWNER,
        folder=OF_OWNER,
    ),
    Row(
        name="group",
        user=WITH_GROUP,
        inits=(GATE,),
        containers=FOLLOW,
        file=BY_GROUP,
        folder={"mode": "0o2750", "uid": OUR_UID},
    ),
    Row(
        name="neither",
        user=NEITHER,
        inits=(GATE,),
        containers=FOLLOW,
        file=BY_ALL,
        folder={"mode": "0o755", "uid": OUR_UID},
    ),
    Row(
        name="users",
        user=NEITHER,
        uids={"app": APP_UID, "other": APP_UID + 1},
        inits=(GATE,),
        containers=("app", "other", AGENT),
        file=BY_ALL,
        folder={"mode": "0o755", "uid": OUR_UID},
    ),
    Row(
        name="meshed",
        user=OWNER,
        mesh=("istio-proxy",),
        inits=("istio-proxy", GATE),
        containers=FOLLOW,
        file=BY_OWNER,
        folder=OF_OWNER,
    ),
    Row(
        name="job",
        kind="Job",
        user=OWNER,
        inits=(GATE, AGENT),
        containers=("app",),
        file=BY_OWNER,
        folder=OF_OWNER,
    ),
    Row(
        name="job-group",
        kind="Job",
        user=WITH_GROUP,
        inits=(GATE, AGENT),
        containers=("app",),
        file=BY_GROUP,
        folder={"mode": "0o2750", "uid": OUR_UID},
    ),
    Row(name="bare", mode="mount", user=OWNER, inits=(), containers=("app",), file=MOUNT_ALL),
    Row(
        name="bare-group",
        mode="mount",
        user=WITH_GROUP,
        inits=(),
        containers=("app",),
        file=MOUNT_GROUP,
    ),
    Row(
        name="bare-neither",
        mode="mount",
        user=NEITHER,
        inits=(),
        containers=("app",),
        file=MOUNT_ALL,
    ),
    Row(
        name="bare-job",
        kind="Job",
        mode="mount",
        user=OWNER,
        inits=(),
        containers=("app",),
        file=MOUNT_ALL,
    ),
    Row(
        name="strict-bare",
        mode="mount",
        source=f"aws-sm:{FRESH}",
        user=OWNER,
        inits=(GATE,),
        containers=("app",),
        file=MOUNT_ALL,
    ),
    Row(
        name="told-bare",
        mode="mount",
        annotations={RELOAD: URL},
        user=OWNER,
        inits=(),
        containers=FOLLOW,
        file=MOUNT_ALL,
    ),
    Row(
        name="beside",
        annotations={CONTAINERS: "app,migrate,side"},
        user=OWNER,
        before=("migrate", "side"),
        inits=(GATE, "migrate", "side"),
        containers=FOLLOW,
        file=BY_OWNER,
        folder=OF_OWNER,
    ),
    Row(
        name="beside-job",
        kind="Job",
        annotations={CONTAINERS: "app,migrate,side"},
        user=OWNER,
        before=("side", "migrate"),
        inits=(GATE, AGENT, "side", "migrate"),
        containers=("app",),
        file=BY_OWNER,
        folder=OF_OWNER,
    ),
)


def manifest(settings: Settings, row: Row) -> Json:
    """What the team applies: nothing of ours is in it but annotations."""
    variables = {"ONCE": "1"} if row.ends else {"LISTEN": "1"}
    spec = app(settings, **variables)
    (main,) = spec["containers"]
    spec["securityContext"] = {
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
        **row.user,
    }
    inits = [*(_proxy(main, name) for name in row.mesh), *(_own(main, name) for name in row.before)]
    if inits:
        spec["initContainers"] = inits
    if row.uids:
        spec["containers"] = [_as_user(main, name, uid) for name, uid in row.uids.items()]
    asks = {**asking(db=row.source), MODE: row.mode, ENV + "DB_FILE": "db", **row.annotations}
    made = deployment(row.name, spec, asks)
    if not row.ends:
        return made
    template = made["spec"]["template"]
    template["spec"]["restartPolicy"] = "Never"
    job = {"backoffLimit": 0, "template": template}
    if row.kind == "CronJob":
        job = {"schedule": "* * * * *", "jobTemplate": {"spec": job}, "concurrencyPolicy": "Forbid"}
    group = {"apiVersion": "batch/v1", "kind": row.kind, "metadata": {"name": row.name}}
    return {**group, "spec": job}


def _own(main: Json, name: str) -> Json:
    """A user's init container, or native sidecar, with the app's program."""
    side = name == "side"
    env = [] if side else [{"name": "ONCE", "value": "1"}]
    made = {**main, "name": name, "env": env, "securityContext": SECURITY}
    return {**made, "restartPolicy": "Always"} if side else made


def _proxy(main: Json, name: str) -> Json:
    """What a mesh's injector adds, with the app's program; it looks for no file of ours."""
    env = [{"name": "FOLDER", "value": NOTHING}]
    return {**main, "name": name, "env": env, "restartPolicy": "Always"}


def _as_user(main: Json, name: str, uid: int) -> Json:
    env = main["env"] if name == "app" else []
    return {**main, "name": name, "env": env, "securityContext": {**SECURITY, "runAsUser": uid}}
