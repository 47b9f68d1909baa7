"""The whole service over any number of upstreams, and what is left of its calls."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from llmsvc_server.reports import BreakerState as State
from tests.fakes.eventually import eventually
from tests.fakes.manual_clock import ManualClock
from tests.fakes.running_service import RunningService, Tree, running_service
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Protocol
from tests.scenarios.stage import Stage, settings

OFTEN_S = 0.1
ROOMY = {"max_in_flight_per_model": 64, "max_in_flight": 64}
"""For an Ollama entry: room for as many calls at once as clouds have."""


def roomy(servers: Mapping[str, FaultServer]) -> dict[str, Tree]:
    """Return further settings with which each of `servers` takes all calls at once."""
    ollamas = [name for name, one in servers.items() if one.protocol is Protocol.OLLAMA]
    return dict.fromkeys(ollamas, ROOMY)


@asynccontextmanager
async def several(
    servers: Mapping[str, FaultServer],
    *,
    stands_still: bool = False,
    sections: Mapping[str, Tree] | None = None,
    entries: Mapping[str, Tree] | None = None,
) -> AsyncIterator[Stage]:
    """Run the service over `servers`, asked in their order.

    Args:
        servers: By the names of their entries; the first one is the stage's primary.
        stands_still: Whether breakers and blocks go by a clock that only a test moves.
        sections: Other sections of the settings.
        entries: Further settings of the upstreams' entries, by name.
    """
    async with AsyncExitStack() as stack:
        for server in dict.fromkeys(servers.values()):  # several entries may share one
            await stack.enter_async_context(server)
        clock = ManualClock()
        llm = settings(servers, privacy=None, **(entries or {}))
        service = await stack.enter_async_context(
            running_service(
                llm,
                health={"refresh_s": OFTEN_S},
                judged_by=clock if stands_still else None,
                **(sections or {}),
            )
        )
        await service.app.providers.inventory.wait_for_first_poll()
        primary, *others = servers.values()
        yield Stage(
            primary=primary,
            fallback=others[0] if others else None,
            service=service,
            clock=clock,
        )


def breakers(service: RunningService) -> dict[str, State]:
    """Return the state of every breaker: of the connections by endpoint, of models behind it."""
    return {
        f"{endpoint.name}/{model}": breaker.state
        for upstream in service.app.providers.upstreams.values()
        for endpoint in upstream.endpoints
        for model in ("", *_models(service))
        for breaker in [endpoint.breaker_of(model)]
    }


def _models(service: RunningService) -> set[str]:
    targets = service.app.providers.targets
    return {one.default_model for one in targets.sequence}


def check_closed(service: RunningService) -> None:
    """Check that nothing that was asked so far has opened a breaker."""
    assert {State.CLOSED} == set(breakers(service).values())


async def nothing_runs(service: RunningService) -> None:
    """Wait until no call is counted anywhere and no handler of one is left."""
    app = service.app
    await eventually(lambda: not len(app.in_flight))
    await eventually(lambda: not app.admission.running)
    upstreams = app.providers.upstreams.values()
    await eventually(lambda: not any(one.in_flight for one in upstreams))
    await eventually(lambda: all("<WaitQueue: idle>" in repr(one) for one in upstreams))
    await eventually(lambda: not any(map(_handles, asyncio.all_tasks())))


def _handles(task: "asyncio.Task[object]") -> bool:
    """Return whether a task runs a handler; the name is grpcio's."""
    return task.get_name().startswith("HandleExceptions")
