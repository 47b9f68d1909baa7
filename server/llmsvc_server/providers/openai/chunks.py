"""Chunks of an answer, or a whole one, out of bytes. Pure.

Fields and types: docs/facts/providers.md 1.2 to 1.5. What the answer needs is typed. What only says
more about it is taken as it comes and looked at later, so that no odd extra breaks an answer.
"""

import msgspec

from llmsvc_server.providers.shared.decoder import Decoder


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


chunks = Decoder(Chunk)
"""Decodes the object in an event's data, or in a whole body."""
