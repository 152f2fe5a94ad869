"""The annotations that teams write on a pod template, and the marks that we write
(docs/contract.md, "Annotations").
"""

from __future__ import annotations

PREFIX = "lastgood.dev/"

SECRET = PREFIX + "secret."
"""`secret.<name>: provider[@account]:reference[#property]`, for example
`lastgood.dev/secret.db-password: "aws-sm:/prod/payments/db#password"`. Opts the pod in: one source,
whole or one property: `#db/hosts/0` goes into an object by name and into an array by index. A
property that is absent, null or the empty text holds the pod. `<name>` is
`[a-z0-9]([-a-z0-9.]{0,48}[a-z0-9])?`.
"""

FILE = PREFIX + "file."
"""`file.<name>: <file>`: the file's name in the cache, one path element; default `<name>`."""

ENV = PREFIX + "env."
"""`env.<VAR>: <name>`: sets VAR to the path of that secret's file in the chosen containers."""

ENV_VALUE = PREFIX + "env-value."
"""`env-value.<VAR>: <name>`: sets VAR to the value by `secretKeyRef`, fixed when a container
starts. Only where the policy has `allowEnvValue`, for the container runtime keeps it on disk.
"""

CONTAINERS = PREFIX + "containers"
"""Comma-separated names of the containers that get the mount and the variables, init containers
among them. Default: all containers, and no init container, which may be a stranger's.
"""

MOUNT_PATH = PREFIX + "mount-path"
"""Where the files appear; default `/var/run/secrets-cache`."""

MODE = PREFIX + "mode"
"""`follow` or `mount` (docs/contract.md, "What is injected"); default: the policy's."""

BUNDLE = PREFIX + "bundle"
"""`json` or `dotenv`: all secrets of the pod in one file as well, `bundle.json` or `bundle.env`,
always of one revision. In mode `follow` only. A member is the `<name>`, a variable is the `<name>`
in capitals with `_` for `-` and `.`. A value that the form can't carry holds the pod
(docs/design/021).
"""

RELOAD = PREFIX + "reload"
"""When the bytes of the pod's files change: `http://127.0.0.1:PORT/PATH` or
`http://[::1]:PORT/PATH` gets a POST, or `signal:HUP` where the pod shares its process namespace.
"""

PLAIN = (CONTAINERS, MOUNT_PATH, MODE, BUNDLE, RELOAD)
"""Keys that stand alone."""

INJECTED = PREFIX + "injected"
"""Our mark on an injected pod: the version that injected it, and what was added to the pod's own
`spec.resources`, for example `0.1.0 limits.cpu=100m`. It alone does not call the webhook.
"""

SYNC_REQUESTED = PREFIX + "sync-requested"
"""Our mark on a running pod: its change makes the kubelet look at the volumes at once."""

PLAN = PREFIX + "plan"
"""Our mark on an injected `mount` pod without gate and agent, which else carry it: `contract.plan`,
for the controller. It counts only as far as the Secrets that the pod's immutable spec projects
confirm it (docs/design/006).
"""

REFRESH_REQUESTED = PREFIX + "refresh-requested"
"""On a SecretSnapshot: fetch now, within budget."""

MARKS = (INJECTED, SYNC_REQUESTED, PLAN)
"""Annotations of ours on pods; nobody opts in with them."""

POLICY_LABEL = PREFIX + "policy"
"""On a namespace: the SecretPolicy that its admin chose."""
