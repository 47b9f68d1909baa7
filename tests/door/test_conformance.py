"""What holds at both doors, each served by a process of its own."""

import asyncio
import json
from collections.abc import AsyncIterator

import grpc
import pytest

from tests.door.methods import SERVICE
from tests.door.process import Served, channel_to, failure_of, rest_of, served, unary
from tests.door.served import MAX_MESSAGE_BYTES
from tests.fakes.eventually import PATIENCE_S
from tests.fakes.http2_connection import Kind, http2_connection

DOORS = ("aio", "in_loop")
CANCELLED = ("ended", "Wait cancelled")
MANY = 300


@pytest.fixture(scope="module", params=DOORS)
async def door(request: pytest.FixtureRequest) -> AsyncIterator[Served]:
    """Serve through each door in turn."""
    async with served(request.param) as one:
        yield one


async def refusal(door: Served, method: str, request: bytes = b"", **options: object) -> str:
    """Return the code with which a unary call fails."""
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await door.call(method, request, **options)
    return raised.value.code().name


async def test_it_is_the_door_that_was_wished(door: Served, request: pytest.FixtureRequest) -> None:
    assert request.node.callspec.params["door"] == door.door


@pytest.mark.parametrize("size", [0, 1, 16_384, 1_000_000, MAX_MESSAGE_BYTES])
async def test_a_request_and_its_answer_arrive_whole(door: Served, size: int) -> None:
    request = bytes(index % 251 for index in range(size))

    assert request == await door.call("Echo", request)


async def test_trailers_come_with_a_whole_answer(door: Served) -> None:
    call = door.unary("Echo")(b"", metadata=(("say", "hello"),), timeout=PATIENCE_S)
    await call

    assert {"said": "hello", "said-bin": b"\x00\xff"} == dict(await call.trailing_metadata())


async def test_a_method_knows_its_caller(door: Served) -> None:
    metadata = (("plain", "value"), ("some-bin", b"\x01\xfe"))
    facts = json.loads(await door.call("Facts", timeout=17, metadata=metadata))

    assert facts["peer"].startswith("ipv4:127.0.0.1:")
    assert {("plain", "value"), ("some-bin", "01fe")} <= {tuple(one) for one in facts["metadata"]}
    assert 10 < facts["time_remaining_s"] < 18  # gRPC rounds up


async def test_a_caller_may_set_no_deadline(door: Served) -> None:
    facts = json.loads(await door.call("Facts", timeout=None))

    assert facts["time_remaining_s"] is None


async def test_a_stream_comes_in_order_between_its_headers_and_its_trailers(door: Served) -> None:
    call = door.stream("Count")(b"500", timeout=PATIENCE_S)
    texts = [int(message) async for message in call]

    assert list(range(500)) == texts
    assert "header" == dict(await call.initial_metadata())["first"]
    assert {"last": "trailer"} == dict(await call.trailing_metadata())


async def test_a_stream_may_have_no_messages(door: Served) -> None:
    call = door.stream("Count")(b"0", timeout=PATIENCE_S)

    assert [] == [message async for message in call]
    assert {"last": "trailer"} == dict(await call.trailing_metadata())


