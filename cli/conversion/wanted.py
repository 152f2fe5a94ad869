"""Secrets as the other tools name them, in lastgood's terms."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from contract.reference import ReferenceRejected, is_property
from providers.references import parse_source

if TYPE_CHECKING:
    from cli.conversion.fields import Fields

_MOST_NAME = 63
_STEP = re.compile(r'(?:"([^"\\]*)"|([A-Za-z_][A-Za-z0-9_]*))')


@dataclass(slots=True, kw_only=True, eq=False)
class Draft:
    """A SecretAccount to be."""

    provider: str
    name: str
    block: dict[str, Any]
    missing: str | None = None
    """What the manifests do not say and an account needs; None: nothing."""
    mounts: dict[str, int] = field(default_factory=dict)
    """Of Vault: each KV engine with its version."""
    of: dict[str, None] = field(default_factory=dict)
    """The objects that it comes from."""
    refused: str | None = None
    """Why it cannot be an account; None: it can, as far as is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """One value of one secret."""

    account: Draft
    scheme: str
    reference: str
    part: str | None
    """The property; None: the whole value."""

    def text(self, *, qualified: bool) -> str:
        """As an annotation gives it."""
        at = f"@{self.account.name}" if qualified else ""
        part = "" if self.part is None else f"#{self.part}"
        return f"{self.scheme}{at}:{self.reference}{part}"

    @property
    def allow(self) -> str:
        """The pattern that allows this secret and no other."""
        return f"{self.scheme}:{self.reference}"


@dataclass(slots=True, kw_only=True)
class Supply:
    """What a volume or a Secret of the other tool has: values by file name or by key."""

    of: str
    files: dict[str, Wanted] = field(default_factory=dict)
    whole: Wanted | None = None
    """A JSON object all of whose members are keys as well; None: there is none."""
    complete: bool = True
    """Whether all that it has could be mapped."""
    used: bool = False

    def get(self, key: str) -> Wanted | None:
        """The value of a key. None: it is not known or could not be mapped."""
        known = self.files.get(key)
        if known is not None or self.whole is None or not is_property(key):
            return known
        whole = self.whole
        part = key if whole.part is None else f"{whole.part}/{key}"
        if not is_property(part):
            return None
        return Wanted(
            account=whole.account, scheme=whole.scheme, reference=whole.reference, part=part
        )

    def all(self) -> dict[str, Wanted] | None:
        """Every file. None: they are not all known."""
        return self.files if self.complete and self.whole is None and self.files else None


class DraftAccounts:
    """The drafts of one run: what is configured alike is one account."""

    def __init__(self) -> None:
        self.drafts: dict[str, Draft] = {}
        """By name."""
        self._known: dict[str, Draft] = {}

    def draft(
        self, provider: str, name: str, block: dict[str, Any], of: str, missing: str | None = None
    ) -> Draft:
        """The account of these settings. `name`: what it should be called."""
        key = json.dumps([provider, block, missing], sort_keys=True, default=str)
        draft = self._known.get(key)
        if draft is None:
            draft = Draft(provider=provider, name=self._free(name), block=block, missing=missing)
            self._known[key] = self.drafts[draft.name] = draft
        draft.of.setdefault(of)
        return draft

    def _free(self, name: str) -> str:
        base = label(name)
        names = [base, *(f"{base[: _MOST_NAME - 5]}-{number}" for number in range(2, 9999))]
        return next(it for it in names if it not in self.drafts)


def label(text: str) -> str:
    """A name of an account or a policy that is like the text."""
    found = re.sub("[^a-z0-9]+", "-", text.lower()).strip("-")[:_MOST_NAME].strip("-")
    return found or "imported"


def wanted(
    fields: Fields, name: str, draft: Draft, source: tuple[str, str, str | None]
) -> Wanted | None:
    """One value: scheme, reference and property. None where lastgood cannot name it, which is then
    reported of the field `name`.
    """
    scheme, reference, part = source
    found = Wanted(account=draft, scheme=scheme, reference=reference, part=part)
    try:
        parse_source(found.text(qualified=False))
    except ReferenceRejected as rejected:
        fields.lost(name, f"{rejected}. Leave it with its tool")
        return None
    return found


def vault_reference(draft: Draft, fields: Fields, name: str, path: str, mount: str = "") -> str:
    """`<mount>/<path>` of a path in Vault's API; empty where it cannot be one, which is then
    reported. `mount`: the engine's, where it is known. `data/` after the mount is version 2.
    """
    path = path.strip("/")
    if mount:
        rest = path.removeprefix(f"{mount}/")
        version = draft.mounts.get(mount, 2)
        rest = rest.removeprefix("data/") if version != 1 else rest
    else:
        mount, data, rest = path.partition("/data/")
        version = 2 if data else 1
        if not data:
            mount, _, rest = path.partition("/")
            version = draft.mounts.get(mount, 1)
    if not rest:
        fields.lost(name, "this is not a mount, / and a path. Leave it with its tool")
        return ""
    if draft.mounts.setdefault(mount, version) != version:
        fields.lost(
            name,
            f"the mount is used as KV version {version} here and {draft.mounts[mount]} elsewhere."
            " Use one of them",
        )
        return ""
    return f"{mount}/{rest}"


def jmes_property(path: str) -> str | None:
    """The property of a JMESPath that is only member names. None: it is more than that."""
    steps = []
    for text in re.split(r'\.(?=(?:[^"]*"[^"]*")*[^"]*$)', path.strip()):
        step = _STEP.fullmatch(text.strip())
        if step is None:
            return None
        steps.append(step[1] if step[1] is not None else step[2])
    part = "/".join(steps)
    return part if all("/" not in step for step in steps) and is_property(part) else None
