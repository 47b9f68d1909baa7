"""Adapter: chats with one Ollama. Sends, reads, translates; waits for nothing but connections."""

from dataclasses import replace
from types import TracebackType
from typing import Self

from llmsvc_server.chat.deadline import AttemptLimits
from llmsvc_server.chat.events import ChatEvents, Delta, Done
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.http.client import Upstream
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.http.response import Answer
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.ollama.errors import classify, classify_refusal
from llmsvc_server.providers.ollama.models import OllamaModels
from llmsvc_server.providers.ollama.reading import Reading
from llmsvc_server.providers.ollama.refusals import read_error_line
from llmsvc_server.providers.ollama.wire import decode_lines, encode_chat, encode_residency
from llmsvc_server.providers.shared.error_signal import MAX_ERROR_BYTES
from llmsvc_server.providers.shared.length import Length
from llmsvc_server.providers.shared.model_names import looks_remote
from llmsvc_server.providers.shared.refusal import OK, error_from_response
from llmsvc_server.providers.shared.rest import Rest
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound

DRAIN_S = 0.05
"""How long a complete answer's connection may take to become free (docs/failover.md 3.3)."""

_CHAT = "/api/chat"
_ANSWERS = frozenset({"application/x-ndjson", "application/ndjson", "application/json"})


