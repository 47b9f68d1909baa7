"""Leaving `llmsvc chat` early: by Ctrl-C, or by closing its output."""

import asyncio
import os
import signal

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.llmsvc_command import Ended, begun, ended
from tests.fakes.scripted_answers import completed, piece, started
from tests.fakes.scripted_service import ScriptedService


@pytest.mark.parametrize(
    ("before", "form"),
    [([], []), ([started(), piece("half")], []), ([], ["--json"])],
    ids=["waiting", "answering", "whole"],
)
async def test_ctrl_c_cancels_the_call_and_ends_with_130(
    service: ScriptedService, before: list[llm_pb2.ChatStreamResponse], form: list[str]
) -> None:
    gate = Gate()
    service.scripts = [[*before, gate]]

    process = await begun("chat", "hi", *form, address=service.address)
    await gate.reached()
    process.send_signal(signal.SIGINT)
    result = await ended(process)

    assert (130, "") == (result.code, result.err)
    await eventually(lambda: service.ends == ["cancelled"])


async def test_a_reader_who_leaves_ends_it_in_peace_and_cancels_the_call(
    service: ScriptedService,
) -> None:
    gate = Gate()
    service.scripts = [[started(), piece("a\n"), gate, *[piece("b\n")] * 100, Gate()]]
    reading, writing = os.pipe()

    process = await begun("chat", "hi", address=service.address, stdout=writing)
    os.close(writing)
    await gate.reached()
    os.close(reading)
    gate.open()

    assert Ended(0, "", "") == await ended(process)
    await eventually(lambda: service.ends == ["cancelled"])


async def test_ctrl_c_that_the_parent_ignores_stays_ignored(service: ScriptedService) -> None:
    gate = Gate()
    service.scripts = [[gate, started(), piece("a"), completed()]]

    process = await begun("chat", "hi", address=service.address, ignoring=signal.SIGINT)
    await gate.reached()
    process.send_signal(signal.SIGINT)
    gate.open()

    assert "a\n" == (await ended(process)).out


async def test_a_second_ctrl_c_ends_it_even_where_nobody_reads(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("x" * 1_000_000), Gate()]]
    reading, writing = os.pipe()

    process = await begun("chat", "hi", address=service.address, stdout=writing)
    os.close(writing)
    await asyncio.to_thread(os.read, reading, 1)

    def gone() -> bool:
        if process.returncode is None:
            process.send_signal(signal.SIGINT)
        return process.returncode is not None

    await eventually(gone)
    os.close(reading)

    assert -signal.SIGINT == process.returncode
    await eventually(lambda: service.ends == ["cancelled"])
