"""What is wrong with a pod that opts in, apart from what its annotations ask for: names, mounts and
variables of its own that stand where ours would. Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from contract import layout
from contract.annotations import ENV, ENV_VALUE, MOUNT_PATH
from contract.quoted import shown
from webhook import podspec
from webhook.pod_annotations import overlaps, spellings
from webhook.verdict import Denial, Mistake

if TYPE_CHECKING:
    from collections.abc import Iterator

    from webhook.pod_annotations import PodAnnotations
    from webhook.verdict import Pod


def pod_mistakes(pod: Pod) -> Iterator[Mistake]:
    """What is wrong with the pod, whatever its annotations ask for. Its `metadata.namespace` is not
    looked at: the API server takes a pod into the request's, and ignores a template's.
    """
    spec = pod["spec"]
    if not podspec.user_containers(spec):
        message = "the pod has no container of its own. At least one is required"
        yield Mistake(reason=Denial.UNSUPPORTED_POD, field="spec.containers", message=message)
    for field, name in podspec.names_taken(pod):
        message = f'"{name}" is a reserved name of lastgood. Choose another name'
        yield Mistake(reason=Denial.COLLISION, field=field, message=message)
    for field, name, volume in podspec.mounts_taken(pod):
        message = (
            f'container {shown(name)} mounts "{volume}", a reserved volume of lastgood.'
            " Remove the mount, because lastgood adds it itself"
        )
        yield Mistake(reason=Denial.COLLISION, field=field, message=message)
    windows = podspec.windows(spec)
    if windows is not None:
        message = "Windows is not supported. Allowed: linux"
        yield Mistake(reason=Denial.UNSUPPORTED_POD, field=windows, message=message)


def collisions(
    spec: Pod, asked: PodAnnotations, chosen: frozenset[str], variables: tuple[dict[str, Any], ...]
) -> Iterator[Mistake]:
    """Mounts and variables of the chosen containers that stand where ours would."""
    wanted = {item["name"]: item for item in variables}
    ours = spellings(asked.mount_path)
    for container in podspec.user_containers(spec, "initContainers") + podspec.user_containers(
        spec
    ):
        if container["name"] not in chosen:
            continue
        name = shown(container["name"])
        for mount in podspec.items(container, "volumeMounts"):
            taken = mount["mountPath"]
            if mount.get("name") not in layout.VOLUMES and overlaps(ours, spellings(taken)):
                message = f"container {name} already mounts {shown(taken)}. Choose another path"
                yield Mistake(reason=Denial.COLLISION, field=MOUNT_PATH, message=message)
        for item in podspec.items(container, "env") if wanted else ():
            variable = item["name"]
            if variable in wanted and item != wanted[variable]:
                message = f"container {name} already sets {shown(variable)}. Remove one of the two"
                prefix = ENV if "value" in wanted[variable] else ENV_VALUE
                field = shown(prefix + variable)
                yield Mistake(reason=Denial.COLLISION, field=field, message=message)
