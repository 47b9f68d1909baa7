"""Adapter: one Ollama, its chats and its models."""

from typing_extensions import override

from llmsvc_server.chat.features import Capability
from llmsvc_server.chat.route import Locality, ProviderInfo, ProviderKind
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.abilities import Catalogue
from llmsvc_server.providers.http.client import HttpClient
from llmsvc_server.providers.http.networks import Networks
from llmsvc_server.providers.http.unfinished import Tails, Unfinished
from llmsvc_server.providers.ollama.dialect import CHAT, OllamaDialect
from llmsvc_server.providers.ollama.errors import classify, classify_refusal
from llmsvc_server.providers.ollama.models import OllamaModels
from llmsvc_server.providers.ollama.reader import check_content_type
from llmsvc_server.providers.ollama.refusals import read_error_line
from llmsvc_server.providers.ollama.wire import decode_lines, encode_residency
from llmsvc_server.providers.shared.error_signal import MAX_ERROR_BYTES
from llmsvc_server.providers.shared.exchange import Exchange
from llmsvc_server.providers.shared.model_names import looks_remote
from llmsvc_server.providers.shared.provider import HttpProvider
from llmsvc_server.providers.shared.refusal import OK, error_from_response
from llmsvc_server.providers.shared.shortlist import USUAL_BOUND, Bound

_TOOLS = "tools"
"""How Ollama calls the capability."""

_ALONE = frozenset({Capability.FORCED_CHOICE})
_WITHOUT_TOOLS = _ALONE | {Capability.TOOLS, Capability.CALL_HISTORY}
_WITH_TOOLS = _ALONE | {Capability.JSON_OBJECT, Capability.JSON_SCHEMA}


class OllamaProvider(HttpProvider):
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
        client = HttpClient(
            base_url,
            connect_timeout_s=connect_timeout_s,
            user_agent=user_agent,
            networks=networks,
        )
        models = OllamaModels(
            client, unfinished=unfinished, allows_remote=allows_remote, bound=bound
        )
        dialect = OllamaDialect(
            models,
            temperature=temperature,
            num_ctx=num_ctx,
            keep_alive_s=keep_alive_s,
            max_output_tokens=max_output_tokens,
        )
        info = ProviderInfo(name=name, kind=ProviderKind.OLLAMA, locality=Locality.LOCAL)
        exchange = Exchange(
            client, dialect, unfinished=unfinished, max_answer_bytes=max_answer_bytes
        )
        super().__init__(info, exchange, [client])
        self._client = client
        self._models = models
        self._unfinished = unfinished
        self._num_ctx = num_ctx
        self._keep_alive_s = keep_alive_s

    @override
    def missing(self, model: str, needs: frozenset[Capability]) -> frozenset[Capability]:
        """Return what does not work here.

        There is no forced choice, a format forbids calls, and not every model can call.

        See `ChatProvider`. Measured on 0.10.1 and 0.24.0 (docs/facts/ollama.md 11).
        """
        can = self._models.capabilities(model)
        if can is not None and _TOOLS not in can:
            return needs & _WITHOUT_TOOLS
        return needs & (_WITH_TOOLS if Capability.TOOLS in needs else _ALONE)

    async def catalogue(self) -> Catalogue:
        """Return which models the server has now, and which are in memory.

        Raises:
            ProviderError: It cannot be reached in time, or it is no Ollama.
        """
        return await self._models.catalogue()

    def identity(self, name: str) -> str | None:
        """Return what two names of one model have in common; None if it names none."""
        return self._models.identity(name)

    async def explore(self) -> None:
        """Find out for ever what listed models can do; see `ExploresModels`."""
        await self._models.explore()

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
        response = await self._client.post(CHAT, body, may_repeat=True)
        try:
            if response.status != OK:
                raise await error_from_response(response, classify_refusal)
            check_content_type(response.content_type)
            with Tails(self._unfinished) as tails:
                said = (await response.read_all(MAX_ERROR_BYTES, tails)).strip()
            if not said:
                raise ProviderError(ErrorKind.TRANSIENT, row="C07", phase="load")
            for line in decode_lines(said + b"\n"):
                if line.remote_host or line.remote_model:
                    raise ProviderError(ErrorKind.VIOLATION, row="O01")
                if line.error is not None:
                    of_cloud = line.cloud_status is not None
                    raise classify(read_error_line(line.error, of_cloud=of_cloud))
        finally:
            response.close()
