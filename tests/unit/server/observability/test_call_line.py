import json

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from llmsvc_server.chat.route import Privacy, Route, Trail
from llmsvc_server.chat.usage import Usage
from llmsvc_server.reports import RpcReport, RpcStart
from tests.unit.server.observability.written import MOCK, OLLAMA, Written

FACTS = st.builds(
    RpcReport,
    method=st.sampled_from(["/llmsvc.v1.LLMService/Chat", "/llmsvc.v1.LLMService/ChatStream"]),
    request_id=st.text(max_size=8),
    code=st.sampled_from(["OK", "INVALID_ARGUMENT", "UNAVAILABLE", "INTERNAL"]),
    reason=st.sampled_from(["", "PROVIDER_ERROR"]),
    cause=st.sampled_from(["", "slowReader"]),
    duration_s=st.floats(0, 1e6),
    first_content_s=st.none() | st.floats(0, 1e6),
    messages_sent=st.integers(0, 10**9),
    attempts=st.integers(0, 4),
    route=st.none()
    | st.builds(
        Route,
        provider=st.sampled_from([OLLAMA, MOCK]),
        model=st.text(),
        trail=st.just(Trail(requested_model="", privacy=Privacy.LOCAL_ONLY)),
    ),
    usage=st.none()
    | st.builds(
        Usage,
        input_tokens=st.none() | st.integers(0, 2**31),
        output_tokens=st.none() | st.integers(0, 2**31),
    ),
    detail=st.sampled_from(["", "ValueError at guard.py:7"]),
)
LEVELS = {"OK": "info", "INVALID_ARGUMENT": "info", "UNAVAILABLE": "warning", "INTERNAL": "error"}


def expected_line(report: RpcReport, timestamp: str) -> bytes:
    """Return the line of a call, fact by fact."""
    route, usage = report.route, report.usage
    content_s = report.first_content_s
    mock = "CANNED: the mock answered, not a model"
    facts: dict[str, object] = {
        "timestamp": timestamp,
        "level": LEVELS[report.code],
        "event": "rpc.finished",
        "method": report.method.split("/")[-1],
        "code": report.code,
        "reason": report.reason,
        "cause": report.cause,
        "duration_ms": round(report.duration_s * 1000, 1),
        "first_content_ms": None if content_s is None else round(content_s * 1000, 1),
        "messages_sent": report.messages_sent or None,
        "attempts": report.attempts or None,
        "provider": route and route.provider.name,
        "model": route and route.model,
        "locality": route and route.provider.locality.value,
        "answer": mock if route and route.provider is MOCK else None,
        "input_tokens": usage and usage.input_tokens,
        "output_tokens": usage and usage.output_tokens,
        "defect": report.detail,
        "request_id": report.request_id,
    }
    told = {name: fact for name, fact in facts.items() if fact not in (None, "")}
    return msgspec.json.encode(told) + b"\n"


@given(report=FACTS)
def test_every_fact_of_a_call_stands_in_its_place_and_what_is_empty_in_none(
    report: RpcReport,
) -> None:
    written = Written()
    written.sink.rpc_started(RpcStart(method=report.method, request_id=report.request_id))
    written.sink.rpc_finished(report)
    line = written.text()

    assert expected_line(report, json.loads(line)["timestamp"]) == line.encode()
