"""One settings entry: an adapter inside its wrappers."""

from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from llmsvc_server import __version__
from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.deadline import Clock
from llmsvc_server.config.providers import MockSettings, OllamaSettings
from llmsvc_server.config.settings import Settings
from llmsvc_server.providers.base import ChatProvider
from llmsvc_server.providers.mock import MockProvider
from llmsvc_server.providers.ollama.chat import OllamaProvider
from llmsvc_server.reports import Reporter
from llmsvc_server.routing.budget import Patience
from llmsvc_server.routing.observed import Observed
from llmsvc_server.routing.plan import Target
from llmsvc_server.routing.pooled import Pooled
from llmsvc_server.routing.timed import Timed

NO_WAIT = Patience(first_token_s=60.0, cold_s=60.0, is_loaded=lambda _model: True)
"""The mock's: it never waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Providers:
    """The sequence, what is known of it, and the queues in front of it, by provider name."""

    targets: tuple[Target, ...]
    inventory: Inventory
    pools: Mapping[str, Pooled]

    def busy(self, name: str) -> bool:
        """Return whether a provider runs chats for us now."""
        return name in self.pools and self.pools[name].in_flight > 0

    def close(self) -> None:
        """Send everybody who waits for a slot away."""
        for pool in self.pools.values():
            pool.close()


async def build_providers(
    settings: Settings, stack: AsyncExitStack, reporter: Reporter, clock: Clock
) -> Providers:
    """Return the providers of the sequence, in order, each in its wrappers.

    Args:
        settings: Names the providers and their order.
        stack: Closes their connections.
        reporter: Takes their reports.
        clock: The loop's.
    """
    entries = settings.llm.candidates
    most_tokens = settings.limits.max_output_tokens
    adapters = {
        name: await _adapter(name, entry, stack, most_tokens) for name, entry in entries.items()
    }
    inventory = Inventory(adapters, reporter)
    targets: list[Target] = []
    pools: dict[str, Pooled] = {}
    for name, entry in entries.items():
        provider: ChatProvider = adapters[name]
        patience = NO_WAIT
        if isinstance(entry, OllamaSettings):
            patience = Patience(
                first_token_s=entry.first_token_timeout_s,
                cold_s=entry.cold_timeout_s,
                is_loaded=partial(inventory.is_loaded, name),
            )
            pools[name] = provider = Pooled(
                Timed(provider, patience=patience, idle_s=entry.idle_timeout_s),
                slots_per_model=entry.max_in_flight_per_model,
                max_queued=entry.max_queued,
                queue_timeout_s=entry.queue_timeout_s,
                patience=patience,
                clock=clock,
                reporter=reporter,
            )
        observed = Observed(provider, reporter=reporter, clock=clock)
        targets.append(Target(provider=observed, default_model=entry.model, patience=patience))
    return Providers(targets=tuple(targets), inventory=inventory, pools=pools)


async def _adapter(
    name: str, entry: OllamaSettings | MockSettings, stack: AsyncExitStack, most_tokens: int
) -> OllamaProvider | MockProvider:
    if isinstance(entry, MockSettings):
        return MockProvider(name, model=entry.model, max_output_tokens=most_tokens)
    return await stack.enter_async_context(
        OllamaProvider(
            name,
            base_url=entry.base_url,
            temperature=entry.temperature,
            num_ctx=entry.num_ctx,
            keep_alive_s=entry.keep_alive_s,
            max_output_tokens=most_tokens,
            connect_timeout_s=entry.connect_timeout_s,
            user_agent=f"llmsvc/{__version__}",
        )
    )
