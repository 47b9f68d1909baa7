"""gRPC core's own explanations, in words that say what happened and how long it took. Pure."""

import re
from typing import Final

from llmsvc_client.errors import Code

# As grpcio 1.85 writes them; the first that fits counts.
_MEANINGS: Final = {
    r"http1\.x server|Failed parsing HTTP/2": "what answers there does not speak gRPC",
    r"http2 header with status:? (\d{3})": "something before the server answered with HTTP \\1",
    r"invalid content-type": "something before the server answered, and not in gRPC",
    r"Connection refused": "connection refused",
    r"errors resolving|DNS resolution failed": "the host's name can't be resolved",
    r"No such file or directory": "there is no such socket",
    r"REFUSED_STREAM|GOAWAY": "the server takes no further call on this connection",
    r"RST_STREAM with error code 8": "the other side cancelled the call",
    r"SERVER: Received message larger than max \((\d+) vs\. (\d+)\)": "the request has \\1 bytes, and"
    " the server takes at most \\2: shorten the texts",
    r"Received message larger than max": "the answer is larger than 16 MiB, the most that this"
    " client takes",
    r"Socket closed|Connection reset|Broken pipe|keepalive|ping timeout": "the connection was lost",
    r"timed out|timeout|No route to host|unreachable": "the network does not lead there",
    r"Method not found|Method is unimplemented|unknown service": "the server has no such call",
}


def explain_status(code: Code, text: str, timeout_s: float | None) -> str:
    """Return what a status that no llmsvc server made means; an unknown text as it is.

    Args:
        code: The status.
        text: Its explanation.
        timeout_s: Time that the call had in seconds. None: none was set.
    """
    if code is Code.DEADLINE_EXCEEDED and re.search("deadline exceeded", text, re.IGNORECASE):
        if timeout_s is None:
            return "the time for the call is over"
        return f"no whole answer within {timeout_s:g} s, the time that the call was given"
    for pattern, meaning in _MEANINGS.items():
        if found := re.search(pattern, text, re.IGNORECASE):
            return found.expand(meaning)
    return text or "The call failed without an explanation."
