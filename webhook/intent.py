"""Annotations, policy and pod come to one intent: all that injecting needs to know, or every
mistake at once. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any

from contract import layout
from contract.annotations import (
    BUNDLE,
    CONTAINERS,
    ENV,
    ENV_VALUE,
    MODE,
    MOUNT_PATH,
    RELOAD,
    SECRET,
)
from contract.bundle import room
from contract.names import snapshot_name
from contract.plan import (
    DOTENV,
    FOLLOW,
    MOST_PLAN,
    MOUNT,
    Plan,
    PlannedFile,
    PlannedSnapshot,
    to_wire,
)
from contract.quoted import ending, shown
from contract.snapshot import data_key
from contract.spelling import quick_suggestion
from policy import match
from policy.match import Allowed, Matcher, Refused
from webhook import cost, pods, resources, shapes
from webhook.access import access_of
from webhook.resources import cache_size
from webhook.shapes import Request
from webhook.verdict import ENOUGH, MOST_HINTS, Mistake, Reason
from webhook.wishes import Wish, Wishes, ours, overlaps, read, spellings

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from api.policy import SecretPolicy
    from contract.freshness import FreshnessClass
    from policy.match import PolicySet
    from webhook.config import Injection
    from webhook.shapes import Parts
    from webhook.template_cache import TemplateCache
    from webhook.verdict import Pod

_NO_BUNDLE = (
    "a bundle needs mode follow: in mode mount the kubelet writes the files, each from one key of a"
    f" Secret, and nothing puts them together; write {MODE}: follow, or leave the bundle out"
)
MOST_SHOWN = 10
"""Names of containers in one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """What to do to a pod."""

    request: Request
    parts: Parts
    chosen: frozenset[str]
    """The containers that get mount and variables."""
    variables: tuple[dict[str, Any], ...]
    """What the chosen containers get in `env`."""
    native: bool
    """Whether the agent is an init container that keeps running, because the pod ends (KEP-753)."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Granted:
    """A wish that policy allows, and of the answer what the webhook uses: it is remembered."""

    wish: Wish
    account: str
    identity: str
    rules: FreshnessClass
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grants:
    """All wishes of a pod that policy allows. Compared by identity, which is quick to hash."""

    policy: SecretPolicy
    granted: tuple[_Granted, ...]


def decide(
    pod: Pod,
    namespace: str,
    policies: PolicySet,
    config: Injection,
    cache: TemplateCache,
    *,
    known: bool,
) -> Intent | list[Mistake]:
    """The intent for an opted-in pod, or every mistake. `known`: as in `admit`."""
    pairs = ours(pods.annotations_of(pod))
    template = cache.template(pairs)
    wishes, misread = template.call(read, pairs)
    mistakes = [*misread, *islice(_pod_mistakes(pod), ENOUGH)]
    grants, refused = template.call(_grant, wishes, namespace, policies, known=known)
    if grants is None:
        return [*mistakes, *refused]
    policy = grants.policy
    chosen, unknown = _choose(pod["spec"], wishes)
    too_long = cost.too_long_patch(pod["spec"], wishes, chosen)
    if too_long is not None:
        return [*mistakes, *refused, *unknown, too_long]
    variables = template.call(_variables, wishes, grants)
    mistakes += [*refused, *_unwanted(wishes, policy), *unknown]
    mistakes += islice(_collisions(pod["spec"], wishes, chosen, variables), ENOUGH)
    mode = wishes.mode or policy.spec.agent.mode
    if mode == MOUNT and wishes.bundle is not None:
        mistakes.append(Mistake(reason=Reason.BAD_ANNOTATION, field=BUNDLE, message=_NO_BUNDLE))
    access = access_of(
        pod["spec"],
        chosen,
        mode=mode,
        reload=wishes.reload,
        uid=config.uid,
        run_as=policy.spec.agent.run_as or config.run_as,
    )
    if isinstance(access, str):
        return [*mistakes, Mistake(reason=Reason.BAD_ANNOTATION, field=RELOAD, message=access)]
    if mistakes:
        return mistakes
    request = template.call(_request, wishes, grants, mode=mode, access=access.access)
    if len(request.wire) > MOST_PLAN:
        message = (
            f"the plan has {len(request.wire)} bytes; allowed are {MOST_PLAN}: take fewer secrets"
        )
        return [Mistake(reason=Reason.LIMIT, field=SECRET + "<name>", message=message)]
    listen, warnings = _listen(pod["spec"]) if request.agent else (False, ())
    spec = pod["spec"]
    native = pods.ends(spec)
    parts = template.call(
        shapes.parts,
        request,
        access,
        config,
        listen=listen,
        token=spec.get("automountServiceAccountToken") is not False,
        native=native,
        guaranteed=resources.guaranteed(spec),
    )
    return Intent(
        request=request,
        parts=parts,
        chosen=chosen,
        variables=variables,
        native=native,
        warnings=access.warnings + warnings,
    )


def _request(wishes: Wishes, grants: _Grants, *, mode: str, access: str) -> Request:
    """All of a template's pods of one access that ours are made from."""
    granted = grants.granted
    plan = Plan(
        mode=mode,
        access=access,
        snapshots=_snapshots(granted),
        reload=wishes.reload,
        bundle=wishes.bundle,
    )
    follow = mode == FOLLOW
    return Request(
        plan=plan,
        wire=to_wire(plan),
        mount_path=wishes.mount_path,
        gate=follow or any(snapshot.rules.refuses for snapshot in plan.snapshots),
        agent=follow or plan.reload is not None,
        cache_bytes=_cache_bytes(granted, wishes.bundle) if follow else 0,
        resources=grants.policy.spec.agent.resources,
    )