@pytest.mark.parametrize("code", ["CANCELLED", "INVALID_ARGUMENT", "UNAVAILABLE", "DATA_LOSS"])
async def test_a_refusal_has_code_text_and_trailers(door: Served, code: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await door.call("Refuse", code.encode())
    error = raised.value

    assert (code, "no: naïve") == (error.code().name, error.details())
    assert "because" == dict(error.trailing_metadata())["why"]


@pytest.mark.parametrize("name", [f"/{SERVICE}/Nothing", "/no.Service/Echo", "/", "/x"])
async def test_an_unknown_method_is_unimplemented(door: Served, name: str) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await unary(door.channel, name)(b"", timeout=PATIENCE_S)

    assert (grpc.StatusCode.UNIMPLEMENTED, "Method not found!") == (
        raised.value.code(),
        raised.value.details(),
    )


async def test_requests_and_answers_go_to_and_fro(door: Served) -> None:
    call = door.to_and_fro("Each")(timeout=PATIENCE_S)
    for number in range(100):
        await call.write(str(number).encode())
        assert str(number).encode() == await call.read()
    await call.done_writing()

    assert grpc.aio.EOF is await call.read()
    assert grpc.StatusCode.OK is await call.code()


async def test_a_stream_of_requests_may_be_refused_in_its_middle(door: Served) -> None:
    call = door.to_and_fro("Each")(timeout=PATIENCE_S)
    for request in (b"one", b"refuse"):
        await call.write(request)

    assert "as asked" == (await failure_of(call)).details()


async def test_many_requests_at_once_leave_the_loop_to_others(door: Served) -> None:
    async def requests() -> AsyncIterator[bytes]:
        for _ in range(2_000):
            yield bytes(64)

    call = door.to_and_fro("Each")(requests(), timeout=PATIENCE_S)
    echoed = asyncio.gather(*(door.call("Echo", b"x") for _ in range(20)))
    count = len([message async for message in call])

    assert [b"x"] * 20 == await echoed
    assert 2_000 == count


async def test_a_caller_that_sends_no_request_ends_its_side(door: Served) -> None:
    call = door.requests("Echo")(iter(()), timeout=PATIENCE_S)

    assert b"no request" == await call


async def test_a_message_above_the_limit_is_refused(door: Served) -> None:
    assert "RESOURCE_EXHAUSTED" == await refusal(door, "Echo", bytes(MAX_MESSAGE_BYTES + 1))


async def test_metadata_above_the_limit_is_refused(door: Served) -> None:
    metadata = (("long", "x" * 32_768),)

    assert "RESOURCE_EXHAUSTED" == await refusal(door, "Echo", metadata=metadata)


async def test_a_compressed_request_is_refused(door: Served) -> None:
    options = {"compression": grpc.Compression.Gzip}

    assert "UNIMPLEMENTED" == await refusal(door, "Echo", bytes(5_000), **options)


async def test_a_deadline_ends_the_method(door: Served) -> None:
    passed, ended = await door.counted("passed", "Wait"), await door.counted(*CANCELLED)
    for timeout_s in (0.2, 1, 5):  # on a busy machine it may be over before the method begins
        assert "DEADLINE_EXCEEDED" == await refusal(door, "Wait", timeout=timeout_s)
        if await door.counted("passed", "Wait") > passed:
            break
    await door.until("running", "Wait", 0)

    assert await door.counted(*CANCELLED) > ended


async def test_a_caller_that_cancels_ends_the_method(door: Served) -> None:
    ended = await door.counted("ended", "WriteAndWait cancelled")
    call = door.stream("WriteAndWait")(b"", timeout=PATIENCE_S)
    assert b"here" == await call.read()
    call.cancel()

    await door.until("ended", "WriteAndWait cancelled", ended + 1)


async def test_calls_are_reset_in_each_phase_and_none_is_left(door: Served) -> None:
    method = f"/{SERVICE}/Wait"
    passed, ended = await door.counted("passed", "Wait"), await door.counted(*CANCELLED)
    async with http2_connection(door.address) as connection:
        whole = connection.call(method, b"whole")
        await door.until("passed", "Wait", passed + 1)
        half, headers_only = connection.begin(method), connection.begin(method)
        connection.data(half, b"\x00\x00\x00\x00\x10half")
        await door.until("running", "Wait", 3)
        for stream in (whole, half, headers_only):
            connection.reset(stream)
        await door.until("ended", "Wait cancelled", ended + 3)
        for _ in range(20):
            connection.reset(connection.call(method, b"at once"))
        assert b"x" == await door.call("Echo", b"x")
        await door.until("running", "Wait", 0)


async def test_a_stream_that_is_reset_while_its_window_is_full_ends(door: Served) -> None:
    ended = await door.counted("ended", "Flood cancelled")
    async with http2_connection(door.address) as connection:
        stream = connection.call(f"/{SERVICE}/Flood", b"400")
        await door.until("running", "Flood", 1)
        connection.reset(stream)
        await door.until("ended", "Flood cancelled", ended + 1)
        connection.reset(stream)
        assert b"x" == await door.call("Echo", b"x")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\x00\x00", id="half of a message's head"),
        pytest.param(b"\x00\x00\x00\x00\x10half", id="half of a message"),
        pytest.param(b"\x01\x00\x00\x00\x04text", id="compressed by nobody knows what"),
        pytest.param(b"\x07\x00\x00\x00\x04text", id="flags that do not exist"),
        pytest.param(b"\x00\xff\xff\xff\xff", id="four gigabytes"),
    ],
)
async def test_what_no_client_sends_ends_its_call_and_no_other(
    door: Served, payload: bytes
) -> None:
    async with http2_connection(door.address) as connection:
        for method in ("Echo", "Each"):
            connection.end(connection.begin(f"/{SERVICE}/{method}"), payload)
        beside = connection.call(f"/{SERVICE}/Echo", b"x")
        async for frame in connection.frames():
            if (Kind.DATA, beside) == (frame.kind, frame.stream):
                break
        for method in ("Echo", "Each"):
            await door.until("running", method, 0)

    assert b"x" == await door.call("Echo", b"x")


