"""The annotations that teams write on a pod template, and the marks that we write
(docs/contract.md, "Annotations").
"""

from __future__ import annotations

PREFIX = "lastgood.dev/"

SECRET = PREFIX + "secret."
"""`secret.<name>: provider[@account]:reference[#property]`, for example
`lastgood.dev/secret.db-password: "aws-sm:/prod/payments/db#password"`. Opts the pod in, and
requests one source: the whole value, or one property. `#db/hosts/0` selects a member of an object
by name, and an item of an array by index. The pod waits while the property is absent, null or
empty. `<name>` is `[a-z0-9]([-a-z0-9.]{0,48}[a-z0-9])?`.
"""

FILE = PREFIX + "file."
"""`file.<name>: <file>`: the file's name in the cache, one path element; default `<name>`."""

ENV = PREFIX + "env."
"""`env.<VAR>: <name>`: sets VAR to the path of that secret's file in the chosen containers."""

ENV_VALUE = PREFIX + "env-value."
"""`env-value.<VAR>: <name>`: sets VAR to the value, with a `secretKeyRef`. A running container
keeps the value that it started with. Allowed only if the policy has `allowEnvValue`, because the
container runtime stores variables on disk.
"""

CONTAINERS = PREFIX + "containers"
"""Comma-separated names of the containers that get the mount and the variables, also of
init containers. Default: all containers except mesh proxies, and no init container, because other
webhooks may have added these.
"""

MOUNT_PATH = PREFIX + "mount-path"
"""Where the files appear; default `/var/run/secrets-cache`."""

MODE = PREFIX + "mode"
"""`follow` or `mount` (docs/contract.md, "What is injected"); default: the policy's."""

BUNDLE = PREFIX + "bundle"
"""`json` or `dotenv`: all secrets of the pod in one file as well, `bundle.json` or `bundle.env`,
always of one revision. In mode `follow` only. A member is the `<name>`, a variable is the `<name>`
in capitals with `_` for `-` and `.`. The pod waits while the format cannot contain one of
its values (docs/design/021).
"""

RELOAD = PREFIX + "reload"
"""When the bytes of the pod's files change: `http://127.0.0.1:PORT/PATH` or
`http://[::1]:PORT/PATH` gets a POST, or the app gets a signal with `signal:HUP`, `signal:USR1` or
`signal:USR2`, if the pod shares its process namespace.
"""

PLAIN = (CONTAINERS, MOUNT_PATH, MODE, BUNDLE, RELOAD)
"""Keys without a name after them."""

INJECTED = PREFIX + "injected"
"""Our mark on an injected pod: the version that injected it, and what was added to the pod's own
`spec.resources`, for example `0.1.0 limits.cpu=100m`. The webhook is not called for this mark
alone.
"""

SYNC_REQUESTED = PREFIX + "sync-requested"
"""Our mark on a running pod: a change of it makes the kubelet sync the volumes at once."""

PLAN = PREFIX + "plan"
"""Our mark on an injected `mount` pod without gate and agent, which otherwise carry the plan:
`contract.plan`, for the controller. It counts only as far as the Secrets that the pod's immutable
spec projects confirm it (docs/design/006).
"""

REFRESH_REQUESTED = PREFIX + "refresh-requested"
"""On a SecretSnapshot: fetch now, within the account's rate limit."""

MARKS = (INJECTED, SYNC_REQUESTED, PLAN)
"""Our marks on pods. They do not opt a pod in."""

POLICY_LABEL = PREFIX + "policy"
"""On a namespace: the SecretPolicy that its admin chose."""
