"""Which limit a model takes on its answer's tokens, which every request has to set.

A refusal of a limit ran nothing, so it is answered by one more try with what it says is left. The
texts are data; no other module looks at them.

Source: docs/facts/providers.md 2.6, and refusals quoted in public issue trackers up to 2026-11.
"""

import re

from llmsvc_server.providers.shared.room import Room, room_in, words_of

_ROOM = (
    re.compile(r"max_tokens: \d{1,9} > (?P<answer>\d{1,9}), which is the maximum"),
    re.compile(r"exceed context limit: (?P<prompt>\d{1,9}) \+ \d{1,9} > (?P<window>\d{1,9})"),
)


def room_for(limit: int, body: bytes) -> Room | None:
    """Return what a refusal says of tokens where less than `limit` is left; None otherwise.

    Args:
        limit: What was asked for.
        body: The refusal's. Anything may be in it.
    """
    room = room_in(words_of(body, only_json=True), _ROOM)
    left = None if room is None else room.left(limit)
    return room if left is not None and 0 < left < limit else None
