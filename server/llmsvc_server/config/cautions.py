"""What is allowed, and yet worth a warning. `serve` logs it, `config check` prints it."""

import sys
from collections.abc import Iterator

from llmsvc_server.chat.route import Privacy
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import Loaded

FILES_PER_CHAT = 2
"""Its caller's connection, which others may share, and the one to its provider, which none do."""

OTHER_FILES = 128
"""Libraries, listeners, logs, looks at providers, and connections of callers that do not chat."""


def count_files(settings: Settings) -> int:
    """Return how many open files the chats need that may run or queue at once."""
    return settings.server.max_chats * FILES_PER_CHAT + OTHER_FILES


def find_warnings(loaded: Loaded, *, open_files: int = sys.maxsize) -> Iterator[str]:
    """Yield what the operator should know before anything has happened.

    Args:
        loaded: What is configured, and what was not followed.
        open_files: How many files this process may have open.
    """
    settings = loaded.settings
    yield from loaded.unfollowed
    if not settings.server.on_loopback:
        yield (
            "listening beyond this machine, without TLS and authentication: whoever"
            " reaches the port can use it; put it behind something that has both"
        )
    wanted = count_files(settings)
    if open_files < wanted:
        fitting = max(1, (open_files - OTHER_FILES) // FILES_PER_CHAT)
        yield (
            f"server.max_chats: {settings.server.max_chats} may need {wanted:,} open files, and"
            f" this process may have {open_files:,}: raise that limit (ulimit -n, LimitNOFILE), or"
            f" set max_chats to {fitting}"
        )
    llm = settings.llm
    for name, why in llm.inactive.items():
        yield f"{name} is left out: it {why}"
    for name in llm.withheld_by_privacy:
        yield f"{name} is left out: nothing may leave the operator's network"
    if llm.operator_privacy == Privacy.CLOUD_ALLOWED and llm.remote_when_busy:
        yield (
            "requests may leave the operator's network, also when a local model is merely busy:"
            " llm.remote_when_busy: false waits instead, llm.privacy: local_only keeps all inside"
        )
