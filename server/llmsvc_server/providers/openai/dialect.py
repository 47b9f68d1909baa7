"""How OpenAI's chat completions are spoken, as each of many servers knows them."""

from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.openai.errors import classify_refusal
from llmsvc_server.providers.openai.features import NO_EXTRAS, extras_of
from llmsvc_server.providers.openai.forms import RequestForm, RequestForms, correct
from llmsvc_server.providers.openai.models import OpenaiModels
from llmsvc_server.providers.openai.reader import OpenaiReader
from llmsvc_server.providers.openai.wire import encode_chat, find_left_out
from llmsvc_server.providers.shared.dialect import Terms
from llmsvc_server.providers.shared.tool_calls import ToolCalls


class OpenaiDialect:
    """A `Dialect`. What a local engine lost ran for nobody; what a cloud lost may be paid."""

    path = "/chat/completions"

    def __init__(  # noqa: PLR0913  plain settings, all by keyword
        self,
        models: OpenaiModels,
        forms: RequestForms,
        *,
        temperature: float | None,
        max_output_tokens: int | None,
        is_openai: bool,
        is_local: bool,
    ) -> None:
        """Speak to one server.

        Args:
            models: Knows which of them would be run elsewhere.
            forms: Knows how the server wants to be asked.
            temperature: For requests that set none; None leaves it to the model.
            max_output_tokens: Most tokens of one answer, at least 1; None for no limit of ours.
            is_openai: Whether it is OpenAI's own service, at home or at Azure.
            is_local: Whether it is in the operator's network.
        """
        self._models = models
        self._forms = forms
        self._temperature = temperature
        self._max_output_tokens = max_output_tokens
        self._is_openai = is_openai
        self.resends_lost = self._is_local = is_local

    def form(self, request: ChatRequest) -> RequestForm:
        """Return how to put a request; see `Dialect`."""
        if self._models.leads_outside(request.model):
            raise ProviderError(ErrorKind.REMOTE_REFUSED, called=False)
        return self._forms.form(request, request.sampling.limit(self._max_output_tokens))

    def encode(self, request: ChatRequest, form: RequestForm) -> tuple[bytes, Terms]:
        """Return the body of a request; see `Dialect`."""
        extras = NO_EXTRAS
        if not request.is_plain:
            extras = extras_of(request, form.spelling, is_local=self._is_local)
        body = encode_chat(
            request,
            max_tokens=form.max_tokens,
            token_limit_field=form.limit_field,
            has_usage=form.has_usage,
            temperature=self._temperature,
            is_openai=self._is_openai,
            is_local=self._is_local,
            has_short_ids=form.spelling.has_short_ids,
            extras=extras,
        )
        sampling = request.sampling
        left = find_left_out(sampling, is_local=self._is_local)
        return body, Terms(
            max_tokens=sampling.limit(self._max_output_tokens),
            adjustments=(*sampling.report_limit(form.max_tokens), *left, *extras.adjustments),
        )

    def reader(self, request: ChatRequest, tails: Tails) -> OpenaiReader:
        """Return what reads the answer; see `Dialect`."""
        stops = request.sampling.stop_sequences
        calls = ToolCalls.of(request)
        return OpenaiReader(tails, is_local=self._is_local, stop_sequences=stops, calls=calls)

    def classify(self, status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
        """Return what a refusal means; see `Dialect`."""
        return classify_refusal(status, body, retry_after_s, is_local=self._is_local)

    def correct(self, form: RequestForm, body: bytes) -> RequestForm | None:
        """Return how a refusal wants a request put; see `Dialect`."""
        return correct(form, body)

    def learn(self, model: str, form: RequestForm) -> None:
        """Remember how a second try was put that was answered."""
        self._forms.learn(model, form)
