"""How an account logs in to Vault: by a projected token, an AppRole, or a token in a file."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from contract.reasons import FetchFailure
from providers.credentials import LEAST_S, Asked, in_order
from providers.protocol import Failed
from providers.vault.source import answers
from providers.vault.source.address import Call, VaultToken
from providers.vault.source.credential_files import read_jwt, read_token

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from providers.http import Http
    from providers.vault.account import VaultAuth
    from providers.vault.source.address import VaultServer

LOGIN = "login"
LOOK_UP = "lookup-self"
LONGEST_S = 3600.0
"""Longer tokens are replaced after this, for a token keeps the policies of its login."""


class VaultLogin:
    """Asks the account's addresses for a token, a later one when those before are unavailable."""

    operation = "Login"
    trouble = "it cannot log in to Vault"
    advice = {  # noqa: RUF012 - of the class, and never changed
        FetchFailure.DENIED: "The role of the auth method must exist, and must accept the"
        " controller's service account and the token's audience (docs/providers/vault.md)",
        FetchFailure.THROTTLED: "Vault limits the request rate. The call is retried",
        FetchFailure.UNAVAILABLE: "Vault does not respond, or a file that the account names cannot"
        " be read. The call is retried",
    }

    def __init__(
        self, auth: VaultAuth, folder: Path, servers: Sequence[VaultServer], http: Http
    ) -> None:
        self._auth = auth
        self._folder = folder
        self._servers = tuple(servers)
        self._http = http

    @property
    def most_calls(self) -> int:
        return len(self._servers)

    def ask(self) -> Asked[VaultToken]:
        if self._auth.token_file is not None:
            token = read_token(self._folder / self._auth.token_file)
            if isinstance(token, Failed):
                return Asked(calls=0, failed=token)
            return in_order([partial(_looked_up, it, VaultToken(token)) for it in self._servers])
        call = self._call()
        if isinstance(call, Failed):
            return Asked(calls=0, failed=call)
        return in_order([partial(_logged_in, it, call) for it in self._servers])

    def close(self) -> None:
        self._http.close()

    def _call(self) -> Call | Failed:
        app_role = self._auth.app_role
        if app_role is not None:
            secret = read_token(self._folder / app_role.secret_id_file)
            if isinstance(secret, Failed):
                return secret
            body = {"role_id": app_role.role_id, "secret_id": secret}
            return Call(operation=LOGIN, path=f"auth/{app_role.mount}/login", body=body)
        by_token = self._auth.kubernetes or self._auth.jwt
        if by_token is None:
            raise AssertionError("unreachable")
        token = read_jwt(self._folder / by_token.token_file, by_token.audience)
        if isinstance(token, Failed):
            return token
        body = {"role": by_token.role, "jwt": token}
        return Call(operation=LOGIN, path=f"auth/{by_token.mount}/login", body=body)


def _logged_in(server: VaultServer, call: Call) -> tuple[VaultToken, float] | Failed:
    answer = server.ask(call, answers.of_login)
    if isinstance(answer, Failed):
        return answer
    token, lasts_s = answer
    return VaultToken(token), _used_s(lasts_s)


def _looked_up(server: VaultServer, token: VaultToken) -> tuple[VaultToken, float] | Failed:
    call = Call(operation=LOOK_UP, path="auth/token/lookup-self", token=token)
    answer = server.ask(call, answers.of_look_up)
    return answer if isinstance(answer, Failed) else (token, _used_s(answer))


def _used_s(lasts_s: float) -> float:
    return min(max(lasts_s, LEAST_S), LONGEST_S) if lasts_s else LONGEST_S
