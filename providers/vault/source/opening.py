"""A source of Vault, under the account's login."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.credentials import Login, UnderLogin
from providers.http import Http, TlsSettings
from providers.vault.account import Vault
from providers.vault.source.address import VaultServer
from providers.vault.source.kv import TOKEN_ENDED, VaultKv
from providers.vault.source.login import VaultLogin

if TYPE_CHECKING:
    from pathlib import Path

    from providers.http import Patience
    from providers.open_source import Opening
    from providers.protocol import Source


def open_source(opening: Opening, patience: Patience | None = None) -> Source:
    """The source behind an account's block `vault`. `patience`: None is the usual one."""
    block = opening.block_as(Vault)
    http = Http(
        tls=_tls(block, opening),
        proxies=opening.proxies,
        connections=opening.connections,
        patience=patience,
    )
    servers = [
        VaultServer(address, http, namespace=block.namespace, observer=opening.observer)
        for address in block.addresses
    ]
    login = opening.logins.shared(
        lambda: Login(
            VaultLogin(block.auth, opening.folder, servers, http),
            monotonic=opening.monotonic,
            trouble=opening.trouble,
        )
    )
    mounts = {mount.path: mount.version for mount in block.mounts}
    source = VaultKv(servers, mounts, token=login.credential, monotonic=opening.monotonic)
    return UnderLogin(source, login, expired=lambda failed: failed.code == TOKEN_ENDED.code)


def _tls(block: Vault, opening: Opening) -> TlsSettings:
    tls = block.tls
    extra_ca = None if opening.extra_ca is None else opening.extra_ca.path
    if tls is None:
        return TlsSettings(extra_ca_file=extra_ca)

    def path(name: str | None) -> Path | None:
        return None if name is None else opening.folder / name

    return TlsSettings(
        extra_ca_file=extra_ca,
        ca_file=path(tls.ca_file),
        ca_bundle=tls.ca_bundle,
        server_name=tls.server_name,
        certificate_file=path(tls.certificate_file),
        key_file=path(tls.key_file),
    )
