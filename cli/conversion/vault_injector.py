"""Annotations of Vault's agent injector (vault-k8s, `agent-inject/agent/annotations.go`)."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from cli.conversion.report import FieldOutcome
from cli.conversion.vault_objects import FILES, MOUNT_VERSION, ROLE, vault_block
from cli.conversion.wanted import vault_reference, wanted
from contract.quoted import shown

if TYPE_CHECKING:
    from cli.conversion.fields import Fields
    from cli.conversion.options import Given
    from cli.conversion.pod_draft import PodDraft
    from cli.conversion.wanted import Draft, DraftAccounts, Wanted

PREFIX = "vault.hashicorp.com/"
INJECT = PREFIX + "agent-inject"
_SECRET = PREFIX + "agent-inject-secret-"
_TEMPLATE = PREFIX + "agent-inject-template-"
_FILE = PREFIX + "agent-inject-file-"
_COMMAND = PREFIX + "agent-inject-command-"
_PERMS = PREFIX + "agent-inject-perms-"
_VOLUME = PREFIX + "secret-volume-path"
USUAL_PATH = "/vault/secrets"

_ONE_VALUE = re.compile(
    r'\s*\{\{-?\s*with\s+secret\s+"(?P<path>[^"]+)"\s*-?\}\}\s*'
    r"\{\{-?\s*\.Data\.(?P<v2>data\.)?(?P<key>[A-Za-z0-9_]+)\s*-?\}\}"
    r"\s*\{\{-?\s*end\s*-?\}\}\s*"
)
_HUP = re.compile(r"(?:sh -c )?[\"']?(?:p?kill(?:all)?)\s+(?:-s\s*)?-?(?:SIG)?(HUP|USR1|USR2)\b.*")
_URL = re.compile(
    r"(?:wget|curl)\b[^|;&]*?\bhttp://(?:localhost|127\.0\.0\.1):(\d+)(/[A-Za-z0-9/_.~-]*)[^|;&]*"
)
_LEAVE = "Leave this pod with the injector"
_LOST = {
    "agent-inject-token": "pods get no Vault token",
    "agent-inject-default-template": "name the keys of each secret",
    "agent-configmap": "the agent's configuration is not read",
    "agent-extra-secret": "there is no agent that could read it",
    "agent-copy-volume-mounts": "there is no agent that could read it",
    "agent-json-patch": "there is no agent that it could change",
    "agent-init-json-patch": "there is no agent that it could change",
    "template-left-delim": "lastgood has no templates",
    "template-right-delim": "lastgood has no templates",
    "template-config-exit-on-retry-failure": "lastgood keeps the last good value",
}
_LOST_PREFIXES = {
    "agent-inject-template-file-": "lastgood has no templates",
    "secret-volume-path-": "a pod has one mount path",
}
_LOGIN = ("auth-path", "auth-type", "auth-min-backoff", "auth-max-backoff", "auth-config-")
_TLS = ("tls-secret", "ca-cert", "ca-key", "client-cert", "client-key")
_AGENT = (
    "agent-pre-populate", "agent-init-first", "agent-image", "agent-requests-", "agent-limits-",
    "agent-run-as-", "agent-set-security-context", "agent-share-process-namespace", "agent-revoke-",
    "agent-cache-", "agent-enable-quit", "agent-telemetry-", "agent-auto-auth-exit-on-err",
    "agent-disable-", "agent-service-account-token-volume-name", "log-", "client-", "go-max-procs",
    "template-", "agent-inject-status", "agent-request-namespace", "agent-inject-containers",
    "preserve-secret-case", "error-on-missing-key-", "agent-container-name",
)  # fmt: skip


def uses_injector(annotations: Fields) -> bool:
    """Whether the injector changes this pod."""
    return annotations.text(INJECT).lower() in {"true", "1", "t", "yes", "y"}


def read_injector(
    annotations: Fields, accounts: DraftAccounts, given: Given, pod: PodDraft, names: list[str]
) -> bool:
    """Whether all could be mapped; then the pod's draft has it. `names`: of all containers."""
    for name in (name for name in annotations.names() if name.startswith(PREFIX)):
        _plain(annotations, name)
    draft = _account(annotations, accounts, given)
    files: dict[str, Wanted] = {}
    for name in (name for name in annotations.names() if name.startswith(_SECRET)):
        _secret(annotations, name.removeprefix(_SECRET), draft, files)
    for name in annotations.names():
        if name.startswith((_FILE, _PERMS)) and _of(name) not in _secrets(annotations):
            annotations.dropped(name, "there is no secret of this name")
        if name.startswith(_TEMPLATE) and _of(name) not in _secrets(annotations):
            annotations.dropped(name, "there is no secret of this name")
    reload = _reload(annotations)
    mount_path = annotations.text(_VOLUME) or USUAL_PATH
    clash = pod.clashes(files, mount_path)
    if clash is not None:
        annotations.lost(_VOLUME, clash)
    if not files:
        annotations.lost(INJECT, f"no secret of this pod can be mapped. {_LEAVE}")
    if not files or clash is not None or _any_lost(annotations):
        return False
    pod.add_files(files, mount_path)
    chosen = annotations.text(PREFIX + "agent-inject-containers")
    pod.containers |= dict.fromkeys(
        (name.strip() for name in chosen.split(",")) if chosen else names
    )
    once = annotations.text(PREFIX + "agent-pre-populate-only").lower() == "true"
    pod.mode, pod.reload = "mount" if once else "follow", reload
    annotations.mapped(INJECT, "the annotations of the secrets")
    return True


