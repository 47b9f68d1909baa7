"""Settings of every provider that may want a key, and what a key looks like."""

import re
from typing import Annotated, ClassVar

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from typing_extensions import override

from llmsvc_server.config.addresses import host_of
from llmsvc_server.config.entry import After
from llmsvc_server.config.hosted import HostedSettings
from llmsvc_server.config.section import Expected, value_error

_MAX_KEY_LENGTH = 8_192
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


def clean_key(text: str) -> str | None:
    """Return a key without the space around it; None for a blank one.

    Raises:
        PydanticCustomError: No key looks so. It does not quote it.
    """
    key = text.strip()
    if len(key) > _MAX_KEY_LENGTH:
        raise value_error(*_NO_KEYS[-1][1].split("; ", 1))
    for pattern, words in _NO_KEYS:
        if pattern.fullmatch(key):
            raise value_error(*words.split("; ", 1))
    return key or None


def _check_key(given: object) -> object:
    return clean_key(given) if isinstance(given, str) else given


def _check_path(text: str) -> str:
    # A key that was written here by mistake has no slash, and so is never told to anybody.
    if not text.startswith("/") or not text.isprintable():
        raise value_error("is no absolute path", "write a path such as /run/secrets/openai_api_key")
    return text


ApiKey = Annotated[
    SecretStr | None,
    BeforeValidator(_check_key),
    Expected("a key as the vendor gave it, or null"),
    Field(
        description="Key for the provider. Better kept out of this file: see `api_key_file`. It is"
        " never shown.",
    ),
]


class KeyedSettings(HostedSettings):
    """A provider that wants a key, unless it is the operator's own."""

    vendor_domain: ClassVar[str]
    vendor_variable: ClassVar[str]

    api_key: Annotated[ApiKey, After("model")] = None
    api_key_file: Annotated[
        Annotated[str, AfterValidator(_check_path)] | None,
        Expected("an absolute path such as /run/secrets/openai_api_key, or null"),
    ] = Field(
        default=None,
        description="File that holds nothing but the key, read at start where `api_key` is absent.",
    )
    context_length: Annotated[int | None, After("temperature")] = Field(
        default=None,
        ge=1,
        le=100_000_000,
        description="Context window of the model in tokens. A prompt that was too long elsewhere"
        " comes here only if this is known to hold it. null: unknown.",
    )

    @property
    def window_tokens(self) -> int | None:
        """Context window of the model; None if it is unknown."""
        return self.context_length

    @property
    @override
    def is_cloud(self) -> bool:
        return True

    @property
    def is_vendor(self) -> bool:
        """Whether the vendor itself is asked."""
        return f".{host_of(self.base_url)}".endswith(f".{self.vendor_domain}")

    @property
    def key_variable(self) -> str:
        """Variable that holds its key; "" where it would hand the vendor's key to somebody else."""
        return self.vendor_variable if self.is_cloud and self.is_vendor else ""

    @property
    @override
    def missing(self) -> str:
        has_key = not self.is_cloud or self.api_key is not None
        variable = self.key_variable
        sources = f"{variable} or api_key_file" if variable else "api_key_file"
        if not has_key and self.model is None:
            return f"has neither key nor model: set model, and {sources}"
        if not has_key:
            return f"has no key: set {sources}"
        return "has no model: set model" if self.model is None else ""