async def test_a_caller_may_end_its_side_before_it_reads(door: Served) -> None:
    call = door.to_and_fro("Each")(timeout=PATIENCE_S)
    for number in range(20):
        await call.write(str(number).encode())
    await call.done_writing()

    assert [str(number).encode() for number in range(20)] == await rest_of(call)
    assert grpc.StatusCode.OK is await call.code()


async def test_a_connection_that_breaks_ends_its_methods(door: Served) -> None:
    async with http2_connection(door.address) as connection:
        for _ in range(20):
            connection.call(f"/{SERVICE}/Wait", b"")
        await door.until("running", "Wait", 20)

    await door.until("running", "Wait", 0)


async def test_a_hundred_calls_in_one_breath_are_all_answered(door: Served) -> None:
    async with http2_connection(door.address) as connection:
        streams = {connection.call(f"/{SERVICE}/Echo", b"x") for _ in range(100)}
        answered = set()
        async for frame in connection.frames():
            if frame.kind == Kind.DATA:
                answered.add(frame.stream)
            if answered == streams:
                break

    assert streams == answered


async def test_one_connection_has_a_hundred_calls_and_the_others_wait(door: Served) -> None:
    async with http2_connection(door.address) as connection:
        async for frame in connection.frames():
            if frame.kind == Kind.SETTINGS and not frame.is_ack:
                break
        pairs = [frame.payload[at : at + 6] for at in range(0, len(frame.payload), 6)]

    assert (100).to_bytes(4) == {pair[:2]: pair[2:] for pair in pairs}[b"\x00\x03"]


async def test_calls_one_after_the_other_are_let_go_at_once(door: Served) -> None:
    async def caller() -> int:
        return sum([len(await door.call("Echo", b"x")) for _ in range(30)])

    assert 100 * 30 == sum(await asyncio.gather(*(caller() for _ in range(100))))


async def test_calls_whose_callers_left_keep_nothing(door: Served) -> None:
    passed = await door.counted("passed", "Wait")
    calls = [door.unary("Wait")(b"x", timeout=PATIENCE_S) for _ in range(10)]
    await door.until("passed", "Wait", passed + 10)
    assert 10 <= await door.counted("held", "requests")
    for call in calls:
        call.cancel()

    await door.until("held", "requests", 0)


async def test_cancelled_calls_leave_room_for_others(door: Served) -> None:
    for _ in range(5):
        calls = [door.unary("Wait")(b"", timeout=PATIENCE_S) for _ in range(100)]
        await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        assert b"x" == await door.call("Echo", b"x")


async def test_a_caller_that_reads_late_gets_everything(door: Served) -> None:
    passed = await door.counted("passed", "Flood")
    call = door.stream("Flood")(b"400", timeout=PATIENCE_S)
    await door.until("running", "Flood", 1)
    sizes = [len(message) async for message in call]

    assert [65_536] * 400 == sizes
    assert passed + 400 == await door.counted("passed", "Flood")


async def test_a_caller_that_does_not_read_is_told_behind_what_it_has(door: Served) -> None:
    passed = await door.counted("passed", "GiveUp")
    call = door.stream("GiveUp")(b"", timeout=PATIENCE_S)
    assert 65_536 == len(await call.read())
    await door.until("passed", "GiveUp", passed + 1)
    error = await failure_of(call)

    assert (grpc.StatusCode.ABORTED, "read faster") == (error.code(), error.details())
    await door.until("running", "GiveUp", 0)


async def test_many_connections_at_once_are_all_answered(door: Served) -> None:
    async def caller() -> bytes:
        async with channel_to(door.address) as channel:
            return bytes(await unary(channel, f"/{SERVICE}/Echo")(b"x", timeout=PATIENCE_S))

    assert [b"x"] * 60 == await asyncio.gather(*(caller() for _ in range(60)))


async def test_a_second_listener_answers_beside_the_first(door: Served) -> None:
    async with channel_to(door.addresses[1]) as channel:
        second = unary(channel, f"/{SERVICE}/Echo")
        answers = [await second(b"x", timeout=PATIENCE_S) for _ in range(3)]

    assert [b"x"] * 3 == answers


async def test_calls_see_nothing_of_each_other(door: Served) -> None:
    async def said(number: int) -> str:
        call = door.unary("Echo")(b"", metadata=(("say", str(number)),), timeout=PATIENCE_S)
        await call
        return str(dict(await call.trailing_metadata())["said"])

    numbers = range(MANY)

    assert [str(number) for number in numbers] == await asyncio.gather(*map(said, numbers))
