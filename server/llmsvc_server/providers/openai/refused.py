"""From a response that is no answer to what it means. Shared by chats, looks and warming."""

from datetime import UTC, datetime

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.answer import Answer
from llmsvc_server.providers.openai.errors import classify
from llmsvc_server.providers.openai.refusals import MAX_REFUSAL_BYTES, said
from llmsvc_server.providers.retry_after import retry_after_s

OK = 200


async def refusal(answer: Answer, *, is_local: bool) -> ProviderError:
    """Return the failure that a response with another status than 200 means; reads its body.

    Args:
        answer: The response.
        is_local: Whether the provider is in the operator's network.
    """
    body = await answer.read_some(MAX_REFUSAL_BYTES)
    wait_s = retry_after_s(answer.headers, datetime.now(UTC))
    return classify(said(answer.status, body, retry_after_s=wait_s), is_local=is_local)
