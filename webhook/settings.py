"""The webhook's environment, read once. Every variable starts with `LASTGOOD_WEBHOOK_`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from api.policy import RUN_AS
from contract.spelling import suggestion
from webhook.certificates.locations import Locations
from webhook.certificates.rotation import RotationTimes
from webhook.injection_settings import Injection

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "LASTGOOD_WEBHOOK_"
REQUIRED = ("AGENT_IMAGE",)
DEFAULTS = {
    "LISTEN": "[::]:8443",
    "AGENT_PULL_POLICY": "",
    "AGENT_UID": "65532",
    "AGENT_RUN_AS": "lastgood",
    "RELOAD_S": "10",
    "DRAIN_S": "15",
    "POLICY_DIR": "",
    "KUBECONFIG": "",
    "CERT_FILE": "",
    "KEY_FILE": "",
    "CLIENT_CA_FILE": "",
    "CLIENT_NAMES": "",
    "NAMESPACE": "",
    "CONFIGURATION": "lastgood-webhook",
    "NAMES": "",
    "CA_LIFETIME_S": "31536000",
    "LEAF_LIFETIME_S": "604800",
    "SETTLE_S": "300",
}
SECONDS = ("RELOAD_S", "DRAIN_S", "CA_LIFETIME_S", "LEAF_LIFETIME_S", "SETTLE_S")
SERVICE = "lastgood-webhook"
PULL_POLICIES = ("Always", "IfNotPresent", "Never")


SERVICE_LINKS = ("SERVICE_HOST", "SERVICE_PORT", "PORT")
"""What the kubelet sets in each pod of a namespace with a Service `lastgood-webhook`; not ours."""


class SettingsError(ValueError):
    """An environment that can't be used; names every variable at fault. Caught by main."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CertificateFiles:
    """A certificate that others make; read again when it changes."""

    certificate: Path
    """`CERT_FILE`: the serving certificate and its chain, PEM."""
    key: Path
    """`KEY_FILE`: its key, PEM."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Own:
    """Certificates of our own CA."""

    place: Locations
    """`NAMESPACE`, required, of the CA's Secret and the Service; `CONFIGURATION`, the
    MutatingWebhookConfiguration that trusts the CA, default lastgood-webhook; `NAMES` of the
    serving certificate, divided by commas, default those of the Service lastgood-webhook.
    """
    times: RotationTimes
    """`CA_LIFETIME_S`, default a year; `LEAF_LIFETIME_S`, default a week; `SETTLE_S`, from a new CA
    being trusted to its first use, default 300.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Clients:
    """Who may ask for admissions: the API server, by a client certificate (docs/design/019)."""

    ca: Path
    """`CLIENT_CA_FILE`: PEM of the CA that must have signed it; read again when it changes."""
    names: frozenset[str]
    """`CLIENT_NAMES`, divided by commas: it must have one of these as its common name or as a DNS
    name.
    """


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that an admin sets."""

    host: str
    """`LISTEN`, before the last colon: the address to serve on, one of IPv6 in brackets. Default:
    `[::]`, every address of IPv6 and IPv4.
    """
    port: int
    """`LISTEN`, after the colon; 0: any free one, which the log then names. Default 8443."""
    policy_dir: Path | None
    """`POLICY_DIR`: YAML of SecretAccounts, SecretPolicies and Namespaces. None: the API server's
    are watched."""
    kubeconfig: Path | None
    """`KUBECONFIG`: how to reach the API server; None: as the pod we run in."""
    certificates: CertificateFiles | Own
    clients: Clients | None
    """None, the default: any client may ask for admissions."""
    injection: Injection
    """`AGENT_IMAGE`, required, by digest in production; `AGENT_PULL_POLICY`; `AGENT_UID`, not 0;
    `AGENT_RUN_AS`, the user of gate and agent where a policy has no `runAs`: lastgood (AGENT_UID),
    pod or platform."""
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
    if values["AGENT_RUN_AS"] not in RUN_AS:
        problems.append(f"{PREFIX}AGENT_RUN_AS must be one of {', '.join(RUN_AS)}")
    problems += [
        f"{PREFIX}{name} must be a number of seconds"
        for name in SECONDS
        if not _seconds(values[name])
    ]
    problems += _certificates(values)
    if bool(values["CLIENT_CA_FILE"]) != bool(_listed(values["CLIENT_NAMES"])):
        problems.append(f"{PREFIX}CLIENT_CA_FILE and CLIENT_NAMES must be set together")
    if problems:
        raise SettingsError("\n".join(problems))
    return Settings(
        host=host.strip("[]"),
        port=int(port),
        policy_dir=_path(values["POLICY_DIR"]),
        kubeconfig=_path(values["KUBECONFIG"]),
        certificates=_files(values) if values["CERT_FILE"] else _own(values),
        clients=_clients(values),
        injection=Injection(
            image=values["AGENT_IMAGE"],
            pull_policy=values["AGENT_PULL_POLICY"] or None,
            uid=int(values["AGENT_UID"]),
            run_as=next(item for item in RUN_AS if item == values["AGENT_RUN_AS"]),
        ),
        reload_s=float(values["RELOAD_S"]),
        drain_s=float(values["DRAIN_S"]),
    )


def _certificates(values: Mapping[str, str]) -> list[str]:
    """What is wrong with the certificate's settings."""
    if bool(values["CERT_FILE"]) != bool(values["KEY_FILE"]):
        missing = "KEY_FILE" if values["CERT_FILE"] else "CERT_FILE"
        return [f"{PREFIX}{missing} must be set: a certificate needs its key"]
    if not values["CERT_FILE"] and not values["NAMESPACE"]:
        return [f"{PREFIX}NAMESPACE must be set, for our own CA; or {PREFIX}CERT_FILE and KEY_FILE"]
    return []


def _files(values: Mapping[str, str]) -> CertificateFiles:
    return CertificateFiles(certificate=Path(values["CERT_FILE"]), key=Path(values["KEY_FILE"]))


def _own(values: Mapping[str, str]) -> Own:
    namespace = values["NAMESPACE"]
    given = _listed(values["NAMES"])
    service = f"{SERVICE}.{namespace}"
    names = given or (f"{service}.svc", f"{service}.svc.cluster.local", service)
    ca_s, leaf_s, settle_s = (
        float(values[name]) for name in ("CA_LIFETIME_S", "LEAF_LIFETIME_S", "SETTLE_S")
    )
    return Own(
        place=Locations(namespace=namespace, configuration=values["CONFIGURATION"], names=names),
        times=RotationTimes(ca_s=ca_s, leaf_s=leaf_s, settle_s=settle_s),
    )


def _clients(values: Mapping[str, str]) -> Clients | None:
    if not values["CLIENT_CA_FILE"]:
        return None
    names = frozenset(_listed(values["CLIENT_NAMES"]))
    return Clients(ca=Path(values["CLIENT_CA_FILE"]), names=names)


def _listed(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(",") if name.strip())


def _path(text: str) -> Path | None:
    return Path(text) if text else None


def _seconds(text: str) -> bool:
    return text.replace(".", "", 1).isdecimal()
