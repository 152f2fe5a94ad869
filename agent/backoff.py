"""How long to wait after a failure. Pure.

The delay doubles, without jitter: a pod's agent asks only its own files, its own app and its own
port, so no two agents come back to one server. What goes over the network is the controller's and
the webhook's, with `workqueue.retry`.
"""

from __future__ import annotations


def delay_s(failures: int, *, first_s: float, most_s: float) -> float:
    """Seconds to wait after the `failures`-th failure in a row (the first is 1): `first_s`, then
    twice the delay before, and at most `most_s`.
    """
    doublings = min(max(failures, 1) - 1, 60)
    return float(min(most_s, first_s * 2.0**doublings))
