"""Settings that entries of several kinds have, each with its bounds and its meaning."""

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from llmsvc_server.config.section import Expected, Misfit, is_blank, refused

DAY_S = 86_400
COLD_S = 300.0

_LONGEST_KEY = 8_192
_QUOTATION_MARKS = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"
_NO_KEYS: tuple[tuple[re.Pattern[str], str], ...] = (
    (
        re.compile(rf"[{_QUOTATION_MARKS}].*|.*[{_QUOTATION_MARKS}]", re.DOTALL),
        "stands in quotation marks; write it without them: env files and secrets keep them",
    ),
    (re.compile(r"(?i:bearer)\s.*", re.DOTALL), "begins with the word Bearer; write the key alone"),
    (
        re.compile(r"(?:export\s+)?[A-Z][A-Z0-9_]*_KEY\s*=.*", re.DOTALL),
        "is a whole assignment; write what stands behind the =",
    ),
    (
        re.compile(r"\$(?:\w+|\{.*\}|\(.*\))"),
        "is the name of a variable; write its value: nothing is filled in here",
    ),
    (
        re.compile(r".*[^!-~].*", re.DOTALL),
        "holds what no key has; write the key alone, as the vendor gave it",
    ),
)
"""What people give instead of a key, and what to do about it. The first that fits counts."""

ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}$"),
    Expected("a model's name such as phi3:mini"),
]

ServedModel = Annotated[
    str | None,
    Field(
        # Servers name a model after its file too: "/models/qwen3".
        pattern=r"^[!-~]{1,256}$",
        description="Model for requests that name none, as the server calls it. Without one the"
        " provider is left out.",
    ),
    Expected("a model's name such as gpt-4o-mini, or null"),
]

Temperature = Annotated[
    float | None,
    Field(
        ge=0,
        le=2,
        description="Temperature of requests that set none. null: what the model comes with.",
    ),
]

ContextLength = Annotated[
    int | None,
    Field(
        ge=1,
        le=100_000_000,
        description="Context window of the model in tokens. A prompt that was too long elsewhere"
        " comes here only if this is known to hold it. null: unknown.",
    ),
]


def _blank_is_no_alias(given: object) -> object:
    return {} if is_blank(given) else given


Aliases = Annotated[
    Mapping[
        Annotated[str, Field(pattern=r"^[!-~]{1,256}$")],
        Annotated[str, Field(pattern=r"^[!-~]{1,256}$")],
    ],
    BeforeValidator(_blank_is_no_alias),
    Field(
        max_length=1_000,
        description="Model that a request names -> model that runs here instead; `*` stands for"
        " every other name.",
        json_schema_extra={"x-default": "`{}`"},
        examples=[{"llama3.2": "gpt-4o-mini"}],
    ),
    Expected("a map from model to model such as {llama3.2: gpt-4o-mini}"),
]

ServeModels = Annotated[
    Literal["any", "configured"],
    Field(
        description="Which models requests may name here: `any`, or `configured` ones, which are"
        " `model` and those of `aliases`.",
    ),
]


def clean_key(text: str) -> str | None:
    """Return a key without the space around it; None for a blank one.

    Raises:
        PydanticCustomError: No key looks so. It does not quote it.
    """
    key = text.strip()
    if len(key) > _LONGEST_KEY:
        raise refused(*_NO_KEYS[-1][1].split("; ", 1))
    for pattern, words in _NO_KEYS:
        if pattern.fullmatch(key):
            raise refused(*words.split("; ", 1))
    return key or None


def _checked_key(given: object) -> object:
    return clean_key(given) if isinstance(given, str) else given


def _checked_path(text: str) -> str:
    # A key that was written here by mistake has no slash, and so is never told to anybody.
    if not text.startswith("/") or not text.isprintable():
        raise refused("is no absolute path", "write a path such as /run/secrets/openai_api_key")
    return text


ApiKey = Annotated[
    SecretStr | None,
    BeforeValidator(_checked_key),
    Expected("a key as the vendor gave it, or null"),
    Field(
        description="Key for the provider. Better kept out of this file: see `api_key_file`. It is"
        " never shown.",
    ),
]

ApiKeyFile = Annotated[
    Annotated[str, AfterValidator(_checked_path)] | None,
    Field(
        description="File that holds nothing but the key, read at start where `api_key` is absent."
    ),
    Expected("an absolute path such as /run/secrets/openai_api_key, or null"),
]

Timeout = Annotated[
    float | None,
    Field(
        ge=0.1,
        le=DAY_S,
        description="Patience in seconds with silence: for the first token, and for each gap after"
        " it. Never the length of a healthy answer. null: what suits such a provider.",
    ),
]

ConnectTimeout = Annotated[
    float,
    Field(ge=0.1, le=300, description="Longest wait in seconds for a connection."),
]

FirstTokenTimeout = Annotated[
    float, Field(ge=0.1, le=DAY_S, description="Longest wait in seconds for the first token.")
]

IdleTimeout = Annotated[
    float,
    Field(
        ge=0.1,
        le=DAY_S,
        description="Longest gap in seconds between two pieces of an answer.",
    ),
]

MaxInFlight = Annotated[
    int, Field(ge=1, le=10_000, description="Chats that run there at once; others wait here.")
]

MaxQueued = Annotated[
    int,
    Field(
        ge=0,
        le=100_000,
        description="Chats that may wait for one model; one more goes to the next provider, or is"
        " refused. With the queue full that is one of the host that has most.",
    ),
]

QueueTimeout = Annotated[
    float,
    Field(
        ge=0,
        le=DAY_S,
        description="Longest wait in seconds while another provider could answer. Without one a"
        " chat waits as long as its deadline allows.",
    ),
]


def cold_is_shorter(first_token_s: float) -> Misfit:
    """Return the error of a limit for cold models below the one for models in memory."""
    what = "is less than the limit for a model that is in memory already"
    remedy = f"give at least {first_token_s:g}, or lower first_token_timeout_s"
    return ("cold_timeout_s",), refused(what, remedy)


def what_is_missing(model: str | None, *, has_key: bool, variable: str) -> str:
    """Return why a provider can't be asked, as what follows "it"; "" if it can.

    Args:
        model: Its model.
        has_key: Whether there is a key, or none is needed.
        variable: Variable that may hold the key; "" if none does.
    """
    sources = f"{variable} or api_key_file" if variable else "api_key_file"
    if not has_key and model is None:
        return f"has neither key nor model: set model, and {sources}"
    if not has_key:
        return f"has no key: set {sources}"
    return "has no model: set model" if model is None else ""
