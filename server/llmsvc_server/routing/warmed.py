"""Wrapper: waits for a cold model's load, holding no place meanwhile."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Phase, Waiting
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.endpoint import Endpoint
from llmsvc_server.routing.loads import Loads
from llmsvc_server.routing.pooled import Pooled


class Warmed:
    """Lets chats through to endpoints that have the model in memory."""

    def __init__(
        self, inner: Pooled, loads: Mapping[Endpoint, Loads], *, patience: Patience
    ) -> None:
        """Look after the loads of `inner`'s endpoints, and let them tell silence from a load."""
        self._inner = inner
        self._loads = loads
        self._patience = patience
        for endpoint, one in loads.items():
            endpoint.load_with(one)
            one.tell_ends(inner.changed)

    @property
    def info(self) -> ProviderInfo:
        """The guarded provider."""
        return self._inner.info

    def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Return the answer's events; before them, the model is brought into memory.

        Raises:
            ProviderError: COLD_LOAD. It is being loaded, and will not be ready in time. The load goes on.
            ProviderError: LOAD_FAILED. It can't be loaded.
            ProviderError: As the guarded provider.
        """
        cold = self._cold(request.model, only_candidate=limits.only_candidate)
        if cold is None:
            return self._inner.stream_chat(request, limits)
        return self._loaded_first(cold, request, limits)

    async def _loaded_first(
        self, cold: Loads, request: ChatRequest, limits: AttemptLimits
    ) -> ChatEvents:
        model = request.model
        eta_s = cold.eta_s(model)
        if limits.fallback_follows and eta_s > limits.first_token_by.remaining_s():
            cold.begin(model)
            raise ProviderError(
                ErrorKind.COLD_LOAD, phase="load", called=False, retry_after_s=eta_s
            )
        yield Waiting(Phase.LOADING)
        await self._join(cold, model, limits)
        limits = self._patience.again(limits, request)
        async with aclosing(self._inner.stream_chat(request, limits)) as events:
            async for event in events:
                yield event

    def _cold(self, model: str, *, only_candidate: bool) -> Loads | None:
        """Return where to load the model first; None where an endpoint that may be called has it.

        A queue longer than a load begins one elsewhere, and waits on.
        """
        if not [one for one in self._loads.values() if not one.is_loaded(model)]:
            return None
        usable = [
            endpoint
            for endpoint in self._loads
            if endpoint.knows(model)
            and endpoint.refusal(model, only_candidate=only_candidate) is None
        ]
        usable.sort(key=lambda endpoint: (endpoint.troubled, endpoint.load))
        cold = [one for one in map(self._loads.__getitem__, usable) if not one.is_loaded(model)]
        if not cold:
            return None
        chosen = next((one for one in cold if one.is_loading(model)), cold[0])
        if len(cold) == len(usable):
            return chosen
        if self._inner.wait_s(model) > chosen.eta_s(model):
            chosen.begin(model)
        return None

    async def _join(self, loads: Loads, model: str, limits: AttemptLimits) -> None:
        try:
            async with asyncio.timeout(limits.first_token_by.remaining_s()):
                await loads.wait(model)
        except TimeoutError:
            wait_s = loads.eta_s(model)
            raise ProviderError(
                ErrorKind.COLD_LOAD, phase="load", called=False, retry_after_s=wait_s
            ) from None
