"""What `lastgood check` reads from a cluster, with the rights of its caller."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Any

from api.account import SecretAccount
from api.crd import DEFINITIONS as DEFINED
from api.policy import SecretPolicy
from cli import controller_lease
from cli.api_errors import refused
from cli.checks import rights, trials, webhook
from cli.checks.model import Unknown
from cli.checks.running import SeenLease
from contract.annotations import INJECTED
from contract.version import VERSION
from kube import api_resources as kinds
from kube.errors import ApiError, ForbiddenError, NotFoundError
from policy.match import PolicySet
from policy.watched import labelled, parsed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from pydantic import BaseModel

    from cli.api_client import ApiConnection
    from cli.checks.enforcement import Trial
    from cli.checks.rights import Right
    from cli.controller_lease import Heartbeat
    from kube.api_resources import Resource
    from kube.forbidden_requests import Attempt
    from workqueue.clock import BlockingClock

Json = dict[str, Any]
USUAL = "lastgood-system"
LEASE = "lastgood-controller"
_OURS = "app.kubernetes.io/name=lastgood"
_LEASE_READ_S = 1.0
_AT_ONCE = 4
"""Reviews of rights."""
_UNAUTHORIZED = 401


class Facts:
    """Reads each fact once. A method's name is the fact's, and the name of the parameters of
    decisions. CommandError: the API server cannot be asked at all.
    """

    def __init__(
        self,
        connection: ApiConnection,
        clock: BlockingClock,
        *,
        system: str | None,
        namespace: str | None,
    ) -> None:
        """`system`: where lastgood runs; None: it is found. `namespace`: where trial objects are
        created by dry run; None: the context's.
        """
        self._connection = connection
        self._api = connection.api
        self._clock = clock
        self._given = system
        self._namespace = namespace or connection.namespace
        self._known: dict[str, object] = {}

    def known(self, names: Iterable[str]) -> Mapping[str, object]:
        """These facts, or why one cannot be had (`Unknown`)."""
        return {name: self._fact(name) for name in names}

    def _fact(self, name: str) -> object:
        if name not in self._known:
            read: Callable[[], object] = getattr(self, name)
            try:
                self._known[name] = read()
            except _MissingError as missing:
                self._known[name] = missing.unknown
        return self._known[name]

    def _need(self, name: str) -> Any:  # noqa: ANN401 - as its method answers
        found = self._fact(name)
        if isinstance(found, Unknown):
            raise _MissingError(found)
        return found

    def _ask(self, request: Any, what: str) -> Any:  # noqa: ANN401 - any request and its answer
        """`what` it is, as in "you may not list pods"."""
        try:
            return self._connection.run(request)
        except ApiError as error:
            raise _missing(error, what, self._connection.where) from None

    def _list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
    ) -> list[Json]:
        where = "" if namespace is None else f" in namespace {namespace}"
        path = resource.path(namespace)
        listing = self._api.list_all(path, label_selector=labels, field_selector=fields)
        items: list[Json] = self._ask(listing, f"list {resource.plural}{where}").items
        return items

    def version(self) -> str:
        """The first question: whether there is an API server that knows us."""
        found = self._ask(self._api.get("/version"), "get /version")
        return str(found.get("gitVersion"))

    def now(self) -> float:
        return self._connection.now()

    def client(self) -> str:
        return VERSION

    def admission(self) -> frozenset[str]:
        return self._served("admissionregistration.k8s.io/v1")

    def served(self) -> frozenset[str]:
        return self._served("lastgood.dev/v1alpha1")

    def _served(self, group: str) -> frozenset[str]:
        try:
            found = self._ask(self._api.get(f"/apis/{group}"), f"get /apis/{group}")
        except _MissingError as missing:
            if missing.absent:
                return frozenset()
            raise
        return frozenset(it.get("name", "") for it in found.get("resources") or ())

    def definitions(self) -> dict[str, Json | None]:
        return {it.name: self._find(kinds.DEFINITIONS, it.name) for it in DEFINED}

    def _find(self, resource: Resource, name: str) -> Json | None:
        try:
            found: Json = self._ask(
                self._api.get(resource.path(name=name)), f"get {resource.plural}"
            )
        except _MissingError as missing:
            if missing.absent:
                return None
            raise
        return found

    def system(self) -> str:
        """By the argument, the webhook's Service, or the usual one."""
        if self._given is not None:
            return self._given
        found = self._fact("configurations")
        for it in found if isinstance(found, list) else ():
            for hook in it.get("webhooks") or ():
                service = (hook.get("clientConfig") or {}).get("service") or {}
                if hook.get("name") == webhook.WEBHOOK and service.get("namespace"):
                    return str(service["namespace"])
        leases = self._fact("all_leases")
        where = [it["metadata"]["namespace"] for it in leases] if isinstance(leases, list) else []
        return where[0] if len(where) == 1 else USUAL

    def configurations(self) -> list[Json]:
        return self._list(kinds.MUTATING_WEBHOOKS)

    def guards(self) -> dict[str, Json]:
        return {it["metadata"]["name"]: it for it in self._list(kinds.GUARDS)}

    def bindings(self) -> list[Json]:
        return self._list(kinds.GUARD_BINDINGS)

    def deployments(self) -> list[Json]:
        """Ours in every namespace, or, with fewer rights, where lastgood is."""
        try:
            return self._list(kinds.DEPLOYMENTS, labels=_OURS)
        except _MissingError:
            return self._list(kinds.DEPLOYMENTS, self._need("system"), labels=_OURS)

    def own_pods(self) -> list[Json]:
        return self._list(kinds.PODS, self._need("system"), labels=_OURS)

    def agents(self) -> Counter[str]:
        """How many pods that run have agents of which version."""
        return self._ask(self._agents(), "list pods")  # type: ignore[no-any-return]  # as it answers

    async def _agents(self) -> Counter[str]:
        found: Counter[str] = Counter()
        selected = "status.phase!=Succeeded,status.phase!=Failed"
        async for page in self._api.pages(kinds.PODS.path(), field_selector=selected):
            for pod in page.get("items") or ():
                mark = (pod["metadata"].get("annotations") or {}).get(INJECTED)
                if mark is not None:
                    found[mark.partition(" ")[0] or "unknown"] += 1
        return found

    def pages(self) -> dict[str, dict[str, float]]:
        """The webhook's pages of metrics, through the API server."""
        found = {}
        for pod in self._need("own_pods"):
            labels = pod["metadata"].get("labels") or {}
            running = (pod.get("status") or {}).get("phase") == "Running"
            if labels.get("app.kubernetes.io/component") != "webhook" or not running:
                continue
            name, port = pod["metadata"]["name"], _port(pod)
            path = kinds.PODS.path(pod["metadata"]["namespace"], f"https:{name}:{port}", "proxy")
            found[name] = webhook.figures(self._page(f"{path}/metrics", name))
        return found

    def _page(self, path: str, name: str) -> str:
        """A pod that does not answer is for another line to judge."""
        try:
            return self._connection.run(self._api.text(path))
        except ForbiddenError:
            raise _MissingError(Unknown("you may not get pods/proxy")) from None
        except ApiError as error:
            why = f"the metrics of {name} cannot be read through the API server"
            raise _MissingError(Unknown(f"{why}: {error.status or error.reason}")) from None

    def all_leases(self) -> list[Json]:
        named = f"metadata.name={LEASE}"
        try:
            return self._list(kinds.LEASES, fields=named)
        except _MissingError:
            return self._list(kinds.LEASES, self._given or USUAL, fields=named)

    def leases(self) -> list[SeenLease]:
        """Read until it is known of each whether its holder is at work: at most some seconds."""
        seen: dict[str, Heartbeat] = {}
        while True:
            at, verdicts = self._clock.monotonic(), {}
            found = {it["metadata"]["namespace"]: it for it in self._need("all_leases")}
            for namespace, lease in found.items():
                seen[namespace] = controller_lease.saw(seen.get(namespace), lease, at)
                verdict = controller_lease.beats(seen[namespace], self._connection.now(), at)
                verdicts[namespace] = verdict
            if None not in verdicts.values():
                break
            self._clock.sleep(_LEASE_READ_S)
            del self._known["all_leases"]
        now = self._connection.now()
        return [_seen(name, seen[name], alive=bool(it), now=now) for name, it in verdicts.items()]

    def namespaces(self) -> dict[str, str | None]:
        return {it["metadata"]["name"]: labelled(it).policy for it in self._list(kinds.NAMESPACES)}

    def accounts(self) -> dict[str, Json]:
        return {it["metadata"]["name"]: it for it in self._list(kinds.SECRET_ACCOUNTS)}

    def admin_policies(self) -> dict[str, Json]:
        return {it["metadata"]["name"]: it for it in self._list(kinds.SECRET_POLICIES)}

    def unreadable(self) -> dict[str, str]:
        found = _parsed(SecretAccount, self._need("accounts"))
        found_policies = _parsed(SecretPolicy, self._need("admin_policies"))
        wrong = {f"SecretAccount {n}": it for n, it in found.items() if isinstance(it, str)}
        more = {f"SecretPolicy {n}": it for n, it in found_policies.items() if isinstance(it, str)}
        return wrong | more

    def policies(self) -> PolicySet:
        accounts = _parsed(SecretAccount, self._need("accounts"))
        policies = _parsed(SecretPolicy, self._need("admin_policies"))
        return PolicySet(
            accounts={n: it for n, it in accounts.items() if isinstance(it, SecretAccount)},
            policies={n: it for n, it in policies.items() if isinstance(it, SecretPolicy)},
            namespaces=self._need("namespaces"),
            unreadable_accounts=frozenset(n for n, it in accounts.items() if isinstance(it, str)),
            unreadable_policies=frozenset(n for n, it in policies.items() if isinstance(it, str)),
        )

    def snapshots(self) -> list[Json]:
        return self._list(kinds.SECRET_SNAPSHOTS)

    def caller(self) -> dict[str, list[Right]]:
        by_verbs = rights.of_verbs(self._namespace)
        may = self._granted([right for needed in by_verbs.values() for right in needed])
        return {verbs: [it for it in needed if not may[it]] for verbs, needed in by_verbs.items()}

    def installer(self) -> dict[Right, bool]:
        return self._granted(rights.INSTALL)

    def controller_grants(self) -> dict[Right, bool]:
        system = self._need("system")
        return self._granted(rights.controller_rights(system), f"{system}:lastgood-controller")

    def webhook_grants(self) -> dict[Right, bool]:
        system = self._need("system")
        wanted = rights.webhook_rights(system, own_ca=self._own_ca())
        return self._granted(wanted, f"{system}:lastgood-webhook")

    def _own_ca(self) -> bool:
        """Whether the webhook is told its namespace, which it needs for a CA of its own. It counts
        as not, where that cannot be seen.
        """
        found = self._fact("deployments")
        for it in found if isinstance(found, list) else ():
            if it["metadata"]["name"] == "lastgood-webhook":
                containers = it["spec"]["template"]["spec"]["containers"]
                names = [env.get("name") for one in containers for env in one.get("env") or ()]
                return "LASTGOOD_WEBHOOK_NAMESPACE" in names
        return False

    def read_grants(self) -> dict[Right, bool]:
        return self._granted(rights.FORBIDDEN, f"{self._need('system')}:lastgood-controller")

    def write_grants(self) -> dict[str, list[Right]]:
        """Missing rights, in all namespaces (""), and then in each labelled one."""
        user = f"{self._need('system')}:lastgood-controller"
        found = {"": _missing_of(self._granted(rights.IN_NAMESPACES, user))}
        if found[""]:
            for name, label in sorted(self._need("namespaces").items()):
                if label is not None:
                    found[name] = _missing_of(self._granted(rights.within(name), user))
        return found

    def _granted(self, wanted: Sequence[Right], user: str | None = None) -> dict[Right, bool]:
        """`user`: namespace and name of a ServiceAccount; None: ourselves."""
        what = "create subjectaccessreviews" if user else "create selfsubjectaccessreviews"
        answers: list[bool] = self._ask(self._reviewed(wanted, user), what)
        return dict(zip(wanted, answers, strict=True))

    async def _reviewed(self, wanted: Sequence[Right], user: str | None) -> list[bool]:
        few = asyncio.Semaphore(_AT_ONCE)
        return await asyncio.gather(*(self._review(right, user, few) for right in wanted))

    async def _review(self, right: Right, user: str | None, few: asyncio.Semaphore) -> bool:
        path, body = trials.review(right, user)
        async with few:
            answer = await self._api.create(path, body)
        return (answer.get("status") or {}).get("allowed") is True

    def opted_in(self) -> Trial:
        return self._tried(trials.pod(self._trial_namespace(), opted_in=True))

    def forged_pod(self) -> Trial:
        return self._tried(trials.pod(self._trial_namespace(), opted_in=False))

    def forged_secret(self) -> Trial:
        return self._tried(trials.secret(self._trial_namespace()))

    def _trial_namespace(self) -> str:
        """Where the webhook is called."""
        left_out = {"kube-system", "kube-node-lease", self._fact("system")}
        return "default" if self._namespace in left_out else self._namespace

    def _tried(self, attempt: Attempt) -> Trial:
        try:
            return trials.outcome(self._connection.tried(attempt, trials.ENCODED))
        except ApiError as error:
            raise _missing(error, "create a trial object", self._connection.where) from None


