"""The command line as a user runs it, against a real server that follows a script."""

import os
import pty
from asyncio.subprocess import PIPE
from collections.abc import AsyncGenerator, Sequence

import pytest

from llmsvc.v1 import llm_pb2
from tests.fakes.gate import Gate
from tests.fakes.llmsvc_command import Ended, begun, ended, run
from tests.fakes.scripted_answers import (
    completed,
    piece,
    response,
    started,
)
from tests.fakes.scripted_service import ScriptedService

HELLO = [started(), piece("Hel"), piece("lo"), completed()]


@pytest.fixture
async def service() -> AsyncGenerator[ScriptedService]:
    async with ScriptedService(scripts=[HELLO]) as service:
        yield service


async def test_sends_what_the_options_say(service: ScriptedService) -> None:
    options = ["--system", "be brief", "--model", "phi3:mini", "--timeout", "30"]

    await run("chat", "hi", *options, address=service.address)

    call = service.calls[0]
    assert ["be brief", "hi"] == [turn.parts[0].text for turn in call.request.messages]
    assert "phi3:mini" == call.request.model
    assert call.time_remaining_s == pytest.approx(30, abs=10)


@pytest.mark.parametrize("form", [[], ["--json"]])
async def test_sends_how_to_generate(service: ScriptedService, form: Sequence[str]) -> None:
    service.scripts = [[response("Hello")]] if form else [HELLO]
    options = [
        "--temperature",
        "0",
        "--max-tokens",
        "7",
        "--seed",
        "42",
        "--stop",
        "a",
        "--stop",
        "\n",
    ]

    result = await run("chat", "hi", *options, *form, address=service.address)

    assert 0 == result.code
    assert (
        llm_pb2.GenerationConfig(
            temperature=0, max_output_tokens=7, seed=42, stop_sequences=["a", "\n"]
        )
        == service.calls[0].request.generation_config
    )


async def test_leaves_to_the_server_what_no_option_says(service: ScriptedService) -> None:
    await run("chat", "hi", address=service.address)

    assert not service.calls[0].request.HasField("generation_config")


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--temperature", "2.1", "2.1 is not from 0 to 2"),
        ("--temperature", "-0.1", "is not from 0 to 2"),
        ("--temperature", "nan", "nan is not from 0 to 2"),
        ("--temperature", "warm", "valid number"),
        ("--max-tokens", "0", "greater than or equal to 1"),
        ("--max-tokens", "2147483648", "less than or equal to 2147483647"),
        ("--seed", "-1", "greater than or equal to 0"),
        ("--seed", "2147483648", "less than or equal to 2147483647"),
        ("--stop", "", "empty text"),
    ],
)
async def test_refuses_what_the_contract_does_not_allow(
    service: ScriptedService, option: str, value: str, message: str
) -> None:
    result = await run("chat", "hi", f"{option}={value}", address=service.address)

    assert (2, "", []) == (result.code, result.out, service.calls)
    assert option in result.err
    assert message in " ".join(result.err.split())


async def test_refuses_a_fifth_stop_sequence(service: ScriptedService) -> None:
    result = await run("chat", "hi", *["--stop", "x"] * 5, address=service.address)

    assert (2, []) == (result.code, service.calls)
    assert "at most 4" in result.err


@pytest.mark.parametrize("arguments", [["chat"], ["chat", "-"]])
async def test_reads_the_prompt_from_stdin(
    service: ScriptedService, arguments: Sequence[str]
) -> None:
    await run(*arguments, address=service.address, stdin="grüß\ndich\n".encode())

    assert "grüß\ndich" == service.calls[0].request.messages[0].parts[0].text


async def test_puts_what_is_piped_in_before_the_prompt(service: ScriptedService) -> None:
    result = await run("chat", "summarise", address=service.address, stdin=b"one\ntwo\n")

    assert "Hello\n" == result.out
    assert "one\ntwo\n\nsummarise" == service.calls[0].request.messages[0].parts[0].text


