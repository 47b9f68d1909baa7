"""From a response that is no answer to what it means. Shared by chats, looks and warming."""

from datetime import UTC, datetime

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.response import Answer
from llmsvc_server.providers.http.retry_after import retry_after_s
from llmsvc_server.providers.openai.errors import classify
from llmsvc_server.providers.openai.refusals import MAX_REFUSAL_BYTES, said

OK = 200


async def refusal(answer: Answer, *, is_local: bool) -> ProviderError:
    """Return the failure that a response with another status than 200 means; reads its body.

    Args:
        answer: The response.
        is_local: Whether the provider is in the operator's network.
    """
    return refusal_in(answer, await answer.read_some(MAX_REFUSAL_BYTES), is_local=is_local)


def refusal_in(answer: Answer, body: bytes, *, is_local: bool) -> ProviderError:
    """Return the same, of a response whose body was read.

    Args:
        answer: The response.
        body: Its beginning, at most `MAX_REFUSAL_BYTES`.
        is_local: Whether the provider is in the operator's network.
    """
    wait_s = retry_after_s(answer.headers, datetime.now(UTC))
    return classify(said(answer.status, body, retry_after_s=wait_s), is_local=is_local)
