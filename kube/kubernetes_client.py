"""What we use of the Kubernetes client, imported without google-auth. The client imports that where
it is installed, for a plugin of kubeconfigs that we do not use, and it costs 10 MB
(docs/design/029).
"""

from __future__ import annotations

import sys

_UNWANTED = "google.auth"
_kept_out = _UNWANTED not in sys.modules
if _kept_out:
    sys.modules[_UNWANTED] = None  # type: ignore[assignment] # so that its import fails
try:
    from kubernetes.aio import config as loaders
    from kubernetes.aio.client.configuration import Configuration
    from kubernetes.aio.client.rest import RESTClientObject
    from kubernetes.aio.config import ConfigException, incluster_config
finally:
    if _kept_out:
        del sys.modules[_UNWANTED]

__all__ = ["ConfigException", "Configuration", "RESTClientObject", "incluster_config", "loaders"]
