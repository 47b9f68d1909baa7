"""Chat completions in bytes: a request of ours encoded, chunks of an answer decoded. Pure.

Fields and types: docs/facts/providers.md 1.1 to 1.5. What the answer needs is typed. What only says
more about it is taken as it comes and looked at later, so that no odd extra breaks an answer.
"""

from collections.abc import Iterator, Sequence

import msgspec

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.request import ChatRequest, Message, Role, Sampling
from llmsvc_server.providers.shared.decoder import Decoder
from llmsvc_server.providers.shared.turns import merge_turns, select_turns, system_text

NEW_LIMIT_FIELD = "max_completion_tokens"
"""The field for a bound on the answer's tokens; older servers know `max_tokens` only."""

OLD_LIMIT_FIELD = "max_tokens"

_ONLY_LOCAL = ("top_k", "min_p", "repeat_penalty")
"""What vLLM and llama.cpp take; hosted services refuse unknown fields, or ignore them in silence."""


class _Message(msgspec.Struct, frozen=True, gc=False):
    role: str
    content: str


class _StreamOptions(msgspec.Struct, frozen=True, gc=False):
    include_usage: bool


class _Request(msgspec.Struct, omit_defaults=True, kw_only=True, frozen=True, gc=False):
    model: str
    messages: list[_Message]
    stream: bool
    stream_options: _StreamOptions | None = None
    max_completion_tokens: int | None = None
    max_tokens: int | None = None
    store: bool | None = None
    temperature: float | None = None
    top_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    seed: int | None = None
    stop: tuple[str, ...] = ()
    top_k: int | None = None
    min_p: float | None = None
    repeat_penalty: float | None = None
    repetition_penalty: float | None = None


class Content(msgspec.Struct, frozen=True, gc=False):
    """What the model wrote, or a piece of it. Absent and null are empty.

    Content is a text, or a list of parts.
    """

    content: object = None
    refusal: object = None
    reasoning: object = None
    reasoning_content: object = None
    tool_calls: object = None
    function_call: object = None


class Choice(msgspec.Struct, frozen=True, gc=False):
    """One of the answers asked for; we ask for one. A stream has `delta`, one body `message`."""

    index: object = 0
    delta: Content | None = None
    message: Content | None = None
    finish_reason: object = None
    stop_reason: object = None


class Chunk(msgspec.Struct, frozen=True, gc=False):
    """One event of an answer, or a whole one in one body, as far as we read it."""

    choices: tuple[Choice, ...] | None = ()
    id: object = None
    usage: object = None
    x_groq: object = None
    timings: object = None
    error: object = None
    kind: object = msgspec.field(name="object", default=None)
    remote_host: object = None
    remote_model: object = None

    @property
    def choice(self) -> Choice | None:
        """The first of the answers, or the only one; None where it is about none."""
        for choice in self.choices or ():
            if not choice.index or choice.index == "0":
                return choice
        return None

    @property
    def is_error(self) -> bool:
        """Whether it says that something failed; vLLM's older form names itself one."""
        return bool(self.error) or self.kind == "error"

    @property
    def is_remote(self) -> bool:
        """Whether it shows that an Ollama had the model run elsewhere."""
        return bool(self.remote_host or self.remote_model)


_USAGE = _StreamOptions(include_usage=True)
_encoder = msgspec.json.Encoder()
chunks = Decoder(Chunk)
"""Decodes the object in an event's data, or in a whole body."""


def encode_chat(  # noqa: PLR0913  plain settings, all by keyword
    request: ChatRequest,
    *,
    max_tokens: int | None,
    token_limit_field: str,
    has_usage: bool,
    temperature: float | None,
    sends_store: bool,
    is_local: bool,
) -> bytes:
    """Return the body that asks for a streamed answer.

    Args:
        request: What to run; `model` in the provider's spelling.
        max_tokens: Most tokens of the answer, at least 1; None for no limit.
        token_limit_field: "max_completion_tokens" or "max_tokens"; never both are sent.
        has_usage: Whether to ask for the answer's usage.
        temperature: For requests that set none; None leaves it to the model.
        sends_store: Whether to ask the vendor not to keep the answer.
        is_local: Whether it is an engine such as vLLM or llama.cpp, which samples in more ways.
    """
    sampling = request.sampling
    has_new_limit = token_limit_field == NEW_LIMIT_FIELD
    document = _Request(
        model=request.model,
        messages=list(_messages(request.messages, is_local=is_local)),
        stream=True,
        stream_options=_USAGE if has_usage else None,
        max_completion_tokens=max_tokens if has_new_limit else None,
        max_tokens=None if has_new_limit else max_tokens,
        store=False if sends_store else None,
        temperature=temperature if sampling.temperature is None else sampling.temperature,
        top_p=sampling.top_p,
        frequency_penalty=sampling.frequency_penalty,
        presence_penalty=sampling.presence_penalty,
        seed=sampling.seed,
        stop=sampling.stop_sequences,
        top_k=sampling.top_k if is_local else None,
        min_p=sampling.min_p if is_local else None,
        # llama.cpp's name and vLLM's, for one thing; each passes over the other's.
        repeat_penalty=sampling.repeat_penalty if is_local else None,
        repetition_penalty=sampling.repeat_penalty if is_local else None,
    )
    return _encoder.encode(document)


def find_left_out(sampling: Sampling, *, is_local: bool) -> tuple[Adjustment, ...]:
    """Return an adjustment for each setting of a caller's that `encode_chat` does not send."""
    if is_local:
        return ()
    return tuple(
        Adjustment(
            field=f"generation_config.{name}",
            action=Action.IGNORED,
            description="The provider has no such setting.",
        )
        for name in _ONLY_LOCAL
        if getattr(sampling, name) is not None
    )


def _messages(messages: Sequence[Message], *, is_local: bool) -> Iterator[_Message]:
    """Yield the turns, all system messages first, as one: some servers accept no other.

    Engines render turns by a model's own template, and many of those refuse two of one role.
    """
    if rules := system_text(messages):
        yield _Message(Role.SYSTEM.value, rules)
    turns = select_turns(messages)
    if is_local:
        for role, text in merge_turns(turns):
            yield _Message(role.value, text)
        return
    for one in turns:
        yield _Message(one.role.value, one.text)
