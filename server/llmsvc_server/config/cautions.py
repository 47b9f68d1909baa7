"""What is allowed, and yet worth a warning. `serve` logs it, `config check` prints it."""

from collections.abc import Iterator

from llmsvc_server.chat.route import Privacy
from llmsvc_server.config.sources import Loaded


def warnings(loaded: Loaded) -> Iterator[str]:
    """Yield what the operator should know before anything has happened."""
    settings = loaded.settings
    yield from loaded.unfollowed
    if not settings.server.on_loopback:
        yield (
            "listening beyond this machine, without TLS and authentication: whoever"
            " reaches the port can use it; put it behind something that has both"
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