def _any_lost(annotations: Fields) -> bool:
    ledger = annotations.ledger
    return any(
        line.object == shown(ledger.of, 330) and line.level is FieldOutcome.NOT_MAPPED
        and PREFIX in line.field
        for line in ledger.report.lines
    )  # fmt: skip


def _of(name: str) -> str:
    """The secret's name in an annotation of one."""
    return name.removeprefix(PREFIX + "agent-inject-").partition("-")[2]


def _secrets(annotations: Fields) -> set[str]:
    found = annotations.names()
    return {name.removeprefix(_SECRET) for name in found if name.startswith(_SECRET)}


def _plain(annotations: Fields, name: str) -> None:
    """What is not about one secret."""
    word = name.removeprefix(PREFIX)
    before = next((it for it in _LOST_PREFIXES if word.startswith(it)), None)
    why = _LOST.get(word) or (None if before is None else _LOST_PREFIXES[before])
    if word == "agent-inject-token" and annotations.text(name).lower() != "true":
        why = None
        annotations.dropped(name, "it is off")
    if why is not None:
        annotations.lost(name, f"{why}. {_LEAVE}")
    elif name in {
        INJECT,
        _VOLUME,
        PREFIX + "role",
        PREFIX + "service",
        PREFIX + "namespace",
    } or name.startswith((_SECRET, _TEMPLATE, _FILE, _COMMAND)):
        pass
    elif name.startswith(_PERMS):
        annotations.dropped(name, "the files' owner and mode follow the pod's fsGroup and user")
    elif word == "agent-pre-populate-only":
        annotations.mapped(name, "mode mount, which adds no sidecar. The kubelet renews the files")
    elif word.startswith(_TLS):
        annotations.decide(name, FILES)
    elif word.startswith(_LOGIN) or word in {"proxy-address", "tls-server-name", "tls-skip-verify"}:
        annotations.decide(name, "set it for the controller (docs/providers/vault.md)")
    elif word.startswith(_AGENT):
        annotations.dropped(name, "there is no Vault agent in the pod")
    else:
        annotations.lost(name, "lastgood import does not know this annotation. Check by hand")


def _account(annotations: Fields, accounts: DraftAccounts, given: Given) -> Draft:
    address, namespace = PREFIX + "service", PREFIX + "namespace"
    block, missing = vault_block(given, annotations.text(address), annotations.text(namespace))
    draft = accounts.draft("vault", "vault", block, annotations.ledger.of, missing)
    annotations.mapped(address, "vault.addresses of the SecretAccount")
    annotations.mapped(namespace, "vault.namespace of the SecretAccount")
    if PREFIX + "role" in annotations:
        annotations.decide(PREFIX + "role", ROLE.format(role=given.role))
    return draft


def _secret(annotations: Fields, of: str, draft: Draft, files: dict[str, Wanted]) -> None:
    secret, template, file_name = _SECRET + of, _TEMPLATE + of, _FILE + of
    path = annotations.text(secret)
    file = annotations.text(file_name) or of
    if "/" in file:
        annotations.lost(file_name, f"a file is in no folder below the mount path. {_LEAVE}")
        return
    text = annotations.text(template)
    found = _ONE_VALUE.fullmatch(text) if text else None
    if text and found is None:
        annotations.lost(
            template,
            "lastgood has no templates, only one that is a single value can be mapped. Let the app"
            f" read the values, one file each. {_LEAVE}",
        )
        annotations.dropped(secret, "its template is not mapped")
        return
    if found is None:
        annotations.lost(
            secret,
            'without a template the file has a line "key: value" for each key. lastgood writes one'
            f" value, or the secret's JSON object. Name the keys, one secret each. {_LEAVE}",
        )
        return
    path = found["path"]
    named = annotations.text(secret)
    if named and named.strip("/") != path.strip("/"):
        annotations.decide(secret, "its template reads another path, which is mapped")
    reference = vault_reference(draft, annotations, template, path)
    if not reference:
        return
    value = wanted(annotations, template, draft, ("vault", reference, found["key"]))
    if value is None:
        return
    files[file] = value
    mount = next((it for it in draft.mounts if reference.startswith(f"{it}/")), "")
    if draft.mounts.get(mount) == 1:
        version = MOUNT_VERSION.format(version=1, mount=mount)
        annotations.decide(secret, f"{value.text(qualified=False)}. Check {version}")
    else:
        annotations.mapped(secret, f"{value.text(qualified=False)}, file {shown(file)}")
    annotations.mapped(template, value.text(qualified=False))
    annotations.mapped(file_name, f"the file {shown(file)}")


def _reload(annotations: Fields) -> str | None:
    """What all commands come to."""
    reload = None
    for name in (name for name in annotations.names() if name.startswith(_COMMAND)):
        text = annotations.text(name).strip()
        signal, url = _HUP.fullmatch(text), _URL.fullmatch(text)
        if signal is not None:
            now = f"signal:{signal[1]}"
            annotations.decide(name, f"{now} for the app. It needs shareProcessNamespace")
        elif url is not None:
            now = f"http://127.0.0.1:{url[1]}{url[2]}"
            annotations.decide(name, f"reload {now}. It is sent a POST")
        else:
            annotations.lost(name, f"lastgood runs no commands, only signals and POSTs. {_LEAVE}")
            continue
        if reload not in {None, now}:
            annotations.lost(name, f"a pod has one reload, and another is {reload}. {_LEAVE}")
        reload = reload or now
    return reload
