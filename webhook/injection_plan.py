"""Annotations, policy and pod make one injection plan: all that injecting needs, or every
mistake at once. Pure.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice
from typing import TYPE_CHECKING, Any

from contract import layout
from contract.annotations import (
    BUNDLE,
    CONTAINERS,
    ENV,
    ENV_VALUE,
    MODE,
    RELOAD,
    SECRET,
)
from contract.bundle import room
from contract.object_names import snapshot_name
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
from contract.snapshot_format import data_key
from contract.spelling import quick_suggestion
from policy import match
from policy.match import Allowed, Matcher, Refused
from providers.references import in_namespace, namespace_of, written
from webhook import container_resources, containers, cost, podspec
from webhook.container_resources import cache_size
from webhook.containers import PodRequest
from webhook.file_access import access_of
from webhook.pod_annotations import PodAnnotations, SecretRequest, ours, read
from webhook.pod_mistakes import collisions, pod_mistakes
from webhook.secrets_read import secrets_read
from webhook.verdict import ENOUGH, MOST_HINTS, Denial, Mistake

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from api.policy import SecretPolicy
    from contract.freshness import FreshnessClass
    from policy.match import PolicySet
    from webhook.containers import InjectedParts
    from webhook.injection_settings import Injection
    from webhook.template_cache import TemplateCache
    from webhook.verdict import Pod

_NO_BUNDLE = (
    "a bundle requires mode follow. In mode mount the kubelet writes each file from one key of a"
    f" Secret, and nothing combines them. Set {MODE}: follow, or remove the bundle"
)
MOST_SHOWN = 10
"""Names of containers in one message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class InjectionPlan:
    """What to do to a pod."""

    request: PodRequest
    parts: InjectedParts
    chosen: frozenset[str]
    """The containers that get mount and variables."""
    variables: tuple[dict[str, Any], ...]
    """What the chosen containers get in `env`."""
    native: bool
    """Whether the agent is an init container that keeps running, because the pod ends (KEP-753)."""
    warnings: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Granted:
    """A secret that policy allows, and of the answer what the webhook uses: it is remembered."""

    secret: SecretRequest
    account: str
    identity: str
    rules: FreshnessClass
    max_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Grants:
    """All secrets of a pod that policy allows. Compared by identity, which is quick to hash."""

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
) -> InjectionPlan | list[Mistake]:
    """The plan for an opted-in pod, or every mistake. `known`: as in `admit`."""
    pairs = ours(podspec.annotations_of(pod))
    template = cache.template(pairs)
    asked, misread = template.call(read, pairs)
    mistakes = [*misread, *islice(pod_mistakes(pod), ENOUGH)]
    grants, refused = template.call(_grant, asked, namespace, policies, known=known)
    if grants is None:
        return [*mistakes, *refused]
    policy = grants.policy
    chosen, unknown = _choose(pod["spec"], asked)
    too_long = cost.too_long_patch(pod["spec"], asked, chosen)
    if too_long is not None:
        return [*mistakes, *refused, *unknown, too_long]
    variables = template.call(_variables, asked, grants)
    mistakes += [*refused, *_unwanted(asked, policy), *unknown]
    mistakes += islice(collisions(pod["spec"], asked, chosen, variables), ENOUGH)
    mode = asked.mode or policy.spec.agent.mode
    if mode == MOUNT and asked.bundle is not None:
        mistakes.append(Mistake(reason=Denial.BAD_ANNOTATION, field=BUNDLE, message=_NO_BUNDLE))
    access = access_of(
        pod["spec"],
        chosen,
        mode=mode,
        reload=asked.reload,
        uid=config.uid,
        run_as=policy.spec.agent.run_as or config.run_as,
    )
    if isinstance(access, str):
        return [
            *mistakes,
            Mistake(reason=Denial.BAD_ANNOTATION, field=RELOAD, message=access),
        ]
    if mistakes:
        return mistakes
    request = template.call(_request, asked, grants, mode=mode, access=access.access)
    if len(request.wire) > MOST_PLAN:
        message = (
            f"the arguments of gate and agent for these secrets have {len(request.wire)} bytes."
            f" Allowed: {MOST_PLAN}. Use fewer secrets"
        )
        return [Mistake(reason=Denial.LIMIT, field=SECRET + "<name>", message=message)]
    listen, warnings = _listen(pod["spec"]) if request.agent else (False, ())
    spec = pod["spec"]
    native = podspec.ends(spec)
    parts = template.call(
        containers.parts,
        request,
        access,
        config,
        listen=listen,
        token=spec.get("automountServiceAccountToken") is not False,
        native=native,
        guaranteed=container_resources.guaranteed(spec),
    )
    return InjectionPlan(
        request=request,
        parts=parts,
        chosen=chosen,
        variables=variables,
        native=native,
        warnings=access.warnings + warnings + secrets_read(spec, _own_secrets(grants)),
    )


