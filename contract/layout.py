"""Names that more than one process relies on: containers, volumes, mount points, and the files in
the cache.
"""

from __future__ import annotations

GATE = "lastgood-gate"
AGENT = "lastgood-agent"
CONTAINERS = (GATE, AGENT)

CACHE_VOLUME = "lastgood-cache"
SNAPSHOTS_VOLUME = "lastgood-snapshots"
FRESHNESS_VOLUME = "lastgood-freshness"
NO_TOKEN_VOLUME = "lastgood-no-token"
VOLUMES = (CACHE_VOLUME, SNAPSHOTS_VOLUME, FRESHNESS_VOLUME, NO_TOKEN_VOLUME)

TOKEN_PATH = "/var/run/secrets/kubernetes.io/serviceaccount"
PYTHON = "/usr/bin/python3"
"""The interpreter in our images, whatever base they are built on. Never looked up in PATH: a tenant
may set that variable on the gate of its own pod.
"""
CODE_PATH = "/opt/lastgood"
COMMAND = (PYTHON, "-I", "-S", CODE_PATH)
"""Of gate and agent. `-I` reads no PYTHON* variable, and looks for no module in the working
directory; `-S` reads no `.pth` file.
"""
CACHE_MOUNT = "/lastgood/cache"
SNAPSHOTS_MOUNT = "/lastgood/snapshots"
FRESHNESS_MOUNT = "/lastgood/freshness"
DEFAULT_MOUNT_PATH = "/var/run/secrets-cache"

AGENT_PORT = 9465
"""Where the agent serves /healthz and /metrics; nothing is served in a pod on the host's network.
"""

FILES = "files"
"""The directory in the cache volume that the app mounts, by subPath. The volume's root is sticky
and world-writable, where `fs.protected_symlinks` lets only a link's owner follow it; this directory
is ours and is not (docs/design/002).
"""
LOCK = "lock"
"""flock of the one writer, in the volume's root, which the app does not see."""

DATA = "..data"
"""The symlink that names the current revision, as in the kubelet's AtomicWriter."""
STATUS = "status.json"
RESERVED_FILES = (STATUS,)
"""File names that an annotation may not choose; no name may start with a dot either."""

MOUNT_META = ".lastgood"
"""In `mount` mode the folder, beside the app's files, with `<snapshot>/meta.json`: no secret
material.
"""

GATE_MISCONFIGURED = 12
"""The gate's exit code when it can't ever succeed: a plan that it can't read, or arguments that are
wrong.
"""
