"""Content that comes as a list of parts instead of one text.

Source: Mistral's thinking models (`{"type": "thinking", "thinking": [...]}` beside text).
"""

from typing import NamedTuple

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.shared.untyped import text_of

_TEXTS = frozenset({None, "text", "output_text"})
_THINKING = frozenset({"thinking", "redacted_thinking", "reasoning"})


class Parts(NamedTuple):
    """What parts come to: the text of all, and whether any of them is thinking."""

    text: str
    thinks: bool


def read_parts(content: object) -> Parts:
    """Return what content says that is no text itself. Unknown parts say nothing.

    Raises:
        ProviderError: PROTOCOL. Nobody can tell what text it holds.
    """
    texts: list[str] = []
    thinks = False
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            kind = part.get("type")
            if not isinstance(kind, str | None):
                continue
            if kind in _TEXTS:
                texts.append(_text(part.get("text")))
            thinks = thinks or kind in _THINKING
        elif part is not None:
            raise ProviderError(ErrorKind.PROTOCOL, row="C08")
    return Parts("".join(texts), thinks)


def read_refusals(content: object) -> str:
    """Return what the refusals among parts say, joined."""
    parts = content if isinstance(content, list) else [content]
    return "".join(
        text_of(part.get("refusal"))
        for part in parts
        if isinstance(part, dict) and part.get("type") == "refusal"
    )


def _text(value: object) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    raise ProviderError(ErrorKind.PROTOCOL, row="C08")
