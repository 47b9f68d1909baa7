"""From a response that is no answer to what it means."""

from datetime import UTC, datetime
from typing import Protocol

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.response import UpstreamResponse
from llmsvc_server.providers.http.retry_after import retry_after_s
from llmsvc_server.providers.shared.error_signal import MAX_ERROR_BYTES

OK = 200


class Classify(Protocol):
    """Tells what a kind of provider means by a refusal."""

    def __call__(self, status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
        """Return the failure.

        Args:
            status: The HTTP status, which is not 200.
            body: The beginning of the body. Anything may be in it.
            retry_after_s: When to come back, by the headers.
        """
        ...


async def error_from_response(response: UpstreamResponse, classify: Classify) -> ProviderError:
    """Return the failure that a response with another status than 200 means; reads its body."""
    return error_from_body(response, await response.read_some(MAX_ERROR_BYTES), classify)


def error_from_body(response: UpstreamResponse, body: bytes, classify: Classify) -> ProviderError:
    """Return the same, of a response whose body was read, `MAX_ERROR_BYTES` of it at most."""
    wait_s = retry_after_s(response.headers, datetime.now(UTC))
    return classify(response.status, body, wait_s)
