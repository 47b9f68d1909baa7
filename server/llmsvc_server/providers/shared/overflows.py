"""How servers say that a prompt is too long: one table for all, since proxies pass on each other's.

A row fits where a sentence begins, or behind what a proxy put in front of the words that it passes
on. Elsewhere they may be a quotation of the prompt.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from llmsvc_server.providers.shared.untyped import MAX_TOKENS

_HEAD_CHARACTERS = 512
"""How much of a message is looked at: proxies put about 200 in front."""

_BEGINNING = (
    r"(?:^"
    r"|(?:error|exception|parameter|failed|\d{3})(?::| -) "
    r"|\. "
    r"|(?:message|error|detail)\\{0,7}[\"']?: ?\\{0,7}[\"'])"
)
"""The beginning of a message or of a sentence, a class of errors, or JSON as a text."""

# Where no server is named in a source, its own code or recording is (2026-11).
_ROWS = (
    # OpenAI, Azure, DeepSeek, vLLM; OpenRouter says "endpoint".
    r"(?:this (?:model|endpoint)\W{1,3}s )?maximum context length(?: is {window} tokens)?",
    r"(?:your )?input exceeds the context window of this model",
    r"input tokens exceed the configured limit of {window} tokens",
    r"please reduce the length of the messages or completion",  # Groq, Cerebras
    # SGLang, tokenizer_manager.py; the second is Together's too.
    r"requested token count exceeds the model\W{1,3}s maximum context length of {window} tokens",
    (
        r"(?:the )?input \({tokens} tokens\) is longer than the model\W{1,3}s context length"
        r" \({window} tokens\)"
    ),
    (
        r"input length \({tokens}\) exceeds (?:the )?model\W{1,3}s maximum context length"
        r" \({window}\)"
    ),
    # vLLM: 2026, 2025, 2024.
    (
        r"you passed {tokens} input tokens and requested \d{1,10} output tokens\. however, the"
        r" model\W{1,3}s context length is only {window} tokens"
    ),
    (
        r"the (?:\w{1,20} )?prompt \(length {tokens}\) is longer than the maximum model length of"
        r" {window}"
    ),
    r"input prompt \({tokens} tokens\) is too long and exceeds limit of {window}",
    # llama.cpp, server.cpp: since 2025-09 with numbers. Its last says so while it generates.
    (
        r"(?:the )?request (?:\({tokens} tokens\) )?exceeds the available context size"
        r"(?: \({window} tokens\))?"
    ),
    (
        r"(?:the )?input (?:\({tokens} tokens\) )?is larger than the max context size"
        r"(?: \({window} tokens\))?"
    ),
    r"context size has been exceeded",
    # LM Studio, issues 237, 546, 2205, 2256 of its bug tracker.
    (
        r"the number of tokens to keep from the initial prompt is greater than the context length"
        r"(?: \(n_keep: {tokens} ?>= n_ctx: {window}\))?"
    ),
    r"cannot truncate prompt with n_keep \({tokens}\) >= n_ctx \({window}\)",
    (
        r"trying to keep the first {tokens} tokens when context the overflows\. however, the model is"
        r" loaded with context length of only {window} tokens"
    ),
    r"reached context length of {window} tokens with this model",
    # Anthropic (docs/facts/providers.md 2.6), Bedrock, LiteLLM's own class.
    r"prompt is too long(?:: {tokens} tokens > {window} maximum)?",
    r"input length and \W?max_tokens\W? exceed context limit: {tokens} \+ \d{1,10} > {window}",
    r"input is too long for requested model",
    r"(?:litellm\.)?contextwindowexceedederror: ",
    # Text Generation Inference, validation.rs.
    r"(?:input validation error: )?\W?inputs\W? tokens \+ \W?max_new_tokens\W? must be <= {window}",
    r"(?:input validation error: )?\W?inputs\W? must have less than {window} tokens",
    r"this model\W{1,3}s maximum prompt length is {window} but the request contains {tokens}",  # xAI
    (
        r"prompt contains {tokens} tokens[a-z0-9 ]{0,40}, too large for model with {window} maximum"
        r" context length"
    ),  # Mistral
    (
        r"the input token count (?:\({tokens}\) )?exceeds the maximum number of tokens allowed"
        r" \(?{window}"
    ),  # Google
    r"input length {tokens} exceeds the maximum allowed input length of {window} tokens",
    r"(?:your )?request exceeded model token limit: {window}",  # Moonshot
    r"invalid params, context window exceeds limit",  # MiniMax
    r"range of input length should be \[1, {window}\]",  # Alibaba
    r"prompt token count of {tokens} exceeds the limit of {window}",  # GitHub
    # Ollama's /v1 (docs/facts/ollama.md 5), and its vendor's cloud.
    r"(?:the )?input length exceeds the context length",
    r"(?:the )?prompt is longer than the context length",
    r"prompt too long; exceeded (?:max )?context length",
)
_TOKENS = (
    r"messages resulted in {tokens} tokens",
    r"\({tokens} (?:of text input|in the messages|in your prompt)",
    r"{tokens} tokens from the input messages",
    r"(?:request has|contains at least) {tokens} input tokens",
    r"given: {tokens} \W?inputs\W? tokens",
)
"""Where the tokens of the prompt stand, further on in some of those messages."""


def _compile(row: str, beginning: str = "") -> re.Pattern[str]:
    number = r"(?P<{}>\d[\d,]{{0,12}})"
    for name in ("window", "tokens"):
        row = row.replace(f"{{{name}}}", number.format(name))
    return re.compile(beginning + row)


_OVERFLOWS = tuple(_compile(row, _BEGINNING) for row in _ROWS)
_COUNTS = tuple(map(_compile, _TOKENS))


@dataclass(frozen=True, slots=True, kw_only=True)
class Overflow:
    """What a server tells of a prompt that is too long; None for what it does not.

    Attributes:
        context_length: Tokens that it takes.
        input_tokens: Tokens of the prompt.
    """

    context_length: int | None = None
    input_tokens: int | None = None


def overflow_in(*messages: str) -> Overflow | None:
    """Return what an error tells of an overflow; None where it is about something else.

    Args:
        messages: Its texts, in lower case.
    """
    return next(filter(None, map(_overflow, messages)), None)


def _overflow(message: str) -> Overflow | None:
    head = message[:_HEAD_CHARACTERS]
    found = [match for row in _OVERFLOWS if (match := row.search(head))]
    if not found:
        return None
    found += [match for row in _COUNTS if (match := row.search(head))]
    return Overflow(
        context_length=next(_numbers(found, "window"), None),
        input_tokens=next(_numbers(found, "tokens"), None),
    )


def _numbers(found: list[re.Match[str]], name: str) -> Iterator[int]:
    for match in found:
        number = int((match.groupdict().get(name) or "0").replace(",", ""))
        if 0 < number <= MAX_TOKENS:
            yield number
