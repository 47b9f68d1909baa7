"""Frees a wedged model: ends what hangs on it, unloads it, and loads it again."""

import asyncio

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import LoadState, Reporter, Transition
from llmsvc_server.upstreams.endpoint import Endpoint

CLOSING_S = 5.0
"""Longest wait until our own hanging calls are closed."""

UNLOAD_S = 10.0
"""Longest wait for the order to be taken."""


async def free(endpoint: Endpoint, model: str, reporter: Reporter) -> None:
    """Free a model that is held back at its endpoint, and let calls through again."""
    name, source = f"{endpoint.name}/{model}", endpoint.loads.source
    assert source is not None  # noqa: S101  who loads by itself tells nothing that means wedged
    reporter.changed(Transition(name=name, state=LoadState.WEDGED))
    try:
        # While one call hangs on it, an unload does nothing.
        await _break_off(endpoint, model)
        async with asyncio.timeout(UNLOAD_S):
            await source.unload(model)
        endpoint.loads.mark_cold(model)
        await _load(endpoint, model)
    except (ProviderError, TimeoutError) as error:
        why = error.kind if isinstance(error, ProviderError) else ErrorKind.SILENT
        reporter.changed(Transition(name=name, state=LoadState.STILL_WEDGED, detail=why.value))
    else:
        reporter.changed(Transition(name=name, state=LoadState.FREED))
        endpoint.breaker_of(model).try_now()
    finally:
        endpoint.held_back.discard(model)


async def _break_off(endpoint: Endpoint, model: str) -> None:
    """End the calls that have no byte yet; return once they are over, or take too long for it."""
    hanging: list[asyncio.Event] = []
    for lease in endpoint.leases(model):
        if lease.silence is not None and lease.silence.break_off():
            lease.over = asyncio.Event()
            hanging.append(lease.over)
    try:
        async with asyncio.timeout(CLOSING_S):
            for over in hanging:
                await over.wait()
    except TimeoutError:
        return


async def _load(endpoint: Endpoint, model: str) -> None:
    """Load the model, or join the load that runs."""
    load = endpoint.loads.find(model)
    if load is None:
        load = endpoint.loads.begin(model)
        endpoint.loads.report_begin(load)
        await endpoint.run_load(load)
    await load.join()
