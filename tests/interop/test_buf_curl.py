"""buf curl, over the gRPC protocol; the only tool here that can choose the version of reflection."""

import json

import pytest

from tests.interop.programs import program
from tests.interop.running import Ran, run

pytestmark = pytest.mark.interop

HI = '{"messages": [{"role": "ROLE_USER", "parts": [{"text": "hi"}]}]}'
INVALID_ARGUMENT = 8 * 3  # buf curl exits with 8 times the code


async def buf_curl(address: str, path: str, *options: str) -> Ran:
    transport = ("--protocol", "grpc", "--http2-prior-knowledge")
    return await run(program("buf"), "curl", *transport, *options, f"http://{address}{path}")


async def test_list_methods_names_every_call(mocked: str) -> None:
    listed = await buf_curl(mocked, "", "--list-methods")

    assert 0 == listed.code, listed.err
    assert {"llmsvc.v1.LLMService/Chat", "llmsvc.v1.LLMService/ChatStream"} <= set(
        listed.out.split()
    )


@pytest.mark.parametrize("version", ["grpc-v1", "grpc-v1alpha"])
async def test_both_versions_of_reflection_are_served(mocked: str, version: str) -> None:
    reflection = ("--reflect-protocol", version)
    listed = await buf_curl(mocked, "", *reflection, "--list-services")
    answered = await buf_curl(mocked, "/llmsvc.v1.LLMService/Chat", *reflection, "-d", HI)

    assert "llmsvc.v1.LLMService" in listed.out.split()
    assert "CANNED ANSWER" in answered.out


async def test_a_stream_comes_event_by_event(mocked: str) -> None:
    answered = await buf_curl(mocked, "/llmsvc.v1.LLMService/ChatStream", "-d", HI)

    assert 0 == answered.code
    assert 1 == answered.out.count('"started"')
    assert answered.out.count('"delta"') > 1
    assert 1 == answered.out.count('"completed"')


@pytest.mark.parametrize("schema", [(), ("--schema", "protos")], ids=["reflection", "file"])
async def test_an_error_has_its_code_and_details(mocked: str, schema: tuple[str, ...]) -> None:
    refused = await buf_curl(mocked, "/llmsvc.v1.LLMService/Chat", *schema, "-d", "{}")
    error = json.loads(refused.err)

    assert INVALID_ARGUMENT == refused.code
    assert "invalid_argument" == error["code"]
    assert ["google.rpc.ErrorInfo", "google.rpc.RequestInfo", "google.rpc.BadRequest"] == [
        detail["type"] for detail in error["details"]
    ]


async def test_health_is_told(mocked: str) -> None:
    readiness = json.dumps({"service": "readiness"})
    asked = await buf_curl(mocked, "/grpc.health.v1.Health/Check", "-d", readiness)

    assert {"status": "SERVING"} == json.loads(asked.out)
