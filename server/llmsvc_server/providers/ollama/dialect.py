"""How an Ollama is spoken to."""

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.ollama.errors import classify
from llmsvc_server.providers.ollama.features import NO_EXTRAS, extras_of
from llmsvc_server.providers.ollama.models import OllamaModels
from llmsvc_server.providers.ollama.reader import OllamaReader
from llmsvc_server.providers.ollama.refusals import read_refusal
from llmsvc_server.providers.ollama.wire import encode_chat
from llmsvc_server.providers.shared.dialect import Terms
from llmsvc_server.providers.shared.tool_calls import ToolCalls

CHAT = "/api/chat"


class OllamaDialect:
    """A `Dialect` whose forms are the limits on the answer's tokens."""

    path = CHAT
    resends_lost = True

    def __init__(
        self,
        models: OllamaModels,
        *,
        temperature: float | None,
        num_ctx: int | None,
        keep_alive_s: int,
        max_output_tokens: int,
    ) -> None:
        """Speak to one server.

        Args:
            models: Knows which of them would be run elsewhere.
            temperature: For requests that set none; None leaves it to the model.
            num_ctx: Context window in tokens; None leaves it to Ollama.
            keep_alive_s: Seconds that a model stays in memory after an answer; -1 for ever.
            max_output_tokens: Most tokens of one answer, at least 1.
        """
        self._models = models
        self._temperature = temperature
        self._num_ctx = num_ctx
        self._keep_alive_s = keep_alive_s
        self._max_output_tokens = max_output_tokens

    def form(self, request: ChatRequest) -> int:
        """Return the limit on the answer's tokens; see `Dialect`."""
        # Asked again here: a look may have changed since the plan was made.
        if request.stays_local and self._models.leads_outside(request.model):
            raise ProviderError(ErrorKind.REMOTE_REFUSED, called=False)
        return request.sampling.limit(self._max_output_tokens)

    def encode(self, request: ChatRequest, form: int) -> tuple[bytes, Terms]:
        """Return the body of a request; see `Dialect`."""
        extras = NO_EXTRAS if request.is_plain else extras_of(request.features)
        body = encode_chat(
            request,
            num_ctx=self._num_ctx,
            num_predict=form,
            keep_alive_s=self._keep_alive_s,
            temperature=self._temperature,
            extras=extras,
        )
        adjustments = request.sampling.report_limit(form) + extras.adjustments
        return body, Terms(max_tokens=form, adjustments=adjustments)

    def reader(self, request: ChatRequest, tails: Tails) -> OllamaReader:
        """Return what reads the answer; see `Dialect`."""
        may_be_remote = not request.stays_local
        calls = ToolCalls.of(request)
        return OllamaReader(self._num_ctx, tails, may_be_remote=may_be_remote, calls=calls)

    def classify(self, status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
        """Return what a refusal means; see `Dialect`."""
        return classify(read_refusal(status, body, retry_after_s), window_tokens=self._num_ctx)

    def correct(self, form: int, body: bytes) -> None:
        """Return None: no refusal of a form says a better one."""

    def learn(self, model: str, form: int) -> None:
        """Have nothing to remember."""
