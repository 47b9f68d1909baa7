import logging
import os
import sys

import pytest

from llmsvc_server.chat.route import (
    Privacy,
    ProviderInfo,
    Route,
    Trail,
)
from llmsvc_server.chat.usage import Usage
from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.observability.log_sink import LogSink
from llmsvc_server.observability.logging import logging_to
from llmsvc_server.reports import (
    SUBJECTS,
    AttemptEnd,
    AttemptReport,
    BlockState,
    BreakerState,
    ConnectionsState,
    HealthState,
    LoadState,
    ModelsState,
    PollState,
    QueueState,
    ReporterState,
    RpcReport,
    RpcStart,
    State,
    Transition,
)
from tests.fakes.manual_clock import ManualClock
from tests.unit.server.observability.written import MOCK, OLLAMA, Written


def test_a_violation_is_critical() -> None:
    written = Written()
    written.sink.attempt_finished(
        AttemptReport(
            provider=OLLAMA,
            model="phi3:mini",
            end=AttemptEnd.FAILED,
            error=ProviderError(ErrorKind.VIOLATION, row="O01"),
            duration_s=0.01,
            first_content_s=None,
        )
    )
    (line,) = written.lines()

    assert ("critical", "violation") == (line["level"], line["error"])


@pytest.mark.parametrize("end", [AttemptEnd.ANSWERED, AttemptEnd.LEFT])
def test_an_attempt_that_did_not_fail_is_no_line(end: AttemptEnd) -> None:
    written = Written()
    written.sink.attempt_finished(
        AttemptReport(
            provider=OLLAMA, model="phi3:mini", end=end, duration_s=0.01, first_content_s=None
        )
    )

    assert [] == written.lines()


def test_what_the_server_lacks_is_one_line_until_it_has_lacked_nothing_for_a_minute() -> None:
    clock = ManualClock()
    written = Written(clock=clock)
    report = AttemptReport(
        provider=OLLAMA,
        model="phi3:mini",
        end=AttemptEnd.FAILED,
        error=ProviderError(ErrorKind.EXHAUSTED, cause="descriptors", called=False),
        duration_s=0.01,
        first_content_s=None,
    )
    for pause_s in (0, 59, 59, 61):
        clock.advance(pause_s)
        written.sink.attempt_finished(report)

    assert ["server.exhausted"] * 2 == [line["event"] for line in written.lines()]
    assert all("ulimit -n" in line["remedy"] for line in written.lines())


def report_of(
    *, code: str = "OK", provider: ProviderInfo | None = None, detail: str = ""
) -> RpcReport:
    route = None
    if provider is not None:
        trail = Trail(requested_model="", privacy=Privacy.LOCAL_ONLY)
        route = Route(provider=provider, model="phi3:mini", trail=trail)
    return RpcReport(
        method="/llmsvc.v1.LLMService/Chat",
        request_id="r-1",
        code=code,
        reason="" if code == "OK" else "PROVIDER_ERROR",
        cause="",
        duration_s=1.2345,
        first_content_s=0.2,
        messages_sent=3,
        attempts=2,
        route=route,
        usage=Usage(input_tokens=7, output_tokens=None),
        detail=detail,
    )


def test_a_call_is_one_line_with_its_id_and_who_answered() -> None:
    written = Written()
    written.sink.rpc_started(RpcStart(method="/llmsvc.v1.LLMService/Chat", request_id="r-1"))
    written.sink.rpc_finished(report_of(provider=OLLAMA))
    (line,) = written.lines()

    assert ("rpc.finished", "info", "r-1") == (line["event"], line["level"], line["request_id"])
    assert ("Chat", "OK", 1234.5) == (line["method"], line["code"], line["duration_ms"])
    assert ("ollama", "phi3:mini", 7) == (line["provider"], line["model"], line["input_tokens"])
    assert ("local", 2) == (line["locality"], line["attempts"])
    assert "output_tokens" not in line


def test_a_canned_answer_says_so() -> None:
    written = Written()
    written.sink.rpc_finished(report_of(provider=MOCK))

    assert "CANNED" in written.lines()[0]["answer"]


def test_levels_follow_the_code() -> None:
    written = Written()
    for code in ("OK", "INVALID_ARGUMENT", "UNAVAILABLE", "INTERNAL"):
        written.sink.rpc_finished(report_of(code=code))

    assert ["info", "info", "warning", "error"] == [line["level"] for line in written.lines()]


