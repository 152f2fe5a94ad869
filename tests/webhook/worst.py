"""Pods that cost the most, by shape and size: for every list and every way to change it. Shared by
tests and bench.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeAlias

from contract import annotations as keys
from contract import layout
from policy.load import load_texts
from tests import make
from tests.webhook.given import CONFIG, written
from webhook.admit import admit

Pod: TypeAlias = dict[str, Any]
Shape: TypeAlias = Callable[[int], Pod]

WRITTEN = written(limits={"secretsPerPod": 256}, allowEnvValue=True)
POLICIES = load_texts({"policy.yaml": WRITTEN})
GOOD = make.asking(db="aws-sm:/test/db")
SET = GOOD | {keys.ENV + "A": "db"}


def mount(at: int, name: str = "v") -> dict[str, str]:
    """The mount of a volume."""
    return {"name": name, "mountPath": f"/m{at}"}


OURS = layout.CACHE_VOLUME


def labelled(count: int) -> Pod:
    """A pod with many labels."""
    pod = make.pod(annotations=SET)
    pod["metadata"]["labels"] = {f"l{at}": "x" for at in range(count)}
    return pod


def mounting(*mounts: dict[str, str], **annotations: str) -> Pod:
    """A container with these mounts, which gets ours."""
    return make.pod(None, make.container(volumeMounts=list(mounts)), annotations=SET | annotations)


def marked(change: Callable[[Pod], object]) -> Pod:
    """An injected pod, as a tenant or another webhook may send it again, changed."""
    pod: Pod = json.loads(
        json.dumps(admit(make.pod(annotations=SET), "payments", POLICIES, CONFIG).pod)
    )
    change(pod["spec"])
    return pod


def container_with(member: str, item: Callable[[int], object]) -> Shape:
    """A container with a long list."""
    return lambda n: make.pod(
        None, {**make.container(), member: [item(at) for at in range(n)]}, annotations=SET
    )


def spec_with(member: str, item: Callable[[int], object]) -> Shape:
    """A spec with a long list."""

    def shape(count: int) -> Pod:
        pod = make.pod(annotations=SET)
        pod["spec"][member] = [item(at) for at in range(count)]
        return pod

    return shape


def gate_of(spec: Pod) -> Pod:
    """The gate of an injected pod."""
    found: Pod = spec["initContainers"][0]
    return found


LISTS: dict[str, Shape] = {
    "env": container_with("env", lambda at: {"name": f"E{at}", "value": "x"}),
    "env of one name": container_with("env", lambda _: {"name": "E", "value": "x"}),
    "env of our name": container_with("env", lambda _: {"name": "A", "value": "x"}),
    "envFrom": container_with("envFrom", lambda at: {"secretRef": {"name": f"s{at}"}}),
    "ports": container_with("ports", lambda at: {"containerPort": at}),
    "args": container_with("args", str),
    "volumeDevices": container_with("volumeDevices", lambda at: {"name": f"d{at}"}),
    "tolerations": spec_with("tolerations", lambda at: {"key": f"k{at}"}),
    "empty tolerations": spec_with("tolerations", lambda _: {}),
    "imagePullSecrets": spec_with("imagePullSecrets", lambda at: {"name": f"s{at}"}),
    "hostAliases": spec_with("hostAliases", lambda at: {"ip": "1.1.1.1", "hostnames": [str(at)]}),
    "ephemeralContainers": spec_with("ephemeralContainers", lambda at: make.container(f"e{at}")),
    "volumes": spec_with("volumes", lambda at: {"name": f"v{at}", "emptyDir": {}}),
    "volumes of one name": spec_with("volumes", lambda _: {"name": "v", "emptyDir": {}}),
    "volumes of our name": spec_with("volumes", lambda _: {"name": OURS, "emptyDir": {}}),
    "nested deeper": spec_with(
        "volumes",
        lambda at: {
            "name": f"v{at}",
            "projected": {"sources": [{"secret": {"items": [{"key": "k"}]}}]},
        },
    ),
    "initContainers": spec_with("initContainers", lambda at: make.container(f"i{at}")),
    "initContainers of a mesh": spec_with("initContainers", lambda _: make.container("istio-init")),
    "containers": lambda n: make.pod(
        None, *(make.container(f"c{at}") for at in range(n)), annotations=SET
    ),
    "containers of one name": lambda n: make.pod(
        None, *(make.container() for _ in range(n)), annotations=SET
    ),
    "containers of our name": lambda n: marked(
        lambda spec: spec["containers"].extend([spec["containers"][-1]] * n)
    ),
    "containers with neighbouring UIDs": lambda n: make.pod(
        None,
        *(
            make.container(f"c{at}", securityContext={"runAsUser": CONFIG.uid + at})
            for at in range(n)
        ),
        annotations=SET,
        shareProcessNamespace=True,
    ),
    "containers with quantities": lambda n: make.pod(
        None,
        *(
            make.container(
                f"c{at}",
                resources={
                    "limits": {"cpu": "1.0", "memory": "1.0Gi"},
                    "requests": {"cpu": "1", "memory": "1Gi"},
                },
            )
            for at in range(n)
        ),
        annotations=SET,
    ),
    "labels": labelled,
    "annotations of others": lambda n: make.pod(
        annotations=SET | {f"example.org/{at}": "x" for at in range(n)}
    ),
    "annotations that are wrong": lambda n: make.pod(
        annotations=SET | {f"lastgood.dev/x{at}": "x" for at in range(n)}
    ),
    "variables": lambda n: make.pod(
        None,
        make.container(env=[{"name": "B", "value": "x"}]),
        annotations=GOOD | {f"{keys.ENV}V{at}": "db" for at in range(n)},
    ),
    "variables of no secret": lambda n: make.pod(
        annotations=GOOD | {f"{keys.ENV}V{at}": f"no{at}" for at in range(n)}
    ),
    "files of no secret": lambda n: make.pod(
        annotations=GOOD | {f"{keys.FILE}f{at}": "x" for at in range(n)}
    ),
    "secrets": lambda n: make.pod(
        annotations={f"{keys.SECRET}s{at}": f"aws-sm:/test/{at}" for at in range(n // 8)}
    ),
    "secrets that are refused": lambda n: make.pod(
        annotations={f"{keys.SECRET}s{at}": f"aws-sm:/no/{at}" for at in range(n // 8)}
    ),
    "properties of one secret": lambda n: make.pod(
        annotations={f"{keys.SECRET}s{at}": f"aws-sm:/test/a#p{at}" for at in range(n // 8)}
    ),
}
CHANGES: dict[str, Shape] = {
    "mounts, none ours": lambda n: mounting(*map(mount, range(n))),
    "mounts, ours first": lambda n: mounting(mount(n, OURS), *map(mount, range(n))),
    "mounts, ours last": lambda n: mounting(*map(mount, range(n)), mount(n, OURS)),
    "mounts, all ours": lambda n: mounting(*(mount(at, OURS) for at in range(n))),
    "mounts, every second ours": lambda n: mounting(
        *(mount(at, OURS if at % 2 else "v") for at in range(n))
    ),
    "mounts of one path": lambda n: mounting(mount(n, OURS), *(mount(0) for _ in range(n))),
    "mounts where ours would be": lambda n: mounting(
        *({"name": "v", "mountPath": layout.DEFAULT_MOUNT_PATH} for _ in range(n))
    ),
    "a few mounts of ours in each of many containers": lambda n: make.pod(
        None,
        *(
            make.container(f"c{at}", volumeMounts=[mount(0, OURS), mount(1), mount(2, OURS)])
            for at in range(n)
        ),
        annotations=SET,
    ),
    "marked: many volumes before ours": lambda n: marked(
        lambda spec: spec["volumes"].__setitem__(
            slice(0, 0), [{"name": f"v{at}"} for at in range(n)]
        )
    ),
    "marked: many volumes after ours, reversed": lambda n: marked(
        lambda spec: spec.update(
            volumes=[*reversed(spec["volumes"]), *({"name": f"v{at}"} for at in range(n))]
        )
    ),
    "marked: one of ours, then many": lambda n: marked(
        lambda spec: spec.update(volumes=[{"name": OURS}, *({"name": f"v{at}"} for at in range(n))])
    ),
    "marked: many volumes instead of ours": lambda n: marked(
        lambda spec: spec.update(volumes=[{"name": f"v{at}"} for at in range(n)])
    ),
    "marked: mounts of the gate": lambda n: marked(
        lambda spec: gate_of(spec).update(volumeMounts=[mount(at) for at in range(n)])
    ),
    "marked: mounts of the gate, ours": lambda n: marked(
        lambda spec: gate_of(spec).update(volumeMounts=[mount(at, OURS) for at in range(n)])
    ),
    "marked: mounts of the gate, every second ours": lambda n: marked(
        lambda spec: gate_of(spec).update(
            volumeMounts=[mount(at, OURS if at % 2 else "v") for at in range(n)]
        )
    ),
    "marked: env of the gate": lambda n: marked(
        lambda spec: gate_of(spec).update(env=[{"name": f"E{at}"} for at in range(n)])
    ),
    "marked: the gate behind many": lambda n: marked(
        lambda spec: spec["initContainers"].__setitem__(
            slice(0, 0), [make.container(f"i{at}") for at in range(n)]
        )
    ),
    "marked: the agent before many": lambda n: marked(
        lambda spec: spec["containers"].extend(make.container(f"c{at}") for at in range(n))
    ),
}
SHAPES = {**LISTS, **CHANGES}
