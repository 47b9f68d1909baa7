"""Addresses as people write them: where to listen, and where an upstream is."""

import ipaddress
import re
from functools import partial
from typing import Annotated
from urllib.parse import SplitResult, urlsplit

from pydantic import AfterValidator

from llmsvc_server.config.section import Expected, value_error

_LISTEN_WORDS = "HOST:PORT, such as 127.0.0.1:50051 or [::1]:50051; port 0 takes a free one"
_OLLAMA_WORDS = "an address such as http://localhost:11434"
_OPENAI_WORDS = "an address such as http://gpu-box:8000/v1"
_ANTHROPIC_WORDS = "an address such as https://api.anthropic.com"
_HOST_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(\.[A-Za-z0-9_-]{1,63})*\.?")
_LOOKS_LIKE_IPV4 = re.compile(r"[0-9.]+")
_URL_CHARACTERS = re.compile(r"[!-~]+")
_PORT = re.compile(r"[0-9]{1,5}")
_HIGHEST_PORT = 65_535
_OLLAMA_PATHS = re.compile(
    r"/(v1(/(chat/)?completions|/models|/embeddings)?"
    r"|api(/(chat|generate|tags|ps|show|pull|version|embed|embeddings))?)$"
)
_OPENAI_PATHS = re.compile(r"/((chat/)?completions|responses|models|embeddings)$")
_ANTHROPIC_PATHS = re.compile(r"/v1(/messages|/models|/complete)?$")


def _is_host(text: str) -> bool:
    if _LOOKS_LIKE_IPV4.fullmatch(text):
        try:
            ipaddress.IPv4Address(text)
        except ValueError:
            return False
        return True
    return _HOST_NAME.fullmatch(text) is not None


def _is_ipv6(text: str) -> bool:
    try:
        ipaddress.IPv6Address(text)
    except ValueError:
        return False
    return True


def split_listen(text: str) -> tuple[str, int]:
    """Return host and port of a listening address, an IPv6 host without its brackets.

    Raises:
        PydanticCustomError: It is not HOST:PORT.
    """
    host, colon, port = text.rpartition(":")
    if not colon or not _PORT.fullmatch(port) or int(port) > _HIGHEST_PORT:
        raise value_error("has no port from 0 to 65535 at its end", f"write {_LISTEN_WORDS}")
    if not host:
        raise value_error("names no host", f"write 0.0.0.0:{port} to listen on every address")
    if host.startswith("[") and host.endswith("]") and _is_ipv6(host[1:-1]):
        return host[1:-1], int(port)
    if _is_ipv6(host):
        raise value_error("is an IPv6 address without brackets", f"write [{host}]:{port}")
    if not _is_host(host):
        raise value_error("names no host", f"write {_LISTEN_WORDS}")
    return host, int(port)


def probe_address(listen: str) -> str:
    """Return where this machine reaches a listener: its address, or loopback if it takes every one."""
    host, port = split_listen(listen)
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104  compared, not bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def is_loopback(host: str) -> bool:
    """Return whether nobody beyond this machine reaches `host`; False for other names."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def host_of(url: str) -> str:
    """Return the host of an address that was checked, without the dot that may end its name."""
    return (urlsplit(url).hostname or "").rstrip(".")


def _check_listen(text: str) -> str:
    split_listen(text)
    return text


def _check_root(text: str, *, words: str, endpoints: re.Pattern[str]) -> str:
    """Return an upstream's root without a slash at its end.

    An address that ends in an endpoint is refused rather than cut: manuals give such addresses for
    other uses, so whoever writes one should learn what this setting means.

    Args:
        text: As somebody wrote it.
        words: What it should look like.
        endpoints: Ends of a path that the server adds by itself.
    """
    if not _URL_CHARACTERS.fullmatch(text) or "\\" in text:
        raise value_error("holds characters that no address has", f"write {words}")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise value_error("is not an address", f"write {words}") from None
    if parts.scheme not in {"http", "https"}:
        is_quoted = text[0] in "\"'`"
        what = (
            "stands in quotation marks" if is_quoted else "does not start with http:// or https://"
        )
        raise value_error(what, f"write {words}")
    if "@" in parts.netloc:
        raise value_error("carries a user name or password", "remove it: logs would show it")
    if "?" in text or "#" in text:
        raise value_error("has a query or a fragment", "end it before the ? or #")
    _check_host(parts, port, words)
    path = parts.path.rstrip("/")
    root = f"{parts.scheme}://{parts.netloc}"
    if endpoint := endpoints.search(path):
        what = f"ends in {endpoint[0]}, and the server adds the path itself"
        raise value_error(what, f"write {root}{path[: endpoint.start()]}")
    return f"{root}{path}"


def _check_host(parts: SplitResult, port: int | None, words: str) -> None:
    """Return if an address names somebody who can be asked."""
    if port == 0 or not _has_host(parts):
        raise value_error("names no host or no usable port", f"write {words}")
    if _is_unspecified(parts.hostname or ""):
        own = "[::1]" if parts.netloc.startswith("[") else "127.0.0.1"
        place = own if port is None else f"{own}:{port}"
        what = "is where a server listens on every address, and none that can be asked"
        raise value_error(what, f"write {parts.scheme}://{place}{parts.path}")


def _is_unspecified(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_unspecified


def _has_host(parts: SplitResult) -> bool:
    host = parts.hostname or ""
    return _is_ipv6(host) if parts.netloc.startswith("[") else _is_host(host)


ListenAddress = Annotated[str, AfterValidator(_check_listen), Expected(_LISTEN_WORDS)]
OllamaUrl = Annotated[
    str,
    AfterValidator(partial(_check_root, words=_OLLAMA_WORDS, endpoints=_OLLAMA_PATHS)),
    Expected(_OLLAMA_WORDS),
]
OpenaiUrl = Annotated[
    str,
    AfterValidator(partial(_check_root, words=_OPENAI_WORDS, endpoints=_OPENAI_PATHS)),
    Expected(_OPENAI_WORDS),
]
AnthropicUrl = Annotated[
    str,
    AfterValidator(partial(_check_root, words=_ANTHROPIC_WORDS, endpoints=_ANTHROPIC_PATHS)),
    Expected(_ANTHROPIC_WORDS),
]
