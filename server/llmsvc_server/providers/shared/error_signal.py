"""What a server says when it refuses or fails, taken apart: no meaning yet."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from llmsvc_server.providers.shared.overflows import Overflow, overflow_in
from llmsvc_server.providers.shared.untyped import count_of, text_of

MAX_ERROR_BYTES = 64 * 1024
"""How much of a refusal's body is read. Cut JSON is no JSON, so a longer one says nothing."""


class Trait(StrEnum):
    """What a refusal or an error is besides. Adapters may have more of their own."""

    ERROR = "error"
    """It has an error in the form that such servers give it."""
    IN_ANSWER = "in_answer"
    """It came under 200."""
    OVERFLOW = "overflow"
    """It says, in some server's words, that a prompt is too long: proxies pass on what they get."""
    WAIT = "wait"
    """It says when to come back."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ErrorSignal:
    """A refusal, or an error inside an answer.

    Attributes:
        status: HTTP status, or what an error inside an answer tells as such; None without either.
        codes: The error's codes that are words, the one that says most first.
        kind: The error's `type`.
        text: Its message in lower case.
        param: The field it is about, in the server's terms; of those that we send only.
        traits: What it is besides.
        context_length, input_tokens: Facts of an overflow.
        retry_after_s: When to come back.
    """

    status: int | None
    codes: tuple[str, ...] = field(default=(), repr=False)
    kind: str = field(default="", repr=False)
    text: str = field(default="", repr=False)
    param: str = ""
    traits: frozenset[str] = frozenset()
    context_length: int | None = None
    input_tokens: int | None = None
    retry_after_s: float | None = None


def read_signal(  # noqa: PLR0913  what was found, all by keyword
    status: int | None,
    error: Mapping[str, object],
    texts: Iterable[str],
    *,
    codes: Iterable[str] = (),
    param: str = "",
    traits: Collection[str] = (),
    retry_after_s: float | None = None,
) -> ErrorSignal:
    """Return what an error says.

    Args:
        status: Its HTTP status; None without one.
        error: Its fields. Anything may be in them.
        texts: Whatever may be its message, in lower case, the likeliest first.
        codes: Its codes that are words.
        param: The field it is about.
        traits: What it is, as far as only the adapter can tell.
        retry_after_s: When to come back.
    """
    texts = list(texts)
    overflow = overflow_in(*texts)
    figures = overflow or Overflow()
    found = {*traits}
    if overflow is not None:
        found.add(Trait.OVERFLOW)
    if retry_after_s is not None:
        found.add(Trait.WAIT)
    return ErrorSignal(
        status=status,
        codes=tuple(codes),
        kind=text_of(error.get("type")),
        text=texts[0] if texts else "",
        param=param,
        traits=frozenset(found),
        context_length=count_of(error.get("n_ctx")) or figures.context_length,
        input_tokens=count_of(error.get("n_prompt_tokens")) or figures.input_tokens,
        retry_after_s=retry_after_s,
    )
