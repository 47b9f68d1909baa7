"""The addresses of one provider and the queue in front of them: who may go, and where to.

Whoever changes something here has `_assign` decide anew. The parts keep state and answer
questions; none of them calls another one's owner.
"""

import asyncio
from collections.abc import Coroutine, Sequence
from functools import partial

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import Phase
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.errors import ProviderError, ShuttingDown
from llmsvc_server.failures import ErrorKind
from llmsvc_server.reports import QueueState, Transition
from llmsvc_server.upstreams.endpoint import Endpoint
from llmsvc_server.upstreams.freeing import free
from llmsvc_server.upstreams.latency import Timeouts
from llmsvc_server.upstreams.lease import Lease
from llmsvc_server.upstreams.loads import Load
from llmsvc_server.upstreams.placement import Cold, find_cold, find_usable, place
from llmsvc_server.upstreams.settings import Surroundings, UpstreamSettings
from llmsvc_server.upstreams.verdicts import Verdict, Verdicts, take_content
from llmsvc_server.upstreams.wait_queue import WaitQueue


class Pool:
    """Hands out leases, in turn.

    Attributes:
        endpoints: The addresses, at least one.
    """

    def __init__(
        self,
        name: str,
        endpoints: Sequence[Endpoint],
        settings: UpstreamSettings,
        timeouts: Timeouts,
        around: Surroundings,
    ) -> None:
        """Hand out nothing yet.

        Args:
            name: The provider's, for logs.
            endpoints: Where it is reached, at least one.
            settings: Of the queue.
            timeouts: Limits on silence, which begin anew after a wait.
            around: Runs loads, and what frees a wedged model.
        """
        self.endpoints = tuple(endpoints)
        self._name = name
        self._settings = settings
        self._timeouts = timeouts
        self._around = around
        self._place = partial(place, self.endpoints, rng=around.rng)
        self._queue = WaitQueue(settings, timeouts.latency)
        self._has_queued = False
        self._is_closed = False

    @override
    def __repr__(self) -> str:
        """Return what runs and waits where."""
        closed = "closed, " if self._is_closed else ""
        return f"<Pool of {self._name}: {closed}{self._queue}, {list(self.endpoints)}>"

    async def acquire(
        self, request: ChatRequest, limits: AttemptLimits, receipt: Receipt
    ) -> tuple[Lease, AttemptLimits]:
        """Return a lease once there is one, and the limits as they are by then.

        A model that is nowhere in memory is loaded first, holding no place meanwhile.

        Raises:
            ProviderError: No endpoint may be called; COLD_LOAD: the load takes too long, and goes
                on; QUEUE_FULL: no place came free in time; else how the load failed.
            ShuttingDown: The server drains, and there was no place.
        """
        model, alone = request.model, limits.only_candidate
        found = self._place(model, only_candidate=alone, loads_first=True)
        if isinstance(found, Cold):
            await self._load_first(found.endpoint, model, limits, receipt)
            limits = self._renew(limits, request)
            found = self._place(model, only_candidate=alone)
        if isinstance(found, ProviderError):
            raise found
        others_wait = self._queue.turns.callers_waiting and model in self._queue.models
        if isinstance(found, Endpoint) and not others_wait:
            self._queue.begin(model, request.caller, self._around.clock())
            return found.lease(model, request.caller), limits
        lease = await self._wait(model, request.caller, limits, receipt)
        return lease, self._renew(limits, request)

    def release(self, lease: Lease) -> None:
        """Let others have a lease's place: all of an answer is here. Later it does nothing."""
        if lease.is_held:
            lease.endpoint.free(lease)
            self._queue.end(lease.model, lease.caller)
            if self._queue.turns.callers_waiting:
                self._assign()

    def end(self, lease: Lease) -> None:
        """Take a lease back; what has no verdict by now gets none."""
        if lease.is_probe or lease.over is not None:
            lease.end()
        if lease.is_held:
            self.release(lease)

    def take_content(self, lease: Lease, verdicts: Verdicts) -> None:
        """Take in that content came; others may go once that of a probe did."""
        if verdicts or lease.is_probe:
            take_content(lease, verdicts)
        lease.endpoint.take_content(lease.model)
        if lease.is_probe:
            self._assign()

    def count(self, verdict: Verdict) -> None:
        """Let a failure count, and free the model if that shows it to be wedged."""
        endpoint, model = verdict.endpoint, verdict.model
        opened = verdict.report()
        if opened and verdict.kind is ErrorKind.SILENT and endpoint.wedges.is_wedged(model):
            endpoint.wedges.take_freeing(model)
            endpoint.held_back.add(model)
            self._start(free(endpoint, model, self._around.reporter))
        self._assign()

    def load(self, endpoint: Endpoint, model: str, *, is_quiet: bool = False) -> Load:
        """Return the load of a model that is not in memory, begun if none runs; wait for nothing."""
        load = endpoint.loads.find(model)
        if load is None:
            load = endpoint.loads.begin(model)
            self._start(endpoint.run_load(load))
        if not is_quiet:
            endpoint.loads.report_begin(load)
        return load

    def take_poll(self, endpoint: str, *, seen: bool) -> None:
        """Take in that an endpoint was polled, and whether it could be seen."""
        for one in self.endpoints:
            if seen and one.name == endpoint:
                one.take_poll()
        self._assign()

    def close(self) -> None:
        """Send everybody who waits away: the server drains. Running answers go on."""
        self._is_closed = True
        for model in self._queue.models:
            for waiter in self._queue.waiters(model):
                self._queue.send_away(waiter, ShuttingDown())

    def _assign(self) -> None:
        """Decide who may go next, and who has to leave: anything may have changed."""
        self._hand_out()
        for model in self._queue.models:
            found = find_usable(self.endpoints, model, only_candidate=False)
            if isinstance(found, ProviderError):
                for waiter in self._queue.waiters(model):
                    self._queue.send_away(waiter, found.unsent(found.retry_after_s))

    def _hand_out(self) -> None:
        """Give the places that are free to those whose turn it is."""
        while models := self._queue.models:
            places = {model: self._place(model, only_candidate=False) for model in models}
            free_at = {model: one for model, one in places.items() if isinstance(one, Endpoint)}
            if not free_at:
                return
            waiter = self._queue.next_of(free_at)
            if not waiter.lease.done():  # else it is leaving
                self._queue.begin(waiter.model, waiter.caller, self._around.clock())
                waiter.lease.set_result(free_at[waiter.model].lease(waiter.model, waiter.caller))
            self._queue.leave(waiter)

    async def _load_first(
        self, endpoint: Endpoint, model: str, limits: AttemptLimits, receipt: Receipt
    ) -> None:
        """Wait for a load, which goes on whoever leaves."""
        eta_s, left_s = endpoint.loads.eta_s(model), limits.first_token_by.remaining_s()
        load = self.load(endpoint, model)
        if limits.fallback_follows and eta_s > left_s:
            raise _loading(eta_s)
        receipt.wait(Phase.LOADING)
        try:
            async with asyncio.timeout(left_s):
                await load.join()
        except TimeoutError:
            raise _loading(endpoint.loads.eta_s(model)) from None

    async def _wait(
        self, model: str, caller: str, limits: AttemptLimits, receipt: Receipt
    ) -> Lease:
        """Wait in the queue. If it is longer than a load, one begins where the model is cold."""
        if self._is_closed:
            raise ShuttingDown
        cold = find_cold(self.endpoints, model, only_candidate=limits.only_candidate)
        if cold is not None and self._queue.wait_s(model) > cold.loads.eta_s(model):
            _ = self.load(cold, model)
        self._report_first_wait(model)
        receipt.wait(Phase.QUEUED)
        waiter, came_s = self._queue.join(model, caller, limits), self._around.clock()
        try:
            self._hand_out()  # time alone frees places too: a breaker's, and where trouble is over
            lease = await waiter.wait()
            lease.endpoint.check(lease)
        except BaseException:
            self._queue.leave(waiter)
            if waiter.unclaimed is not None:
                self.end(waiter.unclaimed)
            raise
        lease.queued_s = self._around.clock() - came_s
        return lease

    def _renew(self, limits: AttemptLimits, request: ChatRequest) -> AttemptLimits:
        prompt_tokens = estimated_tokens(request.text_length)
        with_tools = bool(request.features.tools)
        return self._timeouts.renew(limits, request.model, prompt_tokens, with_tools=with_tools)

    def _start(self, work: Coroutine[object, object, None]) -> None:
        _ = self._around.tasks.start(self._then_assign(work))

    async def _then_assign(self, work: Coroutine[object, object, None]) -> None:
        await work
        self._assign()

    def _report_first_wait(self, model: str) -> None:
        if not self._has_queued:
            self._has_queued = True
            name = f"{self._name}/{model}"
            change = Transition(
                name=name, state=QueueState.QUEUEING, detail=self._settings.queue_advice
            )
            self._around.reporter.changed(change)


def _loading(eta_s: float) -> ProviderError:
    return ProviderError(ErrorKind.COLD_LOAD, phase="load", called=False, retry_after_s=eta_s)