def _own_secrets(grants: _Grants) -> frozenset[str]:
    """The names of those that are Kubernetes Secrets of the pod's namespace."""
    sources = (item.secret.source for item in grants.granted)
    return frozenset(
        written(source.scheme, source.reference)
        for source in sources
        if namespace_of(source.scheme, source.reference) is not None
    )


def _request(asked: PodAnnotations, grants: _Grants, *, mode: str, access: str) -> PodRequest:
    """All of a template's pods of one access that ours are made from."""
    granted = grants.granted
    plan = Plan(
        mode=mode,
        access=access,
        snapshots=_snapshots(granted),
        reload=asked.reload,
        bundle=asked.bundle,
    )
    follow = mode == FOLLOW
    return PodRequest(
        plan=plan,
        wire=to_wire(plan),
        mount_path=asked.mount_path,
        gate=follow or any(snapshot.rules.refuses for snapshot in plan.snapshots),
        agent=follow or plan.reload is not None,
        cache_bytes=_cache_bytes(granted, asked.bundle) if follow else 0,
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
        return False, (
            f"a container declares port {port}, so lastgood's agent does not serve metrics",
        )
    return True, ()


def _grant(
    asked: PodAnnotations, namespace: str, policies: PolicySet, *, known: bool
) -> tuple[_Grants | None, tuple[Mistake, ...]]:
    """The secrets that policy allows, and a mistake for each other one. None: there is no
    policy.
    """
    policy = match.policy_of(policies, namespace)
    if isinstance(policy, Refused):
        field, message = "metadata.namespace", policy.told(known=known)
        return None, (Mistake(reason=Denial.NO_POLICY, field=field, message=message),)
    granted: list[_Granted] = []
    mistakes: list[Mistake] = []
    count, most = len(asked.secrets), policy.spec.limits.secrets_per_pod
    matcher = Matcher(policies, policy, namespace)
    for request in asked.secrets[:most]:  # which bounds the time that one pod takes
        source = in_namespace(request.source, namespace)
        secret = replace(request, source=source)
        answer = matcher.decide(source.scheme, source.account, source.reference)
        if isinstance(answer, Refused):
            refusal: str | None = answer.told(known=known)
        else:
            refusal = _never(secret, answer, asked.bundle)
        if isinstance(answer, Allowed) and refusal is None:
            rules, max_bytes = answer.rules, answer.max_bytes
            granted.append(_Granted(secret, answer.account, answer.identity, rules, max_bytes))
        elif refusal is not None and len(mistakes) < ENOUGH:
            field = SECRET + secret.name
            mistakes.append(Mistake(reason=Denial.NOT_ALLOWED, field=field, message=refusal))
    if count > most:
        message = f"the pod has {count} secrets, but policy {policy.name} allows {most} per pod"
        mistakes.append(Mistake(reason=Denial.LIMIT, field=SECRET + "<name>", message=message))
    return _Grants(policy=policy, granted=tuple(granted)), tuple(mistakes)


def _never(secret: SecretRequest, allowed: Allowed, bundle: str | None) -> str | None:
    """Why the pod would wait for this without end, whatever the provider has; None: it may come."""
    part = secret.source.property
    checks = {name for check in allowed.validations for name in check}
    if part is not None and "pem" in checks:
        return (
            f"policy {allowed.policy} accepts only PEM here (validate: pem), and PEM has no"
            f" property {shown(part)}. Remove #{shown(part)} to get the whole value"
        )
    if part is None and bundle == DOTENV and checks & {"pem", "requiredKeys"}:
        what = "PEM" if "pem" in checks else "JSON objects"
        return (
            f"policy {allowed.policy} accepts only {what} here, and {BUNDLE}: {DOTENV} cannot"
            f" contain them. Set {BUNDLE}: json, or remove the bundle"
        )
    return None


def _unwanted(asked: PodAnnotations, policy: SecretPolicy) -> Iterator[Mistake]:
    """Values in variables, where the policy has none of it."""
    for variable, name in () if policy.spec.allow_env_value else asked.values:
        message = (
            f"policy {policy.name} does not allow values in environment variables (allowEnvValue)."
            f" Use {ENV}{shown(variable)}: {name} to get the path of the file instead"
        )
        field = shown(ENV_VALUE + variable)
        yield Mistake(reason=Denial.NOT_ALLOWED, field=field, message=message)


def _variables(asked: PodAnnotations, grants: _Grants) -> tuple[dict[str, Any], ...]:
    """Paths as they are; values by a reference to the Secret, which a starting container needs."""
    by_name = {item.secret.name: item for item in grants.granted}
    found: list[dict[str, Any]] = [
        {"name": name, "value": f"{asked.mount_path}/{file}"} for name, file in asked.variables
    ]
    for variable, name in asked.values:
        if name in by_name:
            item = by_name[name]
            source = item.secret.source
            reference = {
                "name": snapshot_name(*_key(item)),
                "key": data_key(source.property),
                "optional": False,
            }
            found.append({"name": variable, "valueFrom": {"secretKeyRef": reference}})
    return tuple(found)


def _key(item: _Granted) -> tuple[str, str, str, str]:
    """What a snapshot is named by."""
    source = item.secret.source
    return item.account, item.identity, source.scheme, source.reference


def _choose(spec: Pod, asked: PodAnnotations) -> tuple[frozenset[str], list[Mistake]]:
    """The names of the containers that get mount and variables, and what is wrong with them."""
    main = [item["name"] for item in podspec.user_containers(spec)]
    if asked.containers is None:
        return frozenset(name for name in main if name not in podspec.MESH), []
    inits = [item["name"] for item in podspec.user_containers(spec, "initContainers")]
    leading = _before_gate(inits)
    early, allowed = set(leading), dict.fromkeys([*main, *inits[len(leading) :]])
    mistakes: list[Mistake] = []
    for name in asked.containers:
        if name in early:
            message = (
                f"{name} is a mesh proxy, which starts before the secrets exist. Remove the name"
                " from the annotation"
            )
        elif name not in allowed:
            hint = quick_suggestion(name, allowed) if len(mistakes) < MOST_HINTS else ""
            message = f'there is no container "{shown(name)}". Allowed: {_few(allowed)}{hint}'
            message += ending(name)
        else:
            continue
        mistakes.append(Mistake(reason=Denial.BAD_ANNOTATION, field=CONTAINERS, message=message))
    return frozenset(asked.containers), mistakes


def _few(names: Collection[str]) -> str:
    """As many as a message has room for."""
    few = ", ".join(shown(name) for name in islice(names, MOST_SHOWN))
    return few if len(names) <= MOST_SHOWN else f"{few} and {len(names) - MOST_SHOWN} more"


def _before_gate(inits: list[str]) -> list[str]:
    return inits[
        : next((at for at, name in enumerate(inits) if name not in podspec.MESH), len(inits))
    ]


def _snapshots(granted: tuple[_Granted, ...]) -> tuple[PlannedSnapshot, ...]:
    """One per source, with all the files that come from it."""
    first: dict[tuple[str, str, str, str], _Granted] = {}
    files: dict[tuple[str, str, str, str], list[PlannedFile]] = {}
    for item in granted:
        source, key = item.secret.source, _key(item)
        first.setdefault(key, item)
        file = PlannedFile(name=item.secret.name, file=item.secret.file, property=source.property)
        files.setdefault(key, []).append(file)
    return tuple(
        PlannedSnapshot(
            snapshot=snapshot_name(*key),
            account=key[0],
            identity=key[1],
            scheme=key[2],
            reference=key[3],
            rules=item.rules,
            files=tuple(files[key]),
        )
        for key, item in first.items()
    )


def _declares_port(spec: Pod) -> bool:
    return any(
        port.get("containerPort") == layout.AGENT_PORT
        for container in podspec.user_containers(spec)
        + podspec.user_containers(spec, "initContainers")
        for port in podspec.items(container, "ports")
    )