class OllamaProvider:
    """A `ChatProvider`, a `ListsModels` and a `WarmsModels`. Use as an async context manager."""

    def __init__(  # noqa: PLR0913  plain settings, all by keyword
        self,
        name: str,
        *,
        base_url: str,
        temperature: float | None,
        num_ctx: int | None,
        keep_alive_s: int,
        max_output_tokens: int,
        max_answer_bytes: int,
        unfinished: Unfinished,
        connect_timeout_s: float,
        user_agent: str,
        networks: Networks | None = None,
        allows_remote: bool = False,
        bound: Bound = USUAL_BOUND,
    ) -> None:
        """Connect to nothing yet.

        Args:
            name: Its key in the configuration.
            base_url: Root of the server, without a slash at its end; a path prefix is kept.
            temperature: For requests that set none; None leaves it to the model.
            num_ctx: Context window in tokens, the same for every request; None leaves it to Ollama.
            keep_alive_s: Seconds that a model stays in memory after an answer; -1 for ever.
            max_output_tokens: Most tokens of one answer, at least 1.
            max_answer_bytes: Longest text of one answer, in UTF-8.
            unfinished: Counts what upstreams have begun to send.
            connect_timeout_s: Longest wait for a connection.
            user_agent: What we call ourselves.
            networks: Where connections may lead; None for anywhere.
            allows_remote: Whether models that the server would have run elsewhere may be asked.
            bound: Which models are known of a long list.
        """
        self._info = ProviderInfo(name=name, kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
        self._temperature = temperature
        self._num_ctx = num_ctx
        self._keep_alive_s = keep_alive_s
        self._max_output_tokens = max_output_tokens
        self._max_answer_bytes = max_answer_bytes
        self._unfinished = unfinished
        self._upstream = Upstream(
            base_url,
            connect_timeout_s=connect_timeout_s,
            user_agent=user_agent,
            networks=networks,
        )
        self._models = OllamaModels(
            self._upstream,
            unfinished=unfinished,
            allows_remote=allows_remote,
            bound=bound,
        )

    async def __aenter__(self) -> Self:
        """Be ready for requests."""
        await self._upstream.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        await self._upstream.__aexit__(kind, error, trace)

    @property
    def info(self) -> ProviderInfo:
        """Who this is."""
        return self._info

    async def stream_chat(self, request: ChatRequest, limits: AttemptLimits) -> ChatEvents:
        """Run one chat; see `ChatProvider`. `request.model` is Ollama's spelling of the name.

        Raises:
            ProviderError: The server did not answer, or not well.
        """
        on_remote_route = not request.stays_local
        # Asked again here: a look may have changed since the plan was made.
        if self._models.leads_outside(request.model) and not on_remote_route:
            raise ProviderError(ErrorKind.REMOTE_REFUSED, model=request.model, called=False)
        tails = Tails(self._unfinished)
        reading = Reading(self._num_ctx, tails, may_be_remote=on_remote_route)
        try:
            num_predict, adjustments = request.sampling.output_limit(self._max_output_tokens)
            body = encode_chat(
                request,
                num_ctx=self._num_ctx,
                num_predict=num_predict,
                keep_alive_s=self._keep_alive_s,
                temperature=self._temperature,
            )
            answer = await self._upstream.post(_CHAT, body, may_repeat=limits.may_repeat)
            done: Done | None = None
            try:
                await _check(answer)
                answer.ends(limits.turn)
                rest = Rest(answer, reading.ending)
                length = Length(num_predict, most_bytes=self._max_answer_bytes)
                while not (reading.over or length.is_over):
                    data = await rest.read()
                    if (event := reading.take(data)) is not None:
                        if isinstance(event, Delta):
                            length.add(event.text)
                        yield event
                ended = reading if reading.over else length
                done = ended.end(adjustments)
                yield done
            except ProviderError as error:
                raise replace(error, requests=answer.requests) from None
            finally:
                # After the end has been told: nobody waits for the connection to become free.
                if done is None or not reading.over:
                    answer.close()
                else:
                    await answer.release(DRAIN_S)
        except ProviderError as error:
            raise self._with_window(error.in_answer(request.model, reading.phase)) from None
        finally:
            tails.clear()

    def _with_window(self, error: ProviderError) -> ProviderError:
        if error.kind is not ErrorKind.CONTEXT:
            return error
        # Most of Ollama's texts do not say it.
        return replace(error, context_length=error.context_length or self._num_ctx)

    async def catalogue(self) -> Catalogue:
        """Return which models the server has now, and which are in memory.

        Raises:
            ProviderError: It cannot be reached in time, or it is no Ollama.
        """
        return await self._models.catalogue()

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if it names none."""
        return self._models.identity(name)

    async def may_forward(self) -> bool:
        """Return whether the server does not say that it can't have models run elsewhere.

        Raises:
            ProviderError: It cannot be reached.
        """
        return await self._models.may_forward()

    async def warm(self, model: str) -> None:
        """Return once the model is in memory, with the window that real requests have.

        Raises:
            ProviderError: It is not going to be.
        """
        await self._reside(model, self._keep_alive_s)

    async def unload(self, model: str) -> None:
        """Free the model's memory, which ends what runs on it.

        Raises:
            ProviderError: The server did not take the order.
        """
        await self._reside(model, 0)

    async def _reside(self, model: str, keep_alive_s: int) -> None:
        if looks_remote(model):
            raise ProviderError(ErrorKind.REMOTE_REFUSED, called=False)
        body = encode_residency(model, num_ctx=self._num_ctx, keep_alive_s=keep_alive_s)
        answer = await self._upstream.post(_CHAT, body, may_repeat=True)
        try:
            await _check(answer)
            with Tails(self._unfinished) as tails:
                said = (await answer.read_all(MAX_ERROR_BYTES, tails)).strip()
            if not said:
                raise ProviderError(ErrorKind.TRANSIENT, row="C07", phase="load")
            for line in decode_lines(said + b"\n"):
                if line.remote_host or line.remote_model:
                    raise ProviderError(ErrorKind.VIOLATION, row="O01")
                if line.error is not None:
                    of_cloud = line.cloud_status is not None
                    raise classify(read_error_line(line.error, of_cloud=of_cloud))
        finally:
            answer.close()


async def _check(answer: Answer) -> None:
    """Return if a response can be an answer.

    Raises:
        ProviderError: What it is instead.
    """
    if answer.status != OK:
        raise await error_from_response(answer, classify_refusal)
    if answer.content_type not in _ANSWERS:
        raise ProviderError(ErrorKind.PROTOCOL, row="C08", status=OK)
