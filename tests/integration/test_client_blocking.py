"""The blocking client beside the tests' own event loop, from other threads and processes."""

import asyncio
import signal
import sys
import threading

import grpc
import pytest

from llmsvc_client import BlockingClient, HealthStatus, StreamInterruptedError
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_answers import Failing, completed, piece, response, started
from tests.fakes.scripted_service import ScriptedService


def streamed(address: str) -> list[str]:
    with BlockingClient(address) as client, client.stream("hi") as stream:
        return [piece.text for piece in stream]


async def test_chats(service: ScriptedService) -> None:
    service.scripts = [[response("Hello")]]

    def ask() -> str:
        with BlockingClient(service.address) as client:
            return client.chat("hi", timeout_s=5).text

    assert "Hello" == await asyncio.to_thread(ask)


async def test_a_cancel_from_the_other_side_is_repeated(service: ScriptedService) -> None:
    service.scripts = [[Failing(grpc.StatusCode.CANCELLED)], [response("Hello")]]

    def ask() -> str:
        with BlockingClient(service.address) as client:
            return client.chat("hi", timeout_s=5).text

    assert "Hello" == await asyncio.to_thread(ask)


async def test_streams(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("Hel"), piece("lo"), completed()]]

    def ask() -> tuple[list[str], str, str, str | None]:
        with BlockingClient(service.address) as client, client.stream("hi") as stream:
            pieces = [piece.text for piece in stream]
            model = stream.route and stream.route.model
            return pieces, stream.text, stream.reply.text, f"{model} {stream.request_id}"

    assert (["Hel", "lo"], "Hello", "Hello", "phi3:mini req-1") == await asyncio.to_thread(ask)


async def test_asks_for_health(service: ScriptedService) -> None:
    def ask() -> HealthStatus:
        with BlockingClient(service.address) as client:
            return client.health()

    assert HealthStatus.SERVING is await asyncio.to_thread(ask)


async def test_raises_the_same_errors(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("a")]]

    with pytest.raises(StreamInterruptedError) as caught:
        await asyncio.to_thread(streamed, service.address)

    assert "a" == caught.value.partial


async def test_leaving_early_cancels_the_call(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("a"), Gate()]]

    def ask() -> str:
        with BlockingClient(service.address) as client, client.stream("hi") as stream:
            return next(stream).text

    assert "a" == await asyncio.to_thread(ask)
    await eventually(lambda: service.ends == ["cancelled"])


async def test_one_client_serves_several_threads_at_once(service: ScriptedService) -> None:
    gate = Gate()
    service.scripts = [[gate, response("Hello")]]
    client = BlockingClient(service.address)

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(asyncio.to_thread(client.chat, "hi")) for _ in range(4)]
        await gate.reached(4)
        gate.open()
    await asyncio.to_thread(client.close)

    assert ["Hello"] * 4 == [call.result().text for call in calls]


async def test_all_clients_share_one_thread(service: ScriptedService) -> None:
    service.scripts = [[response("Hello")]]

    def ask() -> None:
        with BlockingClient(service.address) as client:
            client.chat("hi")

    for _ in range(3):
        await asyncio.to_thread(ask)

    names = [thread.name for thread in threading.enumerate()]
    assert 1 == names.count("llmsvc-client")


async def finished(code: str, address: str, gate: Gate | None = None) -> tuple[int, str, str]:
    """Run a script with the address as argument; Ctrl-C it at the gate, if there is one."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        code,
        address,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    if gate is not None:
        await gate.reached()
        process.send_signal(signal.SIGINT)
    out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


SCRIPT = """
import sys
from llmsvc_client import BlockingClient
client = BlockingClient(sys.argv[1])
try:
    print(client.chat("hi").text)
except KeyboardInterrupt:
    print("interrupted")
"""


async def test_a_script_may_end_without_closing(service: ScriptedService) -> None:
    service.scripts = [[response("Hello")]]

    assert (0, "Hello\n", "") == await finished(SCRIPT, service.address)


async def test_ctrl_c_in_a_script_cancels_the_call(service: ScriptedService) -> None:
    gate = Gate()
    service.scripts = [[gate]]

    assert (0, "interrupted\n", "") == await finished(SCRIPT, service.address, gate)
    await eventually(lambda: service.ends == ["cancelled"])
