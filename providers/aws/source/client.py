"""botocore as we want it: one try, stated time-outs, one account's endpoint, and quiet."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from functools import cache, partial
from typing import TYPE_CHECKING, Any, Protocol

import botocore.session
from botocore.awsrequest import AWSHTTPConnectionPool, AWSHTTPSConnectionPool
from botocore.config import Config
from botocore.credentials import Credentials, ReadOnlyCredentials
from botocore.exceptions import ReadTimeoutError
from botocore.loaders import create_loader

from providers.deadlines import Deadline, watched
from providers.http import forget, quiet_urllib3

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from botocore.loaders import Loader


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Credentials: a role's, or explicit ones for tests and for stand-ins of AWS."""

    access_key: str
    secret_key: str = field(repr=False)
    token: str | None = field(default=None, repr=False)
    """None: they do not end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach one account under one identity. Time-outs in seconds."""

    regions: tuple[str, ...]
    """In order of preference."""
    endpoint: str | None = None
    """For every region; None: AWS's own. Neither environment nor files of the SDK add another."""
    ssm_endpoint: str | None = None
    """The same, of Parameter Store."""
    sts_endpoint: str | None = None
    """The same, of the service that gives a role's credentials."""
    keys: Keys | None = None
    """None: the SDK's standard chain."""
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 5.0
    """The longest silence while an answer is awaited or arrives."""
    whole_s: float = 15.0
    """For a whole call, with those that the SDK's chain makes for it."""
    connections: int = 10
    """Kept open, per region: as many as threads fetch at a time."""
    ca_bundle: Path | None = None
    """CA certificates. None: the SDK's own."""
    caller: str = "lastgood"
    """Ends the User-Agent."""


class SecretsManagerClient(Protocol):
    """The operations of Secrets Manager in use. Clients may be shared by threads; sessions not."""

    def get_secret_value(self, **arguments: object) -> Mapping[str, Any]: ...
    def describe_secret(self, **arguments: object) -> Mapping[str, Any]: ...
    def batch_get_secret_value(self, **arguments: object) -> Mapping[str, Any]: ...
    def close(self) -> None: ...


class SsmClient(Protocol):
    """The operations of Parameter Store in use. Clients may be shared by threads."""

    def get_parameter(self, **arguments: object) -> Mapping[str, Any]: ...
    def get_parameters(self, **arguments: object) -> Mapping[str, Any]: ...
    def close(self) -> None: ...


class StsClient(Protocol):
    """The operation of STS in use. Clients may be shared by threads."""

    def assume_role(self, **arguments: object) -> Mapping[str, Any]: ...
    def close(self) -> None: ...


def open_clients(
    access: Access, held: Callable[[], Keys] | None = None
) -> tuple[SecretsManagerClient, ...]:
    """One client of Secrets Manager per region. `held`: what each call is signed with; None: the
    access's own identity, whose chain may make calls of its own.
    """
    return _open(access, held, "secretsmanager", access.endpoint)


def open_ssm(access: Access, held: Callable[[], Keys] | None = None) -> tuple[SsmClient, ...]:
    """One client of Parameter Store per region; `held` as in `open_clients`."""
    return _open(access, held, "ssm", access.ssm_endpoint)


def open_sts(access: Access) -> tuple[StsClient, ...]:
    """One client of STS per region, under the access's own identity."""
    return _open(access, None, "sts", access.sts_endpoint)


def _open(
    access: Access, held: Callable[[], Keys] | None, service: str, endpoint: str | None
) -> tuple[Any, ...]:
    quiet_sdk()
    for pool in (AWSHTTPConnectionPool, AWSHTTPSConnectionPool):
        pool.ConnectionCls = watched(pool.ConnectionCls)
    session = _session(access, held)
    clients = tuple(
        session.create_client(service, region_name=region, endpoint_url=endpoint)
        for region in access.regions
    )
    for client in clients:
        for name in client.meta.method_to_api_mapping:
            setattr(client, name, partial(_in_time, getattr(client, name), access.whole_s))
    quiet_sdk()
    return clients


def _in_time(method: Callable[..., Any], whole_s: float, **arguments: object) -> Any:  # noqa: ANN401 - botocore makes it from data
    """A call of the SDK. botocore's own ReadTimeoutError says that it took too long."""
    deadline = Deadline(whole_s)
    try:
        with deadline:
            answer = method(**arguments)
    except Exception as error:
        if not deadline.over:
            raise
        forget(error)
    if deadline.over:
        raise ReadTimeoutError(endpoint_url="")
    return answer


def _session(access: Access, held: Callable[[], Keys] | None) -> botocore.session.Session:
    """Under what `held` answers at each call, the chain being out of reach; else under explicit
    keys, or the SDK's chain.
    """
    session = botocore.session.Session()
    session.register_component("data_loader", _loader())
    # Session-wide, so that the calls of the credential chain (STS) are bounded as well.
    session.set_default_client_config(_config(access))
    if access.ca_bundle is not None:
        session.set_config_variable("ca_bundle", str(access.ca_bundle))
    # By a variable of the environment one service would be asked for all regions.
    session.set_config_variable("sts_regional_endpoints", "regional")
    if held is not None:
        session.register_component("credential_provider", _KeyProvider(held))
    elif access.keys is not None:
        keys = access.keys
        session.set_credentials(keys.access_key, keys.secret_key, keys.token)
    return session


@cache
def _loader() -> Loader:
    """One for all accounts: it keeps what it read of AWS's models, 8 MB that never change. No
    setting of the SDK adds a folder to it. It has no boto3 before it, which adds its own folder to
    the loader with each session.
    """
    return create_loader()


class _KeyProvider:
    """Takes the place of the SDK's chain."""

    def __init__(self, held: Callable[[], Keys]) -> None:
        self._held = held

    def load_credentials(self) -> Credentials:
        return _Held(self._held)


class _Held(Credentials):
    """What the SDK signs with: looked up once for each call, so that its parts belong together."""

    def __init__(self, held: Callable[[], Keys]) -> None:
        super().__init__(access_key="", secret_key="", method="assume-role")
        self._held = held

    def get_frozen_credentials(self) -> ReadOnlyCredentials:
        keys = self._held()
        return ReadOnlyCredentials(keys.access_key, keys.secret_key, keys.token)


def _config(access: Access) -> Config:
    return Config(  # type: ignore[call-arg]  # its stub lacks the last one
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=access.connect_timeout_s,
        read_timeout=access.read_timeout_s,
        max_pool_connections=access.connections,
        user_agent_extra=access.caller,
        ignore_configured_endpoint_urls=True,
    )


def quiet_sdk() -> None:
    """Lets nothing below WARNING out of the SDK: at DEBUG it logs answers and session tokens. Its
    HTTP client logs nothing at all.

    By a filter on each logger, because anyone who configures logging sets levels, also of others.
    """
    quiet_urllib3()
    for name in (
        "botocore.parsers",
        "botocore.endpoint",
        "botocore.auth",
        *logging.root.manager.loggerDict,
    ):
        if name.partition(".")[0] in {"boto3", "botocore"}:
            logging.getLogger(name).addFilter(_from_warning)


def _from_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
