import asyncio
import signal
import socket
from pathlib import Path

import grpc
import pytest

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.fakes.eventually import eventually
from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import done, token
from tests.fakes.requests import chat_message
from tests.fakes.running_service import over_ollama
from tests.fakes.server_process import STOP_LIMIT_S, ServerProcess, config_file, server_process

both_families = pytest.mark.skipif(
    not socket.has_dualstack_ipv6(), reason="this machine has no IPv6"
)
MOCK_ALONE = {"providers": {"mock": {"enabled": True}}, "default_provider": "mock"}


async def ask(server: ServerProcess) -> llm_pb2.ChatResponse:
    async with grpc.aio.insecure_channel(server.address) as channel:
        answer: llm_pb2.ChatResponse = await llm_pb2_grpc.LLMServiceStub(channel).Chat(
            chat_message("the prompt")
        )
        return answer


async def test_it_starts_answers_and_ends_with_0_on_ctrl_c(tmp_path: Path) -> None:
    async with server_process(config_file(tmp_path, {"llm": MOCK_ALONE})) as server:
        answer = await ask(server)
        server.send(signal.SIGINT)
        code = await server.exit_code()

    assert llm_pb2.PROVIDER_KIND_MOCK == answer.route.provider_kind
    assert 0 == code
    assert "CANNED" in str(server.events("server.answers"))
    (line,) = server.events("rpc.finished")
    assert answer.request_id == line["request_id"]
    assert "CANNED" in str(line["answer"])


async def test_ctrl_c_skips_the_wait_and_sigterm_keeps_it(tmp_path: Path) -> None:
    took_s = {}
    for number, wait_s in {signal.SIGINT: 4 * STOP_LIMIT_S, signal.SIGTERM: 1.5}.items():
        tree = {"llm": MOCK_ALONE, "drain": {"pre_drain_s": wait_s}}
        async with server_process(config_file(tmp_path, tree)) as server:
            began_s = asyncio.get_running_loop().time()
            server.send(number)

            assert 0 == await server.exit_code()
            assert not server.events("server.stopping")  # nothing runs
            took_s[number] = asyncio.get_running_loop().time() - began_s
    assert took_s[signal.SIGTERM] > 1.4


async def test_a_terminal_that_goes_away_is_told_as_kubernetes_tells_it(tmp_path: Path) -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, token("b"), done())
        config = config_file(tmp_path, {"llm": over_ollama(fake), "drain": {"pre_drain_s": 0}})
        async with (
            server_process(config) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stream = llm_pb2_grpc.LLMServiceStub(channel).ChatStream(chat_message())
            await gate.reached()
            server.send(signal.SIGHUP)
            await eventually(lambda: bool(server.events("drain.changed")))
            gate.open()
            text = "".join([event.delta.text async for event in stream])

            assert 0 == await server.exit_code()

    assert "ab" == text


async def test_under_nohup_a_terminal_that_goes_away_changes_nothing(tmp_path: Path) -> None:
    around = ("sh", "-c", 'trap \'\' HUP; exec "$0" "$@"')
    config = config_file(tmp_path, {"llm": MOCK_ALONE, "drain": {"pre_drain_s": 0}})
    async with server_process(config, around=around) as server:
        server.send(signal.SIGHUP)
        answer = await ask(server)
        assert not server.events("drain.changed")
        server.send(signal.SIGTERM)

        assert 0 == await server.exit_code()
    assert "mock" == answer.route.provider


async def test_a_second_ctrl_c_ends_a_running_stream_with_a_status(tmp_path: Path) -> None:
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("a"), gate, done())
        config = config_file(tmp_path, {"llm": over_ollama(fake)})
        async with (
            server_process(config) as server,
            grpc.aio.insecure_channel(server.address) as channel,
        ):
            stream = aiter(llm_pb2_grpc.LLMServiceStub(channel).ChatStream(chat_message()))
            await anext(stream)
            await anext(stream)
            server.send(signal.SIGINT)
            await eventually(lambda: bool(server.events("drain.changed")))
            (told,) = server.events("server.stopping")
            server.send(signal.SIGINT)
            with pytest.raises(grpc.aio.AioRpcError) as ended:
                await anext(stream)

            assert 0 == await server.exit_code()
        await fake.client_gone(1)

    assert grpc.StatusCode.ABORTED == ended.value.code()
    assert "Ctrl-C once more ends them" in str(told["detail"])


async def test_a_port_in_use_is_exit_3_and_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        config = config_file(tmp_path, {"llm": MOCK_ALONE, "server": {"listen": listen}})
        async with server_process(config) as server:
            code = await server.exit_code()

    assert 3 == code
    (line,) = server.events("server.cannot_bind")
    assert listen == line["listen"]
    assert "server.listen" in str(line["remedy"])


