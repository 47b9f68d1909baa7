"""The line of a call, in the order in which it is written."""

import msgspec

from llmsvc_server.chat.route import ProviderKind
from llmsvc_server.reports import RpcReport


class CallLine(msgspec.Struct, omit_defaults=True):
    """One struct, encoded once: a dict of the same facts costs three times as much.

    What is empty is left out. When, how loud, what and of which call it is, whoever writes it adds, as
    to every line. Lengths are told to a tenth of a millisecond.
    """

    timestamp: str = ""
    level: str = ""
    event: str = ""
    method: str = ""
    code: str = ""
    reason: str = ""
    cause: str = ""
    duration_ms: float | None = None
    first_content_ms: float | None = None
    messages_sent: int = 0
    attempts: int = 0
    provider: str = ""
    model: str = ""
    locality: str = ""
    answer: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    defect: str = ""
    request_id: str = ""


def describe_call(report: RpcReport) -> CallLine:
    """Return what is known of a call."""
    line = CallLine(
        method=report.method.rpartition("/")[2],
        code=report.code,
        reason=report.reason,
        cause=report.cause,
        duration_ms=round(report.duration_s * 1000, 1),
        messages_sent=report.messages_sent,
        attempts=report.attempts,
        defect=report.detail,
    )
    if report.first_content_s is not None:
        line.first_content_ms = round(report.first_content_s * 1000, 1)
    if report.route is not None:
        provider = report.route.provider
        line.provider = provider.name
        line.model = report.route.model
        line.locality = provider.locality
        if provider.kind is ProviderKind.MOCK:
            line.answer = "CANNED: the mock answered, not a model"
    if report.usage is not None:
        line.input_tokens = report.usage.input_tokens
        line.output_tokens = report.usage.output_tokens
    return line