class _MissingError(Exception):
    """A fact that cannot be had. Caught here."""

    def __init__(self, unknown: Unknown, *, absent: bool = False) -> None:
        super().__init__(unknown.why)
        self.unknown = unknown
        self.absent = absent


def _missing(error: ApiError, what: str, where: str) -> Exception:
    """Never the server's own message, which may quote an object."""
    if error.status in {0, _UNAUTHORIZED}:
        return refused(error, what, where)
    if isinstance(error, ForbiddenError):
        return _MissingError(Unknown(f"you may not {what}"))
    if isinstance(error, NotFoundError):
        return _MissingError(Unknown(f"you cannot {what}: it is not there"), absent=True)
    return _MissingError(
        Unknown(f"you cannot {what}: the API server answered {error.status}", failed=True)
    )


def _missing_of(granted: Mapping[Right, bool]) -> list[Right]:
    return [right for right, allowed in granted.items() if not allowed]


def _parsed(model: type[BaseModel], items: Mapping[str, Json]) -> dict[str, BaseModel | str]:
    return {name: parsed(model, it) for name, it in items.items()}


def _seen(namespace: str, beat: Heartbeat, *, alive: bool, now: float) -> SeenLease:
    age_s = None if beat.renewed_at is None else max(0.0, now - beat.renewed_at)
    return SeenLease(namespace=namespace, holder=beat.record.holder, alive=alive, age_s=age_s)


def _port(pod: Json) -> int:
    for container in pod["spec"]["containers"]:
        for port in container.get("ports") or ():
            if port.get("name") == "https":
                return int(port["containerPort"])
    return 10250
