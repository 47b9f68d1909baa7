"""What may be said about a chat beside the prompt: one set for all who ask, each option told here."""

from collections.abc import Mapping, Sequence
from typing import TypedDict

from llmsvc_client.tools import ResponseFormat, Tool, ToolChoice, Unsupported
from llmsvc_client.types import Privacy, Sampling, Target


class ChatOptions(TypedDict, total=False):
    """The options of `chat`, given by keyword. One that is left out is left to the server.

    Attributes:
        system: Instructions, put before all turns. None: none.
        model: Name or alias. None or empty: the server's default model.
        sampling: Sampling and length. None: the server's settings.
        privacy: LOCAL_ONLY keeps the content in the operator's network, whatever fails;
            CLOUD_ALLOWED can't widen the server's policy. None: the server's policy.
        targets: What to try, in this order. Empty: the server's sequence.
        fallback: False tries only the first permitted target.
        timeout_s: Time for the whole answer in seconds, at most a day. None: no deadline is sent
            and the server's own limit holds (unless configured otherwise, 120 s for `chat` and
            600 s for `stream`).
        tools: Functions that the model may ask the caller to run. Empty: none.
        tool_choice: Rules for that. None: the model decides.
        response_format: The shape of the answer. None: text as it comes.
        on_unsupported: What to do where a model lacks one of those. None: FAIL.
        request_id: Id for the server's logs, 1 to 64 of `[A-Za-z0-9._-]`. None: the server makes
            one.
    """

    system: str | None
    model: str | None
    sampling: Sampling | None
    privacy: Privacy | None
    targets: Sequence[Target]
    fallback: bool
    timeout_s: float | None
    tools: Sequence[Tool]
    tool_choice: ToolChoice | None
    response_format: ResponseFormat | None
    on_unsupported: Unsupported | None
    request_id: str | None


class StreamOptions(ChatOptions, total=False):
    """The options of `stream`, given by keyword: those of `ChatOptions`, and what follows.

    Attributes:
        progress_interval_s: Give a `Progress` item whenever nothing else came for so many seconds,
            1 to 60. None: only pieces of text.
    """

    progress_interval_s: float | None


def check_names(method: str, options: Mapping[str, object], known: frozenset[str]) -> None:
    """Refuse what is no option, as Python refuses an unexpected argument.

    Args:
        method: Whose options they are.
        options: What was given.
        known: The names that it takes.

    Raises:
        TypeError: One of the names is another; the text lists those that there are.
    """
    for name in options.keys() - known:
        names = ", ".join(sorted(known))
        raise TypeError(f"{method}() got an unexpected keyword argument {name!r}: it takes {names}")
