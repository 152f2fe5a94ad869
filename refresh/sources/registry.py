"""Which source an account opens. A new provider is one file beside this one, and one line here."""

from __future__ import annotations

from typing import TYPE_CHECKING

from refresh.sources.aws_client import Access, open_clients
from refresh.sources.aws_secrets_manager import AwsSecretsManager
from refresh.sources.file import FileSource

if TYPE_CHECKING:
    from policy.model import SecretAccount
    from refresh.sources.aws_client import Keys
    from refresh.sources.protocol import Observer, Source


class UnsupportedAccountError(ValueError):
    """An account that this version can't serve; the message says why. Caught by the controller."""


def open_source(
    account: SecretAccount,
    provider: str,
    *,
    observer: Observer | None = None,
    keys: Keys | None = None,
    connections: int = 10,
) -> Source:
    """The source behind `account` for references of `provider`, or UnsupportedAccountError.

    `keys`: None is the SDK's standard chain. `connections`: how many threads fetch at a time.
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
    if spec.aws.role_arn is not None:
        raise UnsupportedAccountError(
            f"account {account.name} has a roleARN, which this version can't assume;"
            " give the controller's own identity the permissions and leave roleARN out"
        )
    access = Access(
        regions=spec.aws.regions, endpoint=spec.aws.endpoint, keys=keys, connections=connections
    )
    return AwsSecretsManager(open_clients(access), observer=observer)
