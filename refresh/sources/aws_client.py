"""botocore as we want it: one try, stated time-outs, one account's endpoint, and quiet."""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import boto3
import botocore.session
from botocore.config import Config

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """Explicit credentials, for tests and for stand-ins of AWS."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """How to reach one account under one identity. Time-outs in seconds."""

    regions: tuple[str, ...]
    """In order of preference."""
    endpoint: str | None = None
    """For every region; None: AWS's own. Neither environment nor files of the SDK add another."""
    keys: Keys | None = None
    """None: the SDK's standard chain."""
    connect_timeout_s: float = 2.0
    read_timeout_s: float = 5.0
    """The longest silence while an answer is awaited or arrives."""
    connections: int = 10
    """Kept open, per region: as many as threads fetch at a time."""
    caller: str = "lastgood"
    """Ends the User-Agent."""


class Client(Protocol):
    """The operations of Secrets Manager in use. Clients may be shared by threads; sessions not."""

    def get_secret_value(self, **arguments: object) -> Mapping[str, Any]: ...
    def describe_secret(self, **arguments: object) -> Mapping[str, Any]: ...
    def batch_get_secret_value(self, **arguments: object) -> Mapping[str, Any]: ...
    def close(self) -> None: ...


def open_clients(access: Access) -> tuple[Client, ...]:
    """One client per region. The credential chain may make calls of its own."""
    quiet_sdk()
    core = botocore.session.Session()
    # Session-wide, so that the calls of the credential chain (STS) are bounded as well.
    core.set_default_client_config(_config(access))
    session = boto3.session.Session(botocore_session=core, **_keys(access.keys))
    clients = tuple(
        session.client("secretsmanager", region_name=region, endpoint_url=access.endpoint)
        for region in access.regions
    )
    quiet_sdk()
    return clients


def _config(access: Access) -> Config:
    return Config(  # type: ignore[call-arg]  # its stub lacks the last one
        retries={"total_max_attempts": 1, "mode": "standard"},
        connect_timeout=access.connect_timeout_s,
        read_timeout=access.read_timeout_s,
        max_pool_connections=access.connections,
        user_agent_extra=access.caller,
        ignore_configured_endpoint_urls=True,
    )


def _keys(keys: Keys | None) -> dict[str, str]:
    if keys is None:
        return {}
    return {"aws_access_key_id": keys.access_key, "aws_secret_access_key": keys.secret_key}


def quiet_sdk() -> None:
    """Lets nothing below WARNING out of the SDK: at DEBUG it logs answers and session tokens.

    By a filter on each logger, because whoever configures logging sets levels, also of others.
    """
    for name in (
        "botocore.parsers",
        "botocore.endpoint",
        "botocore.auth",
        *logging.root.manager.loggerDict,
    ):
        if name.partition(".")[0] in {"boto3", "botocore", "urllib3"}:
            logging.getLogger(name).addFilter(_from_warning)


def _from_warning(record: logging.LogRecord) -> bool:
    return record.levelno >= logging.WARNING
