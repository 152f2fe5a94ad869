"""A source of AWS, under the controller's own identity or under a role."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from botocore.httpsession import where

from providers.aws.account import Aws
from providers.aws.definition import PARAMETER_STORE
from providers.aws.source.client import Access, open_clients, open_ssm, open_sts
from providers.aws.source.errors import EXPIRED
from providers.aws.source.parameter_store import AwsParameterStore
from providers.aws.source.role import AssumedRole, RoleRequest
from providers.aws.source.secrets_manager import AwsSecretsManager
from providers.credentials import Login, UnderLogin
from providers.http import Patience

if TYPE_CHECKING:
    from collections.abc import Callable

    from providers.aws.source.client import Keys
    from providers.open_source import Opening
    from providers.protocol import Source

SDK_CA_BUNDLE = Path(where())
"""What botocore trusts by itself."""
USUAL = Patience()
LONGEST_SESSION = 64
"""Characters that STS takes as a session's name."""


def open_source(opening: Opening, keys: Keys | None = None, patience: Patience = USUAL) -> Source:
    """The source behind an account's block `aws`. `keys`: None is the SDK's standard chain."""
    block = opening.block_as(Aws)
    access = Access(
        regions=block.regions,
        endpoint=block.endpoint,
        ssm_endpoint=block.ssm_endpoint,
        sts_endpoint=block.sts_endpoint,
        keys=keys,
        connect_timeout_s=patience.connect_s,
        read_timeout_s=patience.read_s,
        whole_s=patience.whole_s,
        connections=opening.connections,
        ca_bundle=None if opening.extra_ca is None else opening.extra_ca.beside(SDK_CA_BUNDLE),
    )
    wanted = _wanted(opening.account, block)
    if wanted is None:
        return _source(opening, block, access, None)
    login = opening.logins.shared(
        lambda: Login(
            AssumedRole(open_sts(access), wanted, observer=opening.observer),
            monotonic=opening.monotonic,
            trouble=opening.trouble,
        )
    )
    return UnderLogin(
        _source(opening, block, access, login.credential),
        login,
        expired=lambda failed: failed.code in EXPIRED,
    )


def _source(
    opening: Opening, block: Aws, access: Access, held: Callable[[], Keys] | None
) -> Source:
    """Of the references' scheme. `held`: as `open_clients` takes it."""
    if opening.scheme == PARAMETER_STORE.name:
        return AwsParameterStore(
            open_ssm(access, held),
            mirrors=bool(block.parameters_mirrored),
            observer=opening.observer,
        )
    return AwsSecretsManager(open_clients(access, held), observer=opening.observer)


def _wanted(name: str, aws: Aws) -> RoleRequest | None:
    """The account's role, under a name that AWS's own log tells us by; None: it has none."""
    if aws.role_arn is None:
        return None
    session = f"lastgood-{name}"[:LONGEST_SESSION]
    return RoleRequest(arn=aws.role_arn, session=session, external_id=aws.external_id)
