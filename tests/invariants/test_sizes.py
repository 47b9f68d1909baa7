"""Invariant 19: what is told stays small, and a slow reader breaks nothing (docs/invariants.md)."""

import asyncio

import grpc
import pytest

from llmsvc.v1 import llm_pb2
from tests.contract.told import told
from tests.fakes.eventually import eventually
from tests.fakes.requests import chat_message
from tests.invariants.several import several
from tests.invariants.turns import refused
from tests.scenarios.fault_server import FaultServer
from tests.scenarios.protocols import Fault, Protocol
from tests.scenarios.stage import Stage, Way
from tests.scenarios.steps import Begin, End, Frame, Marker, Say

STATUS_BYTES, TRAILERS_BYTES = 4096, 8192
HEADER_COST_BYTES = 32
"""What HTTP/2 counts for each header besides its letters."""

LONGEST_NAME = 64
LONGEST_MODEL_BYTES = 256
LONGEST_ID = 64
MODELS = {"plain": "m" * LONGEST_MODEL_BYTES, "not ASCII": "ü" * (LONGEST_MODEL_BYTES // 2)}


def longest(model: str) -> llm_pb2.ChatRequest:
    """Return a request that names four providers and their models as long as may be."""
    request = chat_message(model=model)
    for number in range(4):
        target = request.routing_policy.targets.add()
        target.provider, target.model = name(number), model
    return request


def name(number: int) -> str:
    """Return the name of one of the providers."""
    return f"{'p' * (LONGEST_NAME - 2)}_{number}"


def size_of(metadata: object) -> int:
    """Return what HTTP/2 counts for trailers."""
    assert isinstance(metadata, grpc.aio.Metadata)
    return sum(len(key) + len(value) + HEADER_COST_BYTES for key, value in metadata)


async def ended(stage: Stage, way: Way, request: llm_pb2.ChatRequest) -> None:
    """Make a call under the longest id, to its end."""
    metadata = (("x-request-id", "r" * LONGEST_ID),)
    if way is Way.CHAT:
        await stage.service.stub.Chat(request, metadata=metadata)
        return
    async for _ in stage.service.stub.ChatStream(request, metadata=metadata):
        pass


@pytest.mark.parametrize("fault", [Fault.CREDENTIAL, Fault.RATE_LIMIT, Fault.CONTEXT])
@pytest.mark.parametrize("model", MODELS.values(), ids=MODELS.keys())
async def test_invariant_19_details_and_trailers_stay_small(
    way: Way, model: str, fault: Fault
) -> None:
    server = FaultServer(Protocol.OPENAI)
    async with several({name(n): server for n in range(4)}) as stage:
        server.always(refused(Protocol.OPENAI, fault))
        with pytest.raises(grpc.aio.AioRpcError) as failed:
            await ended(stage, way, longest(model))
        trailers = failed.value.trailing_metadata()
        failure = told(failed.value)

        alone = fault is Fault.CONTEXT  # nobody else is known to hold the prompt
        assert (1 if alone else 4) == len(server.chats)
        assert len(trailers["grpc-status-details-bin"]) <= STATUS_BYTES
        assert size_of(trailers) <= TRAILERS_BYTES
        assert ("CONTEXT_LENGTH_EXCEEDED" if alone else "ALL_TARGETS_FAILED") == failure.reason
        assert "r" * LONGEST_ID == failure.request_id
        assert name(0) == failure.detail(llm_pb2.RouteInfo).attempts[0].target.provider


PIECES, PIECE_BYTES = 400, 60_000
IDLE_S = 0.3


async def test_invariant_19_a_slow_reader_is_never_interrupted(protocol: Protocol) -> None:
    servers = {"primary": FaultServer(protocol)}
    more = {"primary": {"idle_timeout_s": IDLE_S, "first_token_timeout_s": IDLE_S}}
    piece = Say("x" * PIECE_BYTES)
    limits = {"max_answer_bytes": 2 * PIECES * PIECE_BYTES, "max_output_tokens": 200_000}
    async with several(servers, sections={"limits": limits}, entries=more) as stage:
        stage.primary.always([Begin(), *[piece] * PIECES, Marker(), Frame(), End()])
        now = asyncio.get_running_loop().time
        call = stage.service.stub.ChatStream(chat_message(), timeout=60)
        await eventually(lambda: bool(stage.primary.running))
        wakes_up_s = now() + 3 * IDLE_S
        await eventually(lambda: now() > wakes_up_s)
        assert stage.primary.running, "the upstream was not held back"
        length, kinds = 0, set[str | None]()
        async for event in call:
            length += len(event.delta.text)
            kinds.add(event.WhichOneof("event"))

        assert PIECES * PIECE_BYTES == length
        assert {"started", "delta", "completed"} == kinds
        assert 1 == len(stage.primary.chats)