async def test_waits_for_a_slow_program_and_says_so(service: ScriptedService) -> None:
    process = await begun("chat", "summarise", address=service.address, stdin=PIPE)
    assert process.stderr is not None
    said = await process.stderr.readline()
    asked_before = len(service.calls)
    await ended(process, stdin=b"late")

    assert b"waiting for standard input to end" in said
    assert 0 == asked_before
    assert "late\n\nsummarise" == service.calls[0].request.messages[0].parts[0].text


async def test_the_answer_comes_piece_by_piece(service: ScriptedService) -> None:
    gate = Gate()
    service.scripts = [[started(), piece("Hel"), gate, piece("lo"), completed()]]

    process = await begun("chat", "hi", address=service.address)
    assert process.stdout is not None
    first = await process.stdout.readexactly(3)
    gate.open()
    rest = await ended(process)

    assert (b"Hel", "lo\n") == (first, rest.out)


async def test_a_terminal_gets_no_control_characters(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("a\x1b]0;title\x07b\tc\n"), completed()]]
    ours, theirs = pty.openpty()

    process = await begun("chat", "hi", address=service.address, stdout=theirs)
    result = await ended(process)
    os.close(theirs)
    shown = os.read(ours, 4096)
    os.close(ours)

    assert 0 == result.code
    assert "a␛]0;title␇b\tc\r\n" == shown.decode()


async def test_a_killed_server_leaves_one_line_and_none_of_grpcs(service: ScriptedService) -> None:
    service.scripts = [[started(), piece("half"), Gate()]]

    process = await begun("chat", "hi", address=service.address)
    assert process.stdout is not None
    await process.stdout.readexactly(4)
    await service.kill()
    result = await ended(process)

    assert (5, 1) == (result.code, result.err.count("\n"))
    assert result.err.startswith("llmsvc: ")


async def test_nobody_there_ends_with_3_and_a_remedy(unused_tcp_port: int) -> None:
    result = await run("chat", "hi", address=f"127.0.0.1:{unused_tcp_port}")

    assert (3, "", 1) == (result.code, result.out, result.err.count("\n"))
    assert f"no answer from 127.0.0.1:{unused_tcp_port}: connection refused. Is" in result.err


@pytest.mark.parametrize("form", [["chat", "hi"], ["chat", "hi", "--json"], ["health"]])
async def test_a_time_limit_of_the_caller_is_named(
    service: ScriptedService, form: Sequence[str]
) -> None:
    service.scripts = [[Gate()]]
    service.silent = Gate()

    result = await run(*form, "--timeout", "0.01", address=service.address)

    assert (3, "") == (result.code, result.out)
    assert "no whole answer within 0.01 s" in result.err
    assert "Deadline Exceeded" not in result.err


async def test_a_web_proxy_in_the_environment_is_not_asked(service: ScriptedService) -> None:
    proxy = {"http_proxy": "http://127.0.0.1:1", "https_proxy": "http://127.0.0.1:1"}

    process = await begun("chat", "hi", address=service.address, environment=proxy)

    assert "Hello\n" == (await ended(process)).out


@pytest.mark.parametrize(
    ("arguments", "stdin", "message"),
    [
        (["chat", ""], b"", "the prompt is empty"),
        (["chat"], b"ab\xff", "standard input is not UTF-8 from byte 2 on"),
        (["chat", "hi", "--timeout", "nan"], b"", "must be above 0"),
        (["chat", "hi", "--address", "nonsense"], b"", "write host:port"),
        (["nonsense"], b"", "No such command"),
    ],
)
async def test_wrong_usage_ends_with_2_and_a_remedy(
    service: ScriptedService, arguments: Sequence[str | bytes], stdin: bytes, message: str
) -> None:
    result = await run(*arguments, address=service.address, stdin=stdin)

    assert (2, "", []) == (result.code, result.out, service.calls)
    assert message in result.err


async def test_a_full_disk_is_said(service: ScriptedService) -> None:
    with open("/dev/full", "wb") as full:  # noqa: ASYNC230, PTH123  a device, for a file descriptor
        process = await begun("chat", "hi", address=service.address, stdout=full.fileno())
    result = await ended(process)

    assert Ended(1, "", "llmsvc: cannot write the answer: No space left on device\n") == result
