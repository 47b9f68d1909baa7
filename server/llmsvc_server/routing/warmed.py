"""Wrapper: waits for a cold model's load, holding no place meanwhile."""

import asyncio
from collections.abc import Mapping
from contextlib import aclosing

from llmsvc_server.chat.deadline import Budget
from llmsvc_server.chat.events import ChatEvents, Phase, Waiting
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.errors import (
    EngineDied,
    LoadFailed,
    ModelLoading,
)
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
        self._by_name = {endpoint.name: one for endpoint, one in loads.items()}
        self._patience = patience
        for endpoint, one in loads.items():
            endpoint.confirm_with(one.confirm)
            one.tell_ends(inner.changed)

    @property
    def info(self) -> ProviderInfo:
        """The guarded provider."""
        return self._inner.info

    async def stream_chat(self, request: ChatRequest, budget: Budget) -> ChatEvents:
        """Have the model in memory, then pass the answer on.

        Raises:
            ModelLoading: It is being loaded, and will not be ready in time. The load goes on.
            LoadFailed: It can't be loaded.
            ProviderError: As the guarded provider.
        """
        model = request.model
        cold = self._cold(model, sole=budget.sole)
        if cold is not None:
            eta_s = cold.eta_s(model)
            if budget.fallback_follows and eta_s > budget.first_token_by.remaining_s():
                cold.begin(model)
                raise ModelLoading(phase="load", called=False, retry_after_s=eta_s)
            yield Waiting(Phase.LOADING)
            await self._join(cold, model, budget)
            budget = self._patience.again(budget, request)
        try:
            async with aclosing(self._inner.stream_chat(request, budget)) as events:
                async for event in events:
                    yield event
        except (EngineDied, LoadFailed, ModelLoading) as error:
            loads = self._by_name[error.endpoint]
            loads.mark_cold(model)
            if isinstance(error, ModelLoading):
                loads.begin(model)
                error.retry_after_s = loads.eta_s(model)
            raise

    def _cold(self, model: str, *, sole: bool) -> Loads | None:
        """Return where to load the model first; None where an endpoint that may be called has it.

        A queue longer than a load begins one elsewhere, and waits on.
        """
        usable = [
            endpoint
            for endpoint in self._loads
            if endpoint.knows(model) and endpoint.refusal(model, sole=sole) is None
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

    async def _join(self, loads: Loads, model: str, budget: Budget) -> None:
        try:
            async with asyncio.timeout(budget.first_token_by.remaining_s()):
                await loads.wait(model)
        except TimeoutError:
            wait_s = loads.eta_s(model)
            raise ModelLoading(phase="load", called=False, retry_after_s=wait_s) from None
