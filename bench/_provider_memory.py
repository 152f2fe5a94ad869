"""A process like the controller with some accounts: `python -m bench._provider_memory`, with
`[scheme, account, proxy, folder]`s as JSON on stdin. Prints its resident MB after a fetch of each
that has a proxy.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import controller.run  # noqa: F401 - what the controller has in memory anyway
from api.account import SecretAccount
from controller.accounts import opening_of
from providers.aws.source.client import Keys
from providers.aws.source.opening import open_source as open_aws
from providers.open_source import open_source
from providers.protocol import Fetched, FetchRequest, Material
from providers.proxies import Proxies

KEYS = Keys(access_key="a", secret_key="b")
_PAGE = 4096


def main() -> int:
    """The figure on stdout."""
    opened = [_opened(*item) for item in json.load(sys.stdin)]
    print(int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE / 1e6)
    for source in opened:
        source.close()
    return 0


def _opened(scheme: str, account: dict[str, Any], proxy: str | None, folder: str) -> Any:  # noqa: ANN401 - a Source
    opening = opening_of(
        SecretAccount.model_validate(account),
        scheme,
        monotonic=time.monotonic,
        folder=Path(folder),
        proxies=Proxies(https=proxy),
    )
    if scheme.startswith("aws-"):
        return open_aws(opening, KEYS)
    source = open_source(account["spec"]["provider"], opening)
    if proxy is not None:
        found = Fetched(results=(), calls=0)
        for _ in range(2):  # the login, and the read
            found = source.fetch([FetchRequest(reference="db")])
        if not isinstance(found.results[0], Material):
            raise SystemExit(f"{scheme}: {found}")
    return source


if __name__ == "__main__":
    sys.exit(main())
