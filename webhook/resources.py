"""What gate and agent request and may use, and what the pod's own budget must then be. Pure.

A memory volume counts against the container that wrote it (corev1 EmptyDirVolumeSource.medium), so
memory is what the process needs and the whole cache. The gate has at least 100m of cpu: less makes
starts seconds slower.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from policy.quantity import cpu, memory, parse
from webhook import pods

if TYPE_CHECKING:
    from fractions import Fraction

    from policy.model import Resources

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
    limits = {"cpu": cpu(limit_m), "memory": size}
    return {
        "requests": dict(limits) if same else {"cpu": cpu(REQUEST_M), "memory": size},
        "limits": limits,
    }


def _wanted(wanted: Resources, floor: int, limit_m: int, *, same: bool) -> Amounts:
    request_m = _millicores(wanted.requests.cpu) or REQUEST_M
    request_bytes = max(floor, _size_bytes(wanted.requests.memory))
    limit_bytes = max(request_bytes, _size_bytes(wanted.limits.memory))
    limit_m = max(limit_m, request_m)
    limits = {"cpu": cpu(limit_m), "memory": memory(limit_bytes)}
    if same:
        return {"requests": dict(limits), "limits": limits}
    return {"requests": {"cpu": cpu(request_m), "memory": memory(request_bytes)}, "limits": limits}


def _millicores(text: str | None) -> int:
    return 0 if text is None else int(parse(text) * 1000)


def _size_bytes(text: str | None) -> int:
    return 0 if text is None else int(parse(text))


def guaranteed(spec: dict[str, Any]) -> bool:
    """Whether the pod, without ours, is of QoS class Guaranteed (pod QoS documentation; KEP-2837
    for pod-level).
    """
    whole = spec.get("resources")
    if whole and (whole.get("requests") or whole.get("limits")):
        return _equal(whole)
    everyone = pods.user_containers(spec) + pods.user_containers(spec, "initContainers")
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


def fit(
    whole: dict[str, Any], gate: Amounts | None, agent: Amounts | None, before: Amounts | None
) -> dict[str, Any]:
    """Pod-level resources that hold ours too: the agent's are added (what an earlier injection
    added is taken off first), and the gate, which runs before the app, must fit by itself.
    ValueError names a quantity that is none.
    """
    raised = dict(whole)
    for member in ("requests", "limits"):
        amounts = whole.get(member) or {}
        changed = {
            name: _fitted(
                f"{member}.{name}",
                amounts[name],
                *(_of(item, member, name) for item in (gate, agent, before)),
            )
            for name in ("cpu", "memory")
            if name in amounts
        }
        if any(changed[name] != amounts[name] for name in changed):
            raised[member] = {**amounts, **changed}
    return raised


def _of(amounts: Amounts | None, member: str, name: str) -> Fraction:
    return parse((amounts or {}).get(member, {}).get(name, "0"))


def _fitted(field: str, text: object, gate: Fraction, agent: Fraction, before: Fraction) -> object:
    given = _parsed(text)
    if given is None:
        raise ValueError(f"spec.resources.{field} is not a quantity")
    needed = max(given - before + agent, gate)
    if needed == given:
        return text
    return cpu(int(needed * 1000)) if field.endswith("cpu") else memory(int(needed))
