"""From a response that is no answer to what it means."""

from datetime import UTC, datetime

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.anthropic.errors import classify
from llmsvc_server.providers.anthropic.refusals import said
from llmsvc_server.providers.http.response import Answer
from llmsvc_server.providers.http.retry_after import retry_after_s

OK = 200


def refusal_in(answer: Answer, body: bytes) -> ProviderError:
    """Return the failure that a response with another status than 200 means.

    Args:
        answer: The response.
        body: Its beginning, as far as it was read.
    """
    wait_s = retry_after_s(answer.headers, datetime.now(UTC))
    return classify(said(answer.status, body, retry_after_s=wait_s))