@pytest.mark.parametrize("host", ["127.0.0.1", pytest.param("::1", marks=both_families)])
async def test_localhost_is_all_of_its_addresses_or_exit_3(tmp_path: Path, host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as taken:
        port = taken.getsockname()[1]
        tree = {"llm": MOCK_ALONE, "server": {"listen": f"localhost:{port}"}}
        async with server_process(config_file(tmp_path, tree)) as server:
            code = await server.exit_code()

    (line,) = server.events("server.cannot_bind")
    assert (3, f"localhost:{port}") == (code, line["listen"])
    assert host in str(line["address"])
    assert "another process" in str(line["remedy"])


@both_families
async def test_the_start_line_names_what_was_bound(tmp_path: Path) -> None:
    tree = {"llm": MOCK_ALONE, "server": {"listen": "localhost:0"}}
    async with server_process(config_file(tmp_path, tree)) as server:
        (line,) = server.events("server.started")
        port = server.address.rpartition(":")[2]
        assert (f"127.0.0.1:{port}", [f"[::1]:{port}"]) == (line["listen"], line["listen_also"])
        for host in ("127.0.0.1", "::1"):
            with socket.create_connection((host, int(port))):
                pass


async def test_a_second_server_on_the_port_fails_loudly(tmp_path: Path) -> None:
    first_folder, second_folder = tmp_path / "1", tmp_path / "2"
    first_folder.mkdir()
    second_folder.mkdir()
    async with server_process(config_file(first_folder, {"llm": MOCK_ALONE})) as first:
        tree = {"llm": MOCK_ALONE, "server": {"listen": first.address}}
        async with server_process(config_file(second_folder, tree)) as second:
            code = await second.exit_code()

        assert 3 == code
        assert (await ask(first)).route.provider == "mock"


async def test_listening_beyond_this_machine_is_warned_of(tmp_path: Path) -> None:
    tree = {"llm": MOCK_ALONE, "server": {"listen": "0.0.0.0:0"}}
    async with server_process(config_file(tmp_path, tree)) as server:
        await eventually(lambda: bool(server.events("server.warning")))
        server.send(signal.SIGINT)

        assert 0 == await server.exit_code()
    assert "without TLS" in str(server.events("server.warning"))


async def test_the_files_ceiling_holds_and_the_log_says_whose_it_is(tmp_path: Path) -> None:
    cloud = {"kind": "anthropic", "model": "m", "api_key": "k"}
    llm = {
        "providers": {"mock": {"enabled": True}, "claude": cloud},
        "default_provider": "mock",
        "fallback_sequence": ["claude"],
        "privacy": "local_only",
    }
    config = config_file(tmp_path, {"llm": llm})
    async with server_process(config, environ={"LLMSVC_LLM__PRIVACY": "null"}) as server:
        answer = await ask(server)
        await eventually(lambda: len(server.events("server.warning")) == 2)
        (started,) = server.events("server.started")

    assert llm_pb2.PRIVACY_MODE_LOCAL_ONLY == answer.route.effective_privacy_mode
    assert ("local_only", str(config)) == (started["privacy"], started["privacy_source"])
    unfollowed, left_out = (str(line["detail"]) for line in server.events("server.warning"))
    assert unfollowed.startswith("LLMSVC_LLM__PRIVACY is not followed")
    assert left_out.startswith("claude is left out")


async def test_a_missing_model_is_named_with_its_remedy(tmp_path: Path) -> None:
    async with FakeOllama(models=("other",)) as fake:
        config = config_file(tmp_path, {"llm": over_ollama(fake)})
        async with server_process(config) as server:
            await eventually(lambda: bool(server.events("server.answers")))

    assert "ollama pull phi3:mini" in str(server.events("server.answers"))


async def test_a_silent_ollama_does_not_delay_the_start(tmp_path: Path) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.gates["/api/tags"] = Gate()
        config = config_file(tmp_path, {"llm": over_ollama(fake)})
        async with server_process(config) as server:
            await fake.gates["/api/tags"].reached()

            assert server.events("server.started")
            assert not server.events("server.answers")


async def test_no_line_holds_prompt_or_answer(tmp_path: Path) -> None:
    async with FakeOllama(models=("phi3:mini",)) as fake:
        fake.will(token("the answer"), done())
        config = config_file(
            tmp_path, {"llm": over_ollama(fake), "observability": {"log_level": "debug"}}
        )
        async with server_process(config) as server:
            answer = await ask(server)
            await eventually(lambda: bool(server.events("rpc.finished")))

    assert "the answer" == answer.message.parts[0].text
    assert "the prompt" not in str(server.lines)
    assert "the answer" not in str(server.lines)
