"""`python -m bench.cluster.filled_provider COUNT`: demo.provider with so many secrets from the
start. By requests one after another that takes minutes, and moto's memory can't be filled by
several at once.
"""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from demo.provider import main

if TYPE_CHECKING:
    from collections.abc import Iterable

REGION = "us-east-1"
MOTOS_ACCOUNT = "123456789012"


def reference(number: int) -> str:
    """The name of one secret."""
    return f"/bench/{number:05d}"


def fill(names: Iterable[str]) -> None:
    """Puts a JSON object of some 100 bytes under each name, into the memory of this process."""
    from moto.secretsmanager.models import secretsmanager_backends  # noqa: PLC0415 - the server's

    backend = secretsmanager_backends[MOTOS_ACCOUNT][REGION]
    for name in names:
        document = {"username": name, "password": f"a value of {name} " + "-" * 40}
        backend.create_secret(
            name=name,
            secret_string=json.dumps(document),
            secret_binary=None,
            description=None,
            tags=None,
            kms_key_id=None,
            client_request_token=None,
            replica_regions=[],
            force_overwrite=False,
        )


if __name__ == "__main__":
    fill(reference(number) for number in range(int(sys.argv[1])))
    main()