def test_a_failed_attempt_is_a_line_of_facts() -> None:
    written = Written()
    error = ProviderError(
        ErrorKind.TRANSIENT,
        row="P07",
        status=500,
        code="server_error",
        phase="first_token",
        endpoint="second",
    )
    error.args = ("the prompt",)
    written.sink.attempt_finished(
        AttemptReport(
            provider=OLLAMA,
            model="phi3:mini",
            end=AttemptEnd.FAILED,
            error=error,
            duration_s=0.01,
            first_content_s=None,
            written_tokens=12,
        )
    )
    (line,) = written.lines()
    del line["timestamp"]
    expected = {
        "level": "warning",
        "event": "attempt.failed",
        "provider": "ollama",
        "model": "phi3:mini",
        "locality": "local",
        "error": "transient",
        "duration_ms": 10.0,
        "called": True,
        "endpoint": "second",
        "row": "P07",
        "http_status": 500,
        "code": "server_error",
        "phase": "first_token",
        "written_tokens": 12,
    }

    assert expected == line


def test_a_wait_that_was_told_has_no_artefacts() -> None:
    written = Written()
    error = ProviderError(ErrorKind.RATE_LIMIT, retry_after_s=0.3 - 0.271)
    written.sink.attempt_finished(
        AttemptReport(
            provider=OLLAMA,
            model="phi3:mini",
            end=AttemptEnd.FAILED,
            error=error,
            duration_s=0.029,
            first_content_s=None,
        )
    )

    assert 0.029 == written.lines()[0]["retry_after_s"]


LOUD = {
    HealthState.NOT_SERVING,
    PollState.UNKNOWN,
    ModelsState.LEFT_OUT,
    *QueueState,
    BreakerState.OPEN,
    BlockState.BLOCKED,
    ConnectionsState.FULL,
    LoadState.FAILED,
    LoadState.WEDGED,
    LoadState.STILL_WEDGED,
    *ReporterState,
    *ErrorKind,
}


@pytest.mark.parametrize(
    ("subject", "state"), [(subject, state) for kind, subject in SUBJECTS.items() for state in kind]
)
def test_changes_are_loud_when_they_are_bad(subject: str, state: State) -> None:
    written = Written()
    written.sink.changed(Transition(name="ollama", state=state))
    (line,) = written.lines()

    assert f"{subject}.changed" == line["event"]
    assert (state.value, "warning" if state in LOUD else "info") == (line["state"], line["level"])


def test_lines_below_the_level_are_not_written() -> None:
    written = Written(level="error")
    written.sink.rpc_finished(report_of())

    assert [] == written.lines()


def test_text_is_for_people() -> None:
    written = Written(as_json=False)
    written.sink.rpc_finished(report_of(provider=OLLAMA))

    assert "rpc.finished" in written.text()
    assert "provider=ollama" in written.text()


def test_what_libraries_log_comes_without_the_text_of_exceptions() -> None:
    written = Written()
    try:
        raise ValueError("the prompt")  # noqa: TRY301  as a library would
    except ValueError:
        logging.getLogger("aiohttp").exception("the prompt again")
    (line,) = written.lines()

    assert ("library.log", "aiohttp", "ValueError") == (
        line["event"],
        line["logger"],
        line["exception"],
    )
    assert "prompt" not in written.text()


def test_grpcs_word_on_a_caller_that_left_is_not_repeated() -> None:
    written = Written()
    logging.getLogger("grpc._cython.cygrpc").error("ExecuteBatchError raised in core by servicer")

    assert [] == written.lines()


def test_a_log_whose_reader_is_gone_loses_lines_and_fails_no_call() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", encoding="utf-8") as stream:  # noqa: PTH123  a descriptor
        with logging_to(stream, level="info", as_json=True) as logger:
            LogSink(logger).rpc_finished(report_of())
        closed = stream

    LogSink(logger).rpc_finished(report_of())

    assert closed.closed


def test_what_does_not_log_goes_the_same_way() -> None:
    written = Written()
    sys.stderr.write("half a ")
    sys.stderr.write("line\nand a whole one\n")

    assert "half a line\nand a whole one\n" == written.text()
