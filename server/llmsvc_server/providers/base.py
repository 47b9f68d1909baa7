"""The seam: what every adapter looks like from above."""

from typing import Protocol

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents
from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo


class ChatProvider(Protocol):
    """Answers chats, one request on the wire each."""

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        ...

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        """Return what of `needs`, asked for in one request, a model is known not to do here.

        What nobody knows is not missing: it is tried.

        Args:
            model: The provider's own name of the model.
            needs: All that the request asks for: some things do not go together.
        """
        ...

    def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Start one answer.

        The events end with exactly one `Done`, or the iteration raises a `ProviderError`; an end
        without the provider's terminal marker is such an error. One network read gives at most one
        `Delta` or `Pieces`: `Pieces` only where tools are offered, and never for text alone.
        `aclose()` closes the upstream's connection before it returns, so every caller ends with it.

        Args:
            request: What to run. `model` is the provider's own name of the model, never empty,
                below the router.
            limits: The time there is. Adapters read only whether they may repeat a request: the
                upstream above them waits.

        Raises:
            ProviderError: While iterating, never from the call itself.
        """
        ...