def _cache_bytes(granted: tuple[_Granted, ...], bundle: str | None) -> int:
    files = [item.max_bytes for item in granted]
    return cache_size(files if bundle is None else [*files, room(bundle, files)])


def _listen(spec: Pod) -> tuple[bool, tuple[str, ...]]:
    """Whether the agent may serve its port, and a warning where the app has it."""
    if spec.get("hostNetwork"):
        return False, ()
    if _declares_port(spec):
        port = layout.AGENT_PORT
        return False, (f"a container declares port {port}, so lastgood's agent serves no metrics",)
    return True, ()


def _pod_mistakes(pod: Pod) -> Iterator[Mistake]:
    """What is wrong with the pod, whatever its annotations ask for. Its `metadata.namespace` is not
    looked at: the API server takes a pod into the request's, and ignores a template's.
    """
    spec = pod["spec"]
    if not pods.user_containers(spec):
        message = "there is no container of yours; a pod needs at least one"
        yield Mistake(reason=Reason.UNSUPPORTED_POD, field="spec.containers", message=message)
    for field, name in pods.names_taken(pod):
        message = f'"{name}" is a name of lastgood\'s own; rename yours'
        yield Mistake(reason=Reason.COLLISION, field=field, message=message)
    for field, name, volume in pods.mounts_taken(pod):
        message = (
            f'container {shown(name)} mounts "{volume}", a volume of lastgood\'s own;'
            " remove the mount, lastgood adds it"
        )
        yield Mistake(reason=Reason.COLLISION, field=field, message=message)
    windows = pods.windows(spec)
    if windows is not None:
        message = "windows is not supported; allowed: linux"
        yield Mistake(reason=Reason.UNSUPPORTED_POD, field=windows, message=message)


def _grant(
    wishes: Wishes, namespace: str, policies: PolicySet, *, known: bool
) -> tuple[_Grants | None, tuple[Mistake, ...]]:
    """The wishes that policy allows, and a mistake for each other one. None: there is no policy."""
    policy = match.policy_of(policies, namespace)
    if isinstance(policy, Refused):
        field, message = "metadata.namespace", policy.told(known=known)
        return None, (Mistake(reason=Reason.NO_POLICY, field=field, message=message),)
    granted: list[_Granted] = []
    mistakes: list[Mistake] = []
    count, most = len(wishes.secrets), policy.spec.limits.secrets_per_pod
    matcher = Matcher(policies, policy, namespace)
    for wish in wishes.secrets[:most]:  # which bounds the time that one pod takes
        source = wish.source
        answer = matcher.decide(source.provider, source.account, source.reference)
        if isinstance(answer, Refused):
            refusal: str | None = answer.told(known=known)
        else:
            refusal = _never(wish, answer, wishes.bundle)
        if isinstance(answer, Allowed) and refusal is None:
            rules, max_bytes = answer.rules, answer.max_bytes
            granted.append(_Granted(wish, answer.account, answer.identity, rules, max_bytes))
        elif refusal is not None and len(mistakes) < ENOUGH:
            field = SECRET + wish.name
            mistakes.append(Mistake(reason=Reason.NOT_ALLOWED, field=field, message=refusal))
    if count > most:
        message = f"there are {count}; policy {policy.name} allows {most} per pod"
        mistakes.append(Mistake(reason=Reason.LIMIT, field=SECRET + "<name>", message=message))
    return _Grants(policy=policy, granted=tuple(granted)), tuple(mistakes)


def _never(wish: Wish, allowed: Allowed, bundle: str | None) -> str | None:
    """Why the pod would wait for this without end, whatever the provider has; None: it may come."""
    part = wish.source.property
    checks = {name for check in allowed.validations for name in check}
    if part is not None and "pem" in checks:
        return (
            f"policy {allowed.policy} accepts PEM only here (validate: pem), and PEM has no"
            f" property {shown(part)}; take the whole value, without #{shown(part)}"
        )
    if part is None and bundle == DOTENV and checks & {"pem", "requiredKeys"}:
        what = "PEM" if "pem" in checks else "objects"
        return (
            f"policy {allowed.policy} accepts {what} only here, and no line of {BUNDLE}: {DOTENV}"
            f" carries one; write {BUNDLE}: json, or leave the bundle out"
        )
    return None


