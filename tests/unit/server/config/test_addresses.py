"""Addresses: where to listen, and where an upstream is."""

import pytest

from llmsvc_server.config.addresses import is_loopback, probe_address, split_listen
from llmsvc_server.config.sources import load
from tests.unit.server.config.loading import refusal

LISTEN = {
    "127.0.0.1:50051": ("127.0.0.1", 50051),
    "0.0.0.0:0": ("0.0.0.0", 0),  # noqa: S104  an address is read, nothing listens
    "localhost:65535": ("localhost", 65535),
    "[::1]:50051": ("::1", 50051),
    "[::]:1": ("::", 1),
    "my-host.example:50051": ("my-host.example", 50051),
}
NO_PORT = "has no port from 0 to 65535 at its end"
NO_LISTEN = {
    "": NO_PORT,
    "localhost": NO_PORT,
    "50051": NO_PORT,
    "localhost:": NO_PORT,
    "localhost:http": NO_PORT,
    "localhost:-1": NO_PORT,
    "localhost:65536": NO_PORT,
    "localhost:\u0665": NO_PORT,
    "localhost:50051 ": NO_PORT,
    ":50051": "names no host; write 0.0.0.0:50051 to listen on every address",
    "::1:50051": "is an IPv6 address without brackets; write [::1]:50051",
    "[::1:50051": "names no host",
    "[fe80]:50051": "names no host",
    "256.0.0.1:1": "names no host",
    "1.2.3:1": "names no host",
    "http://localhost:50051": "names no host",
    "unix:/tmp/socket:1": "names no host",
    "two words:1": "names no host",
}
URLS = {
    "http://localhost:11434": "http://localhost:11434",
    "http://localhost:11434/": "http://localhost:11434",
    "HTTP://LOCALHOST": "http://LOCALHOST",
    "https://gate.example/ollama/": "https://gate.example/ollama",
    "http://[::1]:11434": "http://[::1]:11434",
    "http://10.0.0.7:1": "http://10.0.0.7:1",
    "http://ollama_1:11434": "http://ollama_1:11434",
    "http://gate.example/api/ollama": "http://gate.example/api/ollama",
}
NO_SCHEME = "does not start with http:// or https://"
NO_HOST = "names no host or no usable port"
NO_CHARACTERS = "holds characters that no address has"
EVERY = "is where a server listens on every address, and none that can be asked"
NO_URLS = {
    "localhost:11434": NO_SCHEME,
    "localhost": NO_SCHEME,
    "//localhost": NO_SCHEME,
    "ftp://localhost": NO_SCHEME,
    "file:///etc/passwd": NO_SCHEME,
    "": NO_CHARACTERS,
    "http://local host": NO_CHARACTERS,
    "http://localhost\n": NO_CHARACTERS,
    "http://localhost\\@x": NO_CHARACTERS,
    "http://öllama": NO_CHARACTERS,
    "http://": NO_HOST,
    "http:localhost": NO_HOST,
    "http://:11434": NO_HOST,
    "http://localhost:0": NO_HOST,
    "http://-x": NO_HOST,
    "http://300.1.1.1": NO_HOST,
    "http://0.0.0.0:11434": f"{EVERY}; write http://127.0.0.1:11434",
    "https://0.0.0.0/a": f"{EVERY}; write https://127.0.0.1/a",
    "http://[::]:8000/": f"{EVERY}; write http://[::1]:8000/",
    "http://[0:0:0:0:0:0:0:0]": f"{EVERY}; write http://[::1]",
    "http://[::ffff:0.0.0.0]:1": f"{EVERY}; write http://[::1]:1",
    "`http://localhost`": "stands in quotation marks; write an address such as",
    "http://[::1": "is not an address",
    "http://[zz]": "is not an address",
    "http://localhost:99999": "is not an address",
    "http://localhost:port": "is not an address",
    "http://user:word@localhost": "carries a user name or password",
    "http://user@localhost": "carries a user name or password",
    "http://localhost?a=b": "has a query or a fragment",
    "http://localhost?": "has a query or a fragment",
    "http://localhost#x": "has a query or a fragment",
    "http://localhost:11434/v1": "ends in /v1, and the server adds the path itself;"
    " write http://localhost:11434",
    "http://localhost:11434/api/": "ends in /api, and the server adds the path itself;"
    " write http://localhost:11434",
    "http://localhost:11434/api/chat": "ends in /api/chat, and the server adds the path itself;"
    " write http://localhost:11434",
    "https://g/x/v1/chat/completions": "ends in /v1/chat/completions, and the server adds the path"
    " itself; write https://g/x",
}


def reason(name: str, value: str) -> str:
    """Return the only line of a refusal, without the variable and the path before it."""
    (line,) = refusal(None, {name: value})
    return line.split(": ", 2)[2]


@pytest.mark.parametrize("text", LISTEN)
def test_a_listening_address_has_host_and_port(text: str) -> None:
    server = load(None, {"LLMSVC_SERVER__LISTEN": text}).settings.server

    assert text == server.listen
    assert LISTEN[text] == split_listen(server.listen)


@pytest.mark.parametrize("text", NO_LISTEN)
def test_another_listening_address_is_refused(text: str) -> None:
    assert reason("LLMSVC_SERVER__LISTEN", text).startswith(NO_LISTEN[text])


@pytest.mark.parametrize("text", ["nowhere", "127.0.0.1:50051", "[::]:50051"])
def test_the_listener_for_probes_has_an_address_and_a_port_of_its_own(text: str) -> None:
    remedy = "choose another port" if "50051" in text else "has no port from 0 to 65535"
    assert remedy in reason("LLMSVC_SERVER__HEALTH_LISTEN", text)


def test_both_listeners_may_take_a_free_port() -> None:
    free = {"LLMSVC_SERVER__LISTEN": "127.0.0.1:0", "LLMSVC_SERVER__HEALTH_LISTEN": "127.0.0.1:0"}

    assert load(None, free).settings.server.health_listen == "127.0.0.1:0"


@pytest.mark.parametrize("text", URLS)
def test_an_upstreams_address_is_kept_without_its_last_slash(text: str) -> None:
    llm = load(None, {"LLMSVC_LLM__PROVIDERS__OLLAMA__BASE_URL": text}).settings.llm

    assert URLS[text] == llm.model_dump()["providers"]["ollama"]["base_url"]


@pytest.mark.parametrize("text", NO_URLS)
def test_another_upstreams_address_is_refused(text: str) -> None:
    assert reason("LLMSVC_LLM__PROVIDERS__OLLAMA__BASE_URL", text).startswith(NO_URLS[text])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", True),
        ("127.8.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),  # noqa: S104  the same
        ("::", False),
        ("10.0.0.7", False),
        ("my-host", False),
    ],
)
def test_loopback_is_what_nobody_else_reaches(host: str, expected: bool) -> None:  # noqa: FBT001  a table's column
    assert expected is is_loopback(host)


def test_the_default_listens_on_loopback() -> None:
    assert load(None, {}).settings.server.on_loopback


@pytest.mark.parametrize(
    ("listen", "reached"),
    [
        ("0.0.0.0:1", "127.0.0.1:1"),
        ("[::]:1", "[::1]:1"),
        ("[::1]:1", "[::1]:1"),
        ("10.0.0.7:1", "10.0.0.7:1"),
        ("box:1", "box:1"),
    ],
)
def test_a_listener_is_reached_from_its_own_machine(listen: str, reached: str) -> None:
    assert reached == probe_address(listen)
