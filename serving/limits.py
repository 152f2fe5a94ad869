"""How much of a process the clients of one listener may take, and for how long. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientLimits:
    """Counts, bytes, and seconds. Each time counts in full, whatever arrives meanwhile."""

    connections: int
    """Over all addresses."""
    per_address: int
    """Of one address. Fewer than `connections`, so that one address leaves room."""
    held_bytes: int
    """Requests and answers in memory, over all connections."""
    accept_pause_s: float = 0.0
    """After each batch of new connections. Above 0, opening many takes little of the processor from
    what else the process does.
    """
    handshake_s: float = 5.0
    """For a TLS handshake, from the connection's first moment."""
    head_s: float = 10.0
    """For a request's head: of the first request from the end of the handshake, of a later one
    from its first byte.
    """
    body_s: float = 10.0
    """For a request's body, from the end of its head."""
    answer_s: float = 10.0
    """For a client to take its answer."""
    idle_s: float = 120.0
    """Between an answer and the next request."""
    linger_s: float = 2.0
    """For a client to notice that we close: what it still sends is read and dropped, because a
    reset would take the answer from it.
    """