def _unwanted(wishes: Wishes, policy: SecretPolicy) -> Iterator[Mistake]:
    """Values in variables, where the policy has none of it."""
    for variable, name in () if policy.spec.allow_env_value else wishes.values:
        message = (
            f"policy {policy.name} does not allow values in variables (allowEnvValue);"
            f" write {ENV}{shown(variable)}: {name} for the path of its file"
        )
        field = shown(ENV_VALUE + variable)
        yield Mistake(reason=Reason.NOT_ALLOWED, field=field, message=message)


def _variables(wishes: Wishes, grants: _Grants) -> tuple[dict[str, Any], ...]:
    """Paths as they are; values by a reference to the Secret, which a starting container needs."""
    by_name = {item.wish.name: item for item in grants.granted}
    found: list[dict[str, Any]] = [
        {"name": name, "value": f"{wishes.mount_path}/{file}"} for name, file in wishes.variables
    ]
    for variable, name in wishes.values:
        if name in by_name:
            item = by_name[name]
            source = item.wish.source
            reference = {
                "name": snapshot_name(*_key(item)),
                "key": data_key(source.property),
                "optional": False,
            }
            found.append({"name": variable, "valueFrom": {"secretKeyRef": reference}})
    return tuple(found)


def _key(item: _Granted) -> tuple[str, str, str, str]:
    """What a snapshot is named by."""
    source = item.wish.source
    return item.account, item.identity, source.provider, source.reference


def _choose(spec: Pod, wishes: Wishes) -> tuple[frozenset[str], list[Mistake]]:
    """The names of the containers that get mount and variables, and what is wrong with them."""
    main = [item["name"] for item in pods.user_containers(spec)]
    if wishes.containers is None:
        return frozenset(name for name in main if name not in pods.MESH), []
    inits = [item["name"] for item in pods.user_containers(spec, "initContainers")]
    leading = _before_gate(inits)
    early, allowed = set(leading), dict.fromkeys([*main, *inits[len(leading) :]])
    mistakes: list[Mistake] = []
    for name in wishes.containers:
        if name in early:
            message = f"{name} runs before the secrets are there, as meshes need; leave it out"
        elif name not in allowed:
            hint = quick_suggestion(name, allowed) if len(mistakes) < MOST_HINTS else ""
            message = f'there is no container "{shown(name)}"; allowed: {_few(allowed)}{hint}'
            message += ending(name)
        else:
            continue
        mistakes.append(Mistake(reason=Reason.BAD_ANNOTATION, field=CONTAINERS, message=message))
    return frozenset(wishes.containers), mistakes


def _few(names: Collection[str]) -> str:
    """As many as a message has room for."""
    few = ", ".join(shown(name) for name in islice(names, MOST_SHOWN))
    return few if len(names) <= MOST_SHOWN else f"{few} and {len(names) - MOST_SHOWN} more"


def _before_gate(inits: list[str]) -> list[str]:
    return inits[: next((at for at, name in enumerate(inits) if name not in pods.MESH), len(inits))]


def _collisions(
    spec: Pod, wishes: Wishes, chosen: frozenset[str], variables: tuple[dict[str, Any], ...]
) -> Iterator[Mistake]:
    """Mounts and variables of the chosen containers that stand where ours would."""
    wanted = {item["name"]: item for item in variables}
    ours = spellings(wishes.mount_path)
    for container in pods.user_containers(spec, "initContainers") + pods.user_containers(spec):
        if container["name"] not in chosen:
            continue
        name = shown(container["name"])
        for mount in pods.items(container, "volumeMounts"):
            taken = mount["mountPath"]
            if mount.get("name") not in layout.VOLUMES and overlaps(ours, spellings(taken)):
                message = f"container {name} already mounts {shown(taken)}; choose another path"
                yield Mistake(reason=Reason.COLLISION, field=MOUNT_PATH, message=message)
        for item in pods.items(container, "env") if wanted else ():
            variable = item["name"]
            if variable in wanted and item != wanted[variable]:
                message = f"container {name} already sets {shown(variable)}; remove one of the two"
                prefix = ENV if "value" in wanted[variable] else ENV_VALUE
                field = shown(prefix + variable)
                yield Mistake(reason=Reason.COLLISION, field=field, message=message)


def _snapshots(granted: tuple[_Granted, ...]) -> tuple[PlannedSnapshot, ...]:
    """One per source, with all the files that come from it."""
    first: dict[tuple[str, str, str, str], _Granted] = {}
    files: dict[tuple[str, str, str, str], list[PlannedFile]] = {}
    for item in granted:
        source, key = item.wish.source, _key(item)
        first.setdefault(key, item)
        file = PlannedFile(name=item.wish.name, file=item.wish.file, property=source.property)
        files.setdefault(key, []).append(file)
    return tuple(
        PlannedSnapshot(
            snapshot=snapshot_name(*key),
            account=key[0],
            identity=key[1],
            provider=key[2],
            reference=key[3],
            rules=item.rules,
            files=tuple(files[key]),
        )
        for key, item in first.items()
    )


def _declares_port(spec: Pod) -> bool:
    return any(
        port.get("containerPort") == layout.AGENT_PORT
        for container in pods.user_containers(spec) + pods.user_containers(spec, "initContainers")
        for port in pods.items(container, "ports")
    )
