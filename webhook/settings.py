"""The webhook's environment, read once. Every variable starts with `LASTGOOD_WEBHOOK_`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from contract.spelling import suggestion
from webhook.config import Injection

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "LASTGOOD_WEBHOOK_"
REQUIRED = ("AGENT_IMAGE", "CERT_FILE", "KEY_FILE", "POLICY_DIR")
DEFAULTS = {
    "LISTEN": "0.0.0.0:8443",
    "AGENT_PULL_POLICY": "",
    "AGENT_UID": "65532",
    "RELOAD_S": "10",
    "DRAIN_S": "15",
}
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


SERVICE_LINKS = ("SERVICE_HOST", "SERVICE_PORT", "PORT")
"""What the kubelet sets in each pod of a namespace with a Service `lastgood-webhook`; not ours."""


class SettingsError(ValueError):
    """An environment that can't be used; names every variable at fault. Caught by main."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an admin sets."""

    host: str
    """`LISTEN`, before the colon: the address to serve on; default all."""
    port: int
    """`LISTEN`, after the colon; 0: any free one, which the log then names. Default 8443."""
    cert_file: Path
    """`CERT_FILE`: the serving certificate and its chain, PEM. Read again when it changes."""
    key_file: Path
    """`KEY_FILE`: its key, PEM."""
    policy_dir: Path
    """`POLICY_DIR`: YAML of SecretAccounts, SecretPolicies and Namespaces."""
    injection: Injection
    """`AGENT_IMAGE`, required, by digest in production; `AGENT_PULL_POLICY`; `AGENT_UID`, not 0."""
    reload_s: float
    """`RELOAD_S`: how often certificate and policies are looked at, in seconds; default 10."""
    drain_s: float
    """`DRAIN_S`: how long, in seconds, requests are still answered after SIGTERM, each with
    `Connection: close`, because the API server does not repeat one on a closed connection; default
    15.
    """


def read(environment: Mapping[str, str]) -> Settings:
    """The settings of an environment. SettingsError names every mistake at once."""
    known = (*REQUIRED, *DEFAULTS)
    given = {
        name.removeprefix(PREFIX): text
        for name, text in environment.items()
        if name.startswith(PREFIX)
    }
    unknown = (name for name in given if name not in known and not name.startswith(SERVICE_LINKS))
    problems = [f"{PREFIX}{name} is unknown{suggestion(name, known)}" for name in unknown]
    problems += [f"{PREFIX}{name} must be set" for name in REQUIRED if not given.get(name)]
    values = {**DEFAULTS, **given}
    host, colon, port = values["LISTEN"].rpartition(":")
    if not colon or not port.isdecimal() or int(port) > 65535:  # noqa: PLR2004 - the highest port
        problems.append(f"{PREFIX}LISTEN must be ADDRESS:PORT")
    if values["AGENT_PULL_POLICY"] not in {"", *PULL_POLICIES}:
        allowed = ", ".join(PULL_POLICIES)
        problems.append(f"{PREFIX}AGENT_PULL_POLICY must be one of {allowed}")
    if not values["AGENT_UID"].isdecimal() or int(values["AGENT_UID"]) == 0:
        problems.append(f"{PREFIX}AGENT_UID must be a number above 0")
    problems += [
        f"{PREFIX}{name} must be a number of seconds"
        for name in ("RELOAD_S", "DRAIN_S")
        if not _seconds(values[name])
    ]
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(
        host=host.strip("[]"),
        port=int(port),
        cert_file=Path(values["CERT_FILE"]),
        key_file=Path(values["KEY_FILE"]),
        policy_dir=Path(values["POLICY_DIR"]),
        injection=Injection(
            image=values["AGENT_IMAGE"],
            pull_policy=values["AGENT_PULL_POLICY"] or None,
            uid=int(values["AGENT_UID"]),
        ),
        reload_s=float(values["RELOAD_S"]),
        drain_s=float(values["DRAIN_S"]),
    )


def _seconds(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
