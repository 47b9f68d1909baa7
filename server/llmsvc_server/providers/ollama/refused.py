"""From a response that is no answer to what it means. Shared by chats and by looks."""

from datetime import UTC, datetime

from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.response import Answer
from llmsvc_server.providers.http.retry_after import retry_after_s
from llmsvc_server.providers.ollama.errors import classify
from llmsvc_server.providers.ollama.refusals import MAX_REFUSAL_BYTES, said

OK = 200


async def refusal(answer: Answer) -> ProviderError:
    """Return the failure that a response with another status than 200 means; reads its body."""
    body = await answer.read_some(MAX_REFUSAL_BYTES)
    wait_s = retry_after_s(answer.headers, datetime.now(UTC))
    return classify(said(answer.status, body, retry_after_s=wait_s))
