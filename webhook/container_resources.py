"""What gate and agent request and may use, and what the pod's own budget must then be. Pure.

A memory volume counts against the container that wrote it (corev1 EmptyDirVolumeSource.medium), so
memory is what the process needs and the whole cache. The gate has at least 100m of cpu: less makes
starts seconds slower.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from schema.quantity import cpu, exact, memory, parse
from webhook import podspec

if TYPE_CHECKING:
    from api.policy import Resources

PROCESS_BYTES = 32 << 20
"""Beside the cache: the interpreter, and the values while they are copied."""
REQUEST_M = 10
AGENT_LIMIT_M = 100
GATE_LIMIT_M = 250
GUARANTEED_AGENT_M = 50
"""Reserved for the agent where requests must equal limits: more would be paid for by every pod and
never used.
"""
GATE_LEAST_M = 100

_PAGE = 4096
_MIB = 1 << 20
_REVISIONS = 3
"""The two that stay, and the next one while it is written."""

Amounts = dict[str, dict[str, str]]


def cache_size(max_bytes: list[int]) -> int:
    """The cache's sizeLimit in bytes, whole MiB: three revisions of these files with their
    directories.
    """
    files = sum((size + _PAGE - 1) // _PAGE * _PAGE for size in max_bytes)
    return (_REVISIONS * (files + 4 * _PAGE) + _MIB - 1) // _MIB * _MIB


def ours(wanted: Resources, cache_bytes: int, *, guaranteed: bool) -> tuple[Amounts, Amounts]:
    """Resources of gate and agent: at least what they need, and requests equal to limits in a
    Guaranteed pod.
    """
    same = guaranteed
    floor = PROCESS_BYTES + cache_bytes
    gate_m = GATE_LEAST_M if same else GATE_LIMIT_M
    agent_m = GUARANTEED_AGENT_M if same else AGENT_LIMIT_M
    if wanted.requests == wanted.limits and not wanted.limits.model_fields_set:
        size = memory(floor)
        return _amounts(gate_m, size, same=same), _amounts(agent_m, size, same=same)
    return (
        _wanted(
            wanted, floor, max(GATE_LEAST_M, _millicores(wanted.limits.cpu) or gate_m), same=same
        ),
        _wanted(wanted, floor, _millicores(wanted.limits.cpu) or agent_m, same=same),
    )


def _amounts(limit_m: int, size: str, *, same: bool) -> Amounts:
    limits = {"cpu": _cpu(limit_m), "memory": size}
    return {
        "requests": dict(limits) if same else {"cpu": _cpu(REQUEST_M), "memory": size},
        "limits": limits,
    }


def _wanted(wanted: Resources, floor: int, limit_m: int, *, same: bool) -> Amounts:
    request_m = _millicores(wanted.requests.cpu) or REQUEST_M
    request_bytes = max(floor, _size_bytes(wanted.requests.memory))
    limit_bytes = max(request_bytes, _size_bytes(wanted.limits.memory))
    limit_m = max(limit_m, request_m)
    limits = {"cpu": _cpu(limit_m), "memory": memory(limit_bytes)}
    if same:
        return {"requests": dict(limits), "limits": limits}
    return {"requests": {"cpu": _cpu(request_m), "memory": memory(request_bytes)}, "limits": limits}


def _cpu(millicores: int) -> str:
    return cpu(Fraction(millicores, 1000))


def _millicores(text: str | None) -> int:
    return 0 if text is None else ceil(parse(text) * 1000)


def _size_bytes(text: str | None) -> int:
    return 0 if text is None else ceil(parse(text))


def guaranteed(spec: dict[str, Any]) -> bool:
    """Whether the pod, without ours, is of QoS class Guaranteed (pod QoS documentation; KEP-2837
    for pod-level).
    """
    whole = spec.get("resources")
    if whole and (whole.get("requests") or whole.get("limits")):
        return _equal(whole)
    everyone = podspec.user_containers(spec) + podspec.user_containers(spec, "initContainers")
    return all(_equal(item.get("resources") or {}) for item in everyone)


def _equal(resources: dict[str, Any]) -> bool:
    """Limits of cpu and memory, and no request that differs from them."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for name in ("cpu", "memory"):
        limit = limits.get(name)
        request = requests.get(name, limit)
        if limit is None or (request != limit and _parsed(request) != _parsed(limit)):
            return False
    return True


def _parsed(quantity: object) -> Fraction | None:
    try:
        return parse(quantity) if isinstance(quantity, str | int | float) else None
    except ValueError:
        return None


@dataclass(frozen=True, slots=True)
class Fitted:
    """Pod-level resources that hold ours too."""

    resources: dict[str, Any]
    added: dict[str, str]
    """What of it is ours, exactly: `limits.memory` and an amount that is not 0."""


def fit(
    whole: dict[str, Any],
    gate: Amounts | None,
    agent: Amounts | None,
    added: dict[str, str],
) -> Fitted:
    """The agent's are added, and the gate, which runs before the app, must fit by itself.

    `added`: of an earlier injection. It is taken off first, so that the pod's own budget stays what
    it was, whatever others did to our containers since. ValueError names what is no quantity.
    """
    raised, ours = dict(whole), {}
    for member in ("requests", "limits"):
        amounts = whole.get(member) or {}
        changed = dict(amounts)
        for name in ("cpu", "memory"):
            if amounts.get(name) is None:
                continue
            field = f"{member}.{name}"
            needs = (_of(gate, member, name), _of(agent, member, name))
            changed[name], own = _fitted(field, amounts[name], *needs, added.get(field))
            if parse(changed[name]) != own:
                ours[field] = exact(parse(changed[name]) - own)
        if changed != amounts:
            raised[member] = changed
    return Fitted(raised, ours)


def _of(amounts: Amounts | None, member: str, name: str) -> Fraction:
    return parse((amounts or {}).get(member, {}).get(name, "0"))


def _fitted(
    field: str, text: str | float, gate: Fraction, agent: Fraction, added: str | None
) -> tuple[str | float, Fraction]:
    """What to write, and how much of it is the pod's own. A negative amount is left to the API
    server, which refuses it.
    """
    given = _parsed(text)
    if given is None:
        raise ValueError(f"spec.resources.{field} is not a quantity")
    if given < 0:
        return text, given
    before = (_parsed(added) if added is not None else None) or Fraction(0)
    own = given - before if 0 <= before <= given else given
    needed = max(own + agent, gate)
    written = (cpu if field.endswith("cpu") else memory)(needed)
    return (text if needed <= given <= parse(written) else written), own
