"""Decisions about Kubernetes and lastgood's definitions. Pure."""

from __future__ import annotations

import re
from functools import cache
from typing import TYPE_CHECKING, Any

from api.crd import DEFINITIONS, manifest
from cli.checks.model import failed, named, ok, skipped, warning

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from api.crd import Definition
    from cli.checks.model import Finding

Json = dict[str, Any]
OLDEST, NEWEST = 30, 37
"""Minor versions of Kubernetes 1 that lastgood needs, and that it was tested with."""
GUARDED = ("validatingadmissionpolicies", "validatingadmissionpolicybindings")
OURS = "lastgood.dev/v1alpha1"
_APPLY = "kubectl apply --server-side --force-conflicts -f charts/lastgood/crds/"
_VERSION = re.compile(r"v?(\d+)\.(\d+)(?!\d)")


def version(version: str) -> Finding:
    """Of the API server, with whatever its distribution appends."""
    found = _VERSION.match(version)
    if found is None:
        return warning(
            f'the version "{version}" cannot be read', f"Make sure that it is at least 1.{OLDEST}"
        )
    major, minor = int(found[1]), int(found[2])
    if (major, minor) < (1, OLDEST):
        return failed(version, f"Upgrade Kubernetes to 1.{OLDEST} or newer")
    if (major, minor) > (1, NEWEST):
        return warning(
            f"{version} is newer than 1.{NEWEST}, the newest that was tested",
            "Try lastgood on a cluster of this version first",
        )
    return ok(version)


def admission_api(admission: frozenset[str]) -> Finding:
    """`admission`: plurals of admissionregistration.k8s.io/v1."""
    missing = [kind for kind in GUARDED if kind not in admission]
    if missing:
        return failed(
            f"admissionregistration.k8s.io/v1 does not serve {named(missing)}",
            "Enable this API: lastgood's rights are enforced by it",
        )
    return ok()


def definitions(definitions: Mapping[str, Json | None], served: frozenset[str]) -> Finding:
    """`served`: plurals of our API version."""
    missing = [it.name for it in DEFINITIONS if definitions.get(it.name) is None]
    if missing:
        return failed(f"missing: {named(missing)}", f"Install the chart, or: {_APPLY}")
    unserved = [it.name for it in DEFINITIONS if it.plural not in served]
    if unserved:
        return failed(
            f"not served as {OURS}: {named(unserved)}",
            "Look at the conditions of the CustomResourceDefinition: kubectl describe crd NAME",
        )
    return ok(", ".join(it.plural for it in DEFINITIONS))


def served_definitions(served: frozenset[str]) -> Finding:
    """The same for a caller who may not read definitions."""
    missing = [it.name for it in DEFINITIONS if it.plural not in served]
    if missing:
        return failed(f"not served: {named(missing)}", f"Install the chart, or: {_APPLY}")
    return ok(OURS)


def definition_versions(definitions: Mapping[str, Json | None]) -> Finding:
    """Whether each is of this version of lastgood."""
    older, newer, other = [], [], []
    for it in DEFINITIONS:
        found = definitions.get(it.name)
        if found is None:
            continue
        mine, theirs = _mine(it), _schema(found)
        mine_fields, their_fields = set(_fields(mine)), set(_fields(theirs))
        if missing := sorted(mine_fields - their_fields):
            older.append(f"{it.plural} (no {missing[0]})")
        elif more := sorted(their_fields - mine_fields):
            newer.append(f"{it.plural} (has {more[0]})")
        elif set(_rules(mine)) != set(_rules(theirs)):
            other.append(it.plural)
    if older:
        return failed(
            f"older than this version: {named(older)}",
            "Upgrade the chart. Its templates bring definitions up to date. By hand: " + _APPLY,
        )
    if newer:
        return warning(
            f"newer than this command: {named(newer)}", "Use the lastgood command of that version"
        )
    if other:
        return warning(
            f"with other rules than this version: {named(other)}",
            "Upgrade the chart, or use the lastgood command of that version",
        )
    if not any(definitions.values()):
        return skipped("there are none")
    return ok()


@cache
def _mine(definition: Definition) -> Json:
    return _schema(manifest(definition))


def _schema(definition: Json) -> Json:
    for version in definition["spec"].get("versions") or ():
        if version.get("name") == OURS.partition("/")[2]:
            schema: Json = (version.get("schema") or {}).get("openAPIV3Schema") or {}
            return schema
    return {}


def _fields(schema: Json, path: str = "") -> Iterator[str]:
    """Paths of all properties, for example `spec.source.account`."""
    for name, inner in (schema.get("properties") or {}).items():
        here = f"{path}.{name}" if path else name
        yield here
        yield from _fields(inner, here)
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            yield from _fields(schema[key], f"{path}[]")


def _rules(schema: object) -> Iterator[str]:
    """Every CEL rule in a schema."""
    if isinstance(schema, dict):
        rules = schema.get("x-kubernetes-validations")
        if isinstance(rules, list):
            yield from (str(rule.get("rule")) for rule in rules if isinstance(rule, dict))
        for inner in schema.values():
            yield from _rules(inner)
    elif isinstance(schema, list):
        for inner in schema:
            yield from _rules(inner)
