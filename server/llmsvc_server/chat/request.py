"""What a caller asks for, as frozen values. Knows neither wire."""

import dataclasses
from enum import StrEnum
from typing import overload

from llmsvc_server.chat.adjustment import Action, Adjustment
from llmsvc_server.chat.features import NO_FEATURES, Features
from llmsvc_server.chat.parts import Part, said_in, written_in
from llmsvc_server.chat.route import Privacy, TargetName
from llmsvc_server.chat.value import value


class Role(StrEnum):
    """Who produced a message."""

    SYSTEM = "system"
    USER = "user"
    ASSISTANT = "assistant"
    TOOL = "tool"


class Delivery(StrEnum):
    """How the caller takes the answer: piece by piece, or whole at its end."""

    STREAM = "stream"
    WHOLE = "whole"


@value
class Message:
    """One turn. Parts are in order, at least one."""

    role: Role
    parts: tuple[Part, ...] = dataclasses.field(repr=False)

    @property
    def text(self) -> str:
        """What it says as one text, refusals too."""
        return said_in(self.parts)


SAMPLING_SETTINGS = (
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "frequency_penalty",
    "presence_penalty",
    "repeat_penalty",
    "seed",
)
"""The fields of `Sampling` that steer the choice of tokens; the contract calls them the same."""


@value
class Sampling:
    """Sampling and length. None keeps the configuration's value, else the model's own."""

    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    min_p: float | None = None
    frequency_penalty: float | None = None
    presence_penalty: float | None = None
    repeat_penalty: float | None = None
    seed: int | None = None
    max_output_tokens: int | None = None
    stop_sequences: tuple[str, ...] = dataclasses.field(default=(), repr=False)

    @overload
    def limit(self, max_tokens: int) -> int: ...

    @overload
    def limit(self, max_tokens: int | None) -> int | None: ...

    def limit(self, max_tokens: int | None) -> int | None:
        """Return the output tokens to ask a model for: the caller's, but not more than `max_tokens`.

        None stands for no limit, of the server's or at all.
        """
        asked = self.max_output_tokens
        if asked is None or max_tokens is None:
            return max_tokens if asked is None else asked
        return min(asked, max_tokens)

    def report_limit(self, sent: int | None) -> tuple[Adjustment, ...]:
        """Return what it changed that a model was asked for `sent` tokens, for no number if None.

        One adjustment where that is not what the caller asked for.
        """
        asked = self.max_output_tokens
        if asked is None or asked == sent:
            return ()
        how = "Left to the model" if sent is None else f"Brought down to {sent}"
        why = "whose window has room for less." if sent is None else "the limit for the model."
        clamped = Adjustment(
            field="generation_config.max_output_tokens",
            action=Action.CLAMPED,
            description=f"{how}, {why}",
        )
        return (clamped,)


@value
class Routing:
    """Where a request may go.

    `privacy` tightens the server's policy, never widens it; None keeps it. `targets` replace the
    server's sequence where there are any. `fallback_disabled` asks the first permitted one only.
    """

    privacy: Privacy | None = None
    targets: tuple[TargetName, ...] = ()
    fallback_disabled: bool = False


SERVERS_ROUTING = Routing()
"""What a request without a policy of its own gets."""


@value
class ChatRequest:
    """One completion to run. `model` is empty where the caller named none.

    `features` are what it asks for beyond text; `is_plain` says that there is nothing of that, and
    that all parts of all messages are texts. `caller` is who asks, as far as that is known; turns go
    round callers. `stays_local` is the plan's word to a local provider: its model is not to be run
    elsewhere.
    """

    model: str
    messages: tuple[Message, ...] = dataclasses.field(repr=False)
    sampling: Sampling
    delivery: Delivery
    routing: Routing = SERVERS_ROUTING
    features: Features = NO_FEATURES
    is_plain: bool = True
    caller: str = dataclasses.field(default="", repr=False)
    stays_local: bool = True

    def for_model(self, model: str, *, stays_local: bool) -> "ChatRequest":
        """Return the same request for `model`, in one provider's spelling, as it was planned."""
        if model == self.model and stays_local == self.stays_local:
            return self  # a copy of all fields takes 5 us
        return dataclasses.replace(self, model=model, stays_local=stays_local)

    def revise(self, messages: tuple[Message, ...], features: Features) -> "ChatRequest":
        """Return the same request with these messages and features instead of its own."""
        if not features.tools and features.response_format is None:
            features = NO_FEATURES
        is_plain = features is NO_FEATURES and all(
            isinstance(part, str) for message in messages for part in message.parts
        )
        return dataclasses.replace(self, messages=messages, features=features, is_plain=is_plain)

    @property
    def text_length(self) -> int:
        """Characters of all that is read: texts, calls, results, and what declares tools."""
        length = 0
        if self.is_plain:
            for message in self.messages:
                length += sum(map(len, message.parts))  # type: ignore[arg-type]  # texts, all of them
            return length
        for message in self.messages:
            length += sum(map(len, map(written_in, message.parts)))
        return length + self.features.text_length
