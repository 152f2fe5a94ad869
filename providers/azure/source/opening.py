"""A source of Azure, under the account's login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.azure.account import CALLS_OF_A_LOGIN, Azure
from providers.azure.source.answers import UNAUTHORIZED
from providers.azure.source.key_vault import AzureKeyVault
from providers.azure.source.login import ADVICE, TROUBLE, refused, token_of
from providers.library_login import LIMIT_S, Entrance, open_under_login

if TYPE_CHECKING:
    from providers.http import Patience
    from providers.open_source import Opening
    from providers.protocol import Failed, Source


def open_source(
    opening: Opening, patience: Patience | None = None, limit_s: float = LIMIT_S
) -> Source:
    """The source behind an account's block `azure`. `patience`: None is the usual one; `limit_s`:
    of a login.
    """
    block = opening.block_as(Azure)
    return open_under_login(
        opening,
        Entrance(
            token=token_of(block, opening.folder),
            refused=refused,
            most_calls=CALLS_OF_A_LOGIN,
            trouble=TROUBLE,
            advice=ADVICE,
            expired=_is_expired,
        ),
        lambda http, token: AzureKeyVault(http, block, token=token, observer=opening.observer),
        ca_file=None if block.ca_file is None else opening.folder / block.ca_file,
        patience=patience,
        limit_s=limit_s,
    )


def _is_expired(failed: Failed) -> bool:
    return failed == UNAUTHORIZED
