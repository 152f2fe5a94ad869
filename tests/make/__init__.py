"""Builders: each gives a whole, valid thing; name only what your test is about.

`make.pod(annotations=make.asking(db="aws-sm:/prod/db#password"))`,
`make.plan(access="group")`.
"""

from __future__ import annotations

from tests.make.admins import (
    CRITICAL,
    STEADY,
    account,
    as_file,
    file_account,
    policy,
    source,
)
from tests.make.canary import CANARY, leaks
from tests.make.contracts import (
    NOW,
    entry,
    meta,
    plan,
    planned_file,
    planned_snapshot,
    rules,
    secret_status,
    status,
)
from tests.make.manifests import (
    asking,
    container,
    cron_job,
    daemon_set,
    deployment,
    job,
    namespace,
    pod,
    stateful_set,
)

__all__ = [
    "CANARY",
    "CRITICAL",
    "NOW",
    "STEADY",
    "account",
    "as_file",
    "asking",
    "container",
    "cron_job",
    "daemon_set",
    "deployment",
    "entry",
    "file_account",
    "job",
    "leaks",
    "meta",
    "namespace",
    "plan",
    "planned_file",
    "planned_snapshot",
    "pod",
    "policy",
    "rules",
    "secret_status",
    "source",
    "stateful_set",
    "status",
]
