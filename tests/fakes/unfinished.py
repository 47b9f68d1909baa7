"""Room for what upstreams have begun to send, as much as the server has."""

from llmsvc_server.config.memory import MAX_UNFINISHED_BYTES
from llmsvc_server.providers.http.unfinished import Tails, Unfinished


def unfinished() -> Unfinished:
    """Return room of its own."""
    return Unfinished(MAX_UNFINISHED_BYTES)


def tails() -> Tails:
    """Return one answer's part, which shares with no other."""
    return Tails(unfinished())
