"""One configured provider, and the only way through it: an attempt from its request to its end."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, replace

from typing_extensions import override

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import AnswerEvents, Delta, Done, Phase
from llmsvc_server.chat.features import NO_FEATURES, Capability
from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality, ProviderInfo
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.upstreams.attempt import Attempt
from llmsvc_server.upstreams.blocks import Blocks
from llmsvc_server.upstreams.endpoint import Endpoint
from llmsvc_server.upstreams.latency import MIN_ATTEMPT_S, LatencyStats, Timeouts
from llmsvc_server.upstreams.lease import Lease
from llmsvc_server.upstreams.placement import find_usable
from llmsvc_server.upstreams.pool import Pool
from llmsvc_server.upstreams.settings import Site, Surroundings, UpstreamSettings
from llmsvc_server.upstreams.silence import Silence
from llmsvc_server.upstreams.verdicts import Verdicts, is_silence, take_failure
from llmsvc_server.watchdog import Watchdog


class Upstream:
    """Runs chats at its endpoints.

    Attributes:
        info: The provider.
        timeouts: Its limits on silence.
        endpoints: Its addresses, at least one.
    """

    def __init__(
        self,
        info: ProviderInfo,
        sites: Iterable[Site],
        settings: UpstreamSettings,
        around: Surroundings,
    ) -> None:
        """Run nothing yet.

        Args:
            info: The provider.
            sites: Where it is reached, at least one.
            settings: What the operator chose.
            around: Gets every attempt that is over, among others.
        """
        self.info = info
        blocks = Blocks(info.name, around)
        self.endpoints = tuple(Endpoint(site, settings, blocks, around) for site in sites)
        self.timeouts = Timeouts(
            first_token_s=settings.first_token_s,
            with_tools_s=settings.first_token_with_tools_s,
            cold_s=settings.cold_s,
            latency=LatencyStats(MIN_ATTEMPT_S[info.locality]),
            loads=[endpoint.loads for endpoint in self.endpoints],
            reads_prompts=info.locality is Locality.LOCAL,
        )
        self._is_engine = info.locality is Locality.LOCAL
        self._idle_s = settings.idle_s
        self._idle_with_features_s = settings.idle_with_features_s
        self._reporter = around.reporter
        self._watchdog = Watchdog()
        self._pool = Pool(info.name, self.endpoints, settings, self.timeouts, around)

    @override
    def __repr__(self) -> str:
        """Return what runs and waits where."""
        return f"<Upstream {self.info.name}: {self._pool}, {self._watchdog}>"

    @property
    def in_flight(self) -> int:
        """How many chats the provider runs for us now."""
        return sum(endpoint.in_flight for endpoint in self.endpoints)

    def refusal(self, model: str, *, only_candidate: bool) -> ProviderError | None:
        """Return why no call for a model may go to any endpoint now; None if one may, or may wait."""
        found = find_usable(self.endpoints, model, only_candidate=only_candidate)
        return found if isinstance(found, ProviderError) else None

    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        """Return what of `needs` a model is known not to do here.

        A chat may go to any endpoint that has the model: what one of them lacks is missing.
        """
        lacks: frozenset[Capability] = frozenset()
        for endpoint in self.endpoints:
            if endpoint.facts.has(model):
                lacks |= endpoint.adapter.missing(model, needs)
        return lacks

    def count(self, verdicts: Verdicts) -> None:
        """Let a call's last words on this provider count: the call has left it, or is over."""
        for verdict in verdicts.values():
            self._pool.count(verdict)
        verdicts.clear()

    def load(self, model: str) -> None:
        """Load a model wherever it is, and wait for nothing."""
        for endpoint in self.endpoints:
            if endpoint.loads.source is not None and endpoint.facts.has(model):
                _ = self._pool.load(endpoint, model)

    def take_poll(self, endpoint: str, *, seen: bool) -> None:
        """Take in that an endpoint was polled, and whether it could be seen."""
        self._pool.take_poll(endpoint, seen=seen)

    def close(self) -> None:
        """Send everybody who waits away: the server drains. Running answers go on."""
        self._pool.close()

    async def run(
        self, request: ChatRequest, limits: AttemptLimits, receipt: Receipt, verdicts: Verdicts
    ) -> AnswerEvents:
        """Run one attempt: its text, then its end.

        Args:
            request: What to run, in the provider's own spelling.
            limits: The time there is.
            receipt: The call's; it says what is waited for.
            verdicts: Of the call on this provider so far; the attempt adds its own. See `count`.

        Raises:
            ProviderError: No endpoint may be called, or the called one failed. COLD_LOAD: the
                model is being loaded and will not be ready in time; the load goes on. QUEUE_FULL:
                no place came free in time.
            ShuttingDown: The server drains, and there was no place.
        """
        done, stays_local = None, request.stays_local
        with Attempt(self.info, request.model, receipt, self._reporter) as attempt:
            lease, limits = await self._pool.acquire(request, limits, receipt)
            receipt.wait(Phase.PROVIDER)
            # A probe keeps its place until it is judged.
            limits = limits if lease.is_probe else limits.during(_Turn(self._pool, lease))
            idle_s = self._idle_s
            if request.features is not NO_FEATURES:
                idle_s = self._idle_with_features_s
                lease.has_schema = self._is_engine and stays_local and request.features.has_schema
            silence = Silence(self._watchdog, limits, request.delivery, idle_s=idle_s)
            lease.silence = silence
            self._watchdog.waits.add(silence)
            try:
                events = lease.endpoint.adapter.stream_chat(request, limits)
                del request
                try:
                    async for event in events:
                        silence.waits = False
                        if isinstance(event, Delta):
                            if attempt.first_content_s is None:
                                attempt.first_content_s = receipt.hear()
                                self._pool.take_content(lease, verdicts)
                            attempt.length += len(event.text)
                            yield event
                        elif isinstance(event, Done):
                            done = self._take_end(event, lease, attempt, receipt, verdicts)
                        silence.await_next()
                finally:
                    await events.aclose()
            except (ProviderError, asyncio.CancelledError) as error:
                # No name for what is raised: it would be a cycle, with the prompt in its frames.
                raise self._take_failure(
                    await self._judge(error, lease, silence, limits, stays_local=stays_local),
                    lease,
                    limits,
                    verdicts,
                ) from None
            finally:
                self._watchdog.waits.discard(silence)
                lease.endpoint.wedges.take_touch(lease.model)
                self._pool.end(lease)
            if done is not None:
                attempt.is_answered = True
                yield done  # whoever takes it holds nobody up

    def _take_end(
        self, done: Done, lease: Lease, attempt: Attempt, receipt: Receipt, verdicts: Verdicts
    ) -> Done:
        """Take in the end of an answer, and return it with what only we know."""
        if attempt.first_content_s is None:
            self._pool.take_content(lease, verdicts)
        for permit in (lease.connecting, lease.answering):
            permit.breaker.take_success(permit)
        first_s, total_s = attempt.first_content_s, receipt.ran_s
        latency = self.timeouts.latency
        latency.take_answer(lease.model, done, first_s=first_s, total_s=total_s)
        if lease.queued_s is None:
            return done
        return replace(done, timings=replace(done.timings, queue_s=lease.queued_s))

    async def _judge(
        self,
        error: ProviderError | asyncio.CancelledError,
        lease: Lease,
        silence: Silence,
        limits: AttemptLimits,
        *,
        stays_local: bool,
    ) -> ProviderError | asyncio.CancelledError:
        """Return what ended an attempt, where what was raised does not tell."""
        endpoint, model = lease.endpoint, lease.model
        silence.waits = False  # from here on nothing is waited for that could be broken off
        if isinstance(error, asyncio.CancelledError):
            if not silence.broke():
                return error
            error = silence.failure(endpoint.name)
        error = replace(error, endpoint=endpoint.name)
        if not (is_silence(error) and limits.is_full_length):
            return error
        endpoint.wedges.take_touch(model)
        if endpoint.wedges.worked_elsewhere(model, lease.began_s):
            endpoint.wedges.take_sign(model)
            return replace(error, kind=ErrorKind.SATURATED)
        # What runs elsewhere has no load here.
        if endpoint.loads.source is not None and stays_local:
            load = self._pool.load(endpoint, model, is_quiet=True)
            if not await endpoint.loads.confirm(load):
                endpoint.wedges.take_sign(model)
                return replace(error, kind=ErrorKind.COLD_LOAD, phase="load")
        endpoint.wedges.take_silence(model, lease.began_s)
        self.timeouts.latency.take_silence(model)
        return error

    def _take_failure(
        self,
        error: ProviderError | asyncio.CancelledError,
        lease: Lease,
        limits: AttemptLimits,
        verdicts: Verdicts,
    ) -> ProviderError | asyncio.CancelledError:
        """Have all parts take in how an attempt ended, and return it with when to come again."""
        endpoint, model = lease.endpoint, lease.model
        if isinstance(error, asyncio.CancelledError) or error.kind is ErrorKind.OPEN:
            return error
        if error.engine_died or error.kind.rules.is_cold:
            error = self._take_lost_engine(error, lease)
        if self._is_engine and _is_end_of_engine(error):
            error = _blame(error, lease)
        verdict = take_failure(error, lease, verdicts, is_full_length=limits.is_full_length)
        endpoint.take_failure(error, model, is_trouble=verdict is not None)
        if verdict is not None and verdict.permit.serial:
            self._pool.count(verdict)
        elif verdict is not None:
            verdicts[verdict.permit.breaker] = verdict
        return error

    def _take_lost_engine(self, error: ProviderError, lease: Lease) -> ProviderError:
        """Take in that a model is in memory no more: who waits for it waits in vain."""
        endpoint, model = lease.endpoint, lease.model
        if error.engine_died and not error.is_cut_short:
            for other in endpoint.leases(model):
                if other is not lease and other.silence is not None:
                    other.silence.orphan()
        if endpoint.loads.source is None:
            return error
        endpoint.loads.mark_cold(model)
        if error.kind is not ErrorKind.COLD_LOAD:
            return error
        _ = self._pool.load(endpoint, model)
        return replace(error, retry_after_s=endpoint.loads.eta_s(model))


def _is_end_of_engine(error: ProviderError) -> bool:
    """Return whether a local engine, or its server, may have ended while it ran a request."""
    is_lost = error.kind is ErrorKind.CONNECT and error.called
    return error.engine_died or is_lost or error.row == "C07"


def _blame(error: ProviderError, lease: Lease) -> ProviderError:
    """Return the end of an engine as what a schema did, if one ran there.

    It is the doing of each request that had one, since nobody tells of which, and says nothing of
    the engine's health to the others.
    """
    endpoint, model = lease.endpoint, lease.model
    if lease.has_schema:
        endpoint.take_fatal_schema(model)
        return replace(error, kind=ErrorKind.FATAL_SCHEMA, retry_after_s=None)
    if endpoint.blames_schema(model if error.engine_died else ""):
        return replace(error, is_cut_short=True)
    return error


@dataclass(slots=True, eq=False)
class _Turn:
    """By which an adapter says that all of an answer is here, read or not."""

    pool: Pool
    lease: Lease

    def over(self) -> None:
        """Let others have the place."""
        self.pool.release(self.lease)
