"""What a look at a provider reads: its lists, and short documents of facts."""

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.providers.http.response import UpstreamResponse
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.shared.refusal import OK, Classify, error_from_response

LOOK_LIMIT_S = 1.8
"""Longest look, all questions together. Whoever wants it waits 2 s (ADR-004)."""

MAX_FACT_BYTES = 64 * 1024
"""Longest document that is no list."""

JSON = "application/json"


async def read_document(
    response: UpstreamResponse, max_bytes: int, tails: Tails, classify: Classify
) -> bytes:
    """Return a body that claims to be JSON.

    Args:
        response: Its response, which stays with the caller.
        max_bytes: The longest that it may be.
        tails: Counts it while it arrives.
        classify: Tells what the provider means by a refusal.

    Raises:
        ProviderError: It does not, or refuses to say.
    """
    if response.status != OK:
        error = await error_from_response(response, classify)
        if error.kind.rules.is_about_a_chat:
            raise ProviderError(ErrorKind.MISCONFIGURED, status=response.status)
        raise error
    if response.content_type != JSON:
        raise ProviderError(ErrorKind.MISCONFIGURED, status=OK)
    return await response.read_all(max_bytes, tails)
