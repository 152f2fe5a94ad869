"""Which source an account opens. A new provider is one file beside this one, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refresh.sources.aws_client import Access, open_clients, open_sts
from refresh.sources.aws_role import Role, UnderRole, Wanted
from refresh.sources.aws_secrets_manager import AwsSecretsManager
from refresh.sources.file import FileSource

if TYPE_CHECKING:
    from collections.abc import Callable

    from api.account import Aws, SecretAccount
    from refresh.sources.aws_client import Keys
    from refresh.sources.protocol import Observer, Source


LONGEST_SESSION = 64
"""Characters that STS takes as a session's name."""


class UnsupportedAccountError(ValueError):
    """An account that this version can't serve; the message says why. Caught by the controller."""


def open_source(
    account: SecretAccount,
    provider: str,
    *,
    monotonic: Callable[[], float],
    observer: Observer | None = None,
    trouble: Callable[[str], None] | None = None,
    keys: Keys | None = None,
    connections: int = 10,
) -> Source:
    """The source behind `account` for references of `provider`, or UnsupportedAccountError.

    `monotonic` is seconds that never go back; `trouble` is told, in the thread that fetches, why
    the account can't log in. `keys`: None is the SDK's standard chain. `connections`: how many
    threads fetch at a time.
    """
    spec = account.spec
    if not account.serves(provider):
        raise UnsupportedAccountError(
            f"account {account.name} is of provider {spec.provider}, it serves no {provider}"
        )
    if spec.file is not None:
        return FileSource(spec.file.root, observer=observer)
    if spec.aws is None:
        raise UnsupportedAccountError(
            f"account {account.name} does not say how to reach its provider"
        )
    access = Access(
        regions=spec.aws.regions,
        endpoint=spec.aws.endpoint,
        sts_endpoint=spec.aws.sts_endpoint,
        keys=keys,
        connections=connections,
    )
    wanted = _wanted(account.name, spec.aws)
    if wanted is None:
        return AwsSecretsManager(open_clients(access), observer=observer)
    role = Role(open_sts(access), wanted, monotonic=monotonic, observer=observer, trouble=trouble)
    return UnderRole(AwsSecretsManager(open_clients(access, role.keys), observer=observer), role)


def _wanted(name: str, aws: Aws) -> Wanted | None:
    """The account's role, under a name that AWS's own log tells us by; None: it has none."""
    if aws.role_arn is None:
        return None
    session = f"lastgood-{name}"[:LONGEST_SESSION]
    return Wanted(arn=aws.role_arn, session=session, external_id=aws.external_id)
