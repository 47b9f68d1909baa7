import pytest
from google.protobuf.duration_pb2 import Duration

from llmsvc.v1 import llm_pb2
from llmsvc_server.errors import Violation, ViolationReason
from tests.unit.server.rpc.refusals import (
    ASSISTANT,
    SYSTEM,
    USER,
    fields_refused,
    message,
    of,
    told,
)

MIB = 1024 * 1024
INTERVAL = ("stream_options.progress_interval", "OUT_OF_RANGE", "use 1 s to 60 s")
UNKNOWN_ROLE = "use ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL"


def progressing(seconds: int, nanos: int = 0) -> llm_pb2.ChatRequest:
    options = llm_pb2.StreamOptions(progress_interval=Duration(seconds=seconds, nanos=nanos))
    return llm_pb2.ChatRequest(messages=[message()], stream_options=options)


@pytest.mark.parametrize(
    "request_",
    [
        of(message()),
        of(message(SYSTEM), message()),
        of(message(SYSTEM), message(SYSTEM), message(), message(ASSISTANT), message()),
        of(message(), message()),
        of(message(USER, "")),
        of(message(USER, *["hi"] * 64)),
        of(*[message()] * 1000),
        of(message(USER, "x" * (4 * MIB))),
        of(message(USER, *["\N{SNOWMAN}" * 699_050] * 2)),
        llm_pb2.ChatRequest(model="m" * 256, messages=[message()]),
        llm_pb2.ChatRequest(model="\N{SNOWMAN}" * 85, messages=[message()]),
        llm_pb2.ChatRequest(
            messages=[message()], stream_options=llm_pb2.StreamOptions(final_message_included=True)
        ),
        progressing(1),
        progressing(59, 999_999_999),
        progressing(60),
    ],
)
def test_what_keeps_the_contract_is_accepted(request_: llm_pb2.ChatRequest) -> None:
    assert [] == told(request_)


@pytest.mark.parametrize(
    ("request_", "field", "reason", "remedy"),
    [
        (of(), "messages", "MISSING", "send at least one user message"),
        (of(*[message()] * 1001), "messages", "TOO_MANY", "send at most 1000"),
        (
            of(message(0), message()),
            "messages[0].role",
            "MISSING",
            "set it to ROLE_SYSTEM, ROLE_USER, ROLE_ASSISTANT or ROLE_TOOL",
        ),
        (of(message(5), message()), "messages[0].role", "UNKNOWN", UNKNOWN_ROLE),
        (of(message(-1), message()), "messages[0].role", "UNKNOWN", UNKNOWN_ROLE),
        (of(message(), message(2**31 - 1)), "messages[1].role", "UNKNOWN", UNKNOWN_ROLE),
        (
            of(message(), message(SYSTEM), message()),
            "messages[1].role",
            "NOT_ALLOWED",
            "put system messages first",
        ),
        (
            of(message(), message(ASSISTANT)),
            "messages[1].role",
            "NOT_ALLOWED",
            "end the conversation with a user or tool message",
        ),
        (
            of(message(SYSTEM)),
            "messages[0].role",
            "NOT_ALLOWED",
            "end the conversation with a user or tool message",
        ),
        (
            of(message(), llm_pb2.Message(role=USER)),
            "messages[1].parts",
            "MISSING",
            "send at least one part",
        ),
        (of(message(USER, *["hi"] * 258)), "messages[0].parts", "TOO_MANY", "send at most 257"),
        (
            of(llm_pb2.Message(role=USER, parts=[llm_pb2.ContentPart()])),
            "messages[0].parts[0]",
            "MISSING",
            "set a kind that this server knows",
        ),
        (
            llm_pb2.ChatRequest(model="m" * 257, messages=[message()]),
            "model",
            "TOO_LONG",
            "use at most 256 bytes",
        ),
        (
            llm_pb2.ChatRequest(model="\N{SNOWMAN}" * 86, messages=[message()]),
            "model",
            "TOO_LONG",
            "use at most 256 bytes",
        ),
        (progressing(0), *INTERVAL),
        (progressing(0, 999_999_999), *INTERVAL),
        (progressing(60, 1), *INTERVAL),
        (progressing(-5), *INTERVAL),
        (progressing(2**63 - 1, 2**31 - 1), *INTERVAL),
        (progressing(-(2**63), -(2**31)), *INTERVAL),
    ],
)
def test_what_breaks_it_is_named_with_its_remedy(
    request_: llm_pb2.ChatRequest, field: str, reason: str, remedy: str
) -> None:
    expected = [Violation(field, ViolationReason(reason), remedy)]

    assert expected == told(request_)


@pytest.mark.parametrize(
    "request_",
    [
        of(message(USER, "x" * (4 * MIB + 1))),
        of(message(USER, "x" * (2 * MIB)), message(USER, "x", "x" * (2 * MIB))),
        of(message(USER, *["\N{SNOWMAN}" * 699_051] * 2)),
    ],
    ids=["one part", "several messages", "counted in bytes"],
)
def test_more_text_than_four_mebibytes_is_refused(request_: llm_pb2.ChatRequest) -> None:
    expected = [
        Violation("messages", ViolationReason.TOO_LONG, "send at most 4194304 bytes of text")
    ]

    assert expected == told(request_)


def test_a_long_model_name_does_not_count_as_text() -> None:
    request = llm_pb2.ChatRequest(model="m" * 5 * MIB, messages=[message()])

    assert ["model"] == fields_refused(request)


@pytest.mark.parametrize("role", [SYSTEM, USER])
def test_only_assistants_decline(role: llm_pb2.Role.ValueType) -> None:
    declined = llm_pb2.Message(role=role, parts=[llm_pb2.ContentPart(refusal="No.")])
    expected = Violation(
        "messages[0].parts[0].refusal", ViolationReason.NOT_ALLOWED, "send text in this role"
    )

    assert [expected] == told(of(declined, message()))


def test_an_assistant_may_decline_or_say_nothing() -> None:
    declined = llm_pb2.Message(role=ASSISTANT, parts=[llm_pb2.ContentPart(refusal="No.")])

    assert not told(of(message(), declined, llm_pb2.Message(role=ASSISTANT), message()))


def test_refusals_count_as_text() -> None:
    declined = llm_pb2.Message(role=ASSISTANT, parts=[llm_pb2.ContentPart(refusal="x" * 5 * MIB)])

    assert ["messages"] == fields_refused(of(message(), declined, message()))


def test_a_part_of_a_kind_that_is_not_known_is_refused() -> None:
    # Field 2 of ContentPart, as a newer client would send an image.
    part = llm_pb2.ContentPart.FromString(b"\x12\x03abc")
    request = of(llm_pb2.Message(role=USER, parts=[part]))

    assert ["messages[0].parts[0]"] == fields_refused(request)


def test_system_messages_after_a_role_that_is_not_known_are_refused_too() -> None:
    request = of(message(7), message(SYSTEM), message())

    assert ["messages[0].role", "messages[1].role"] == fields_refused(request)
