"""How much code of ours a call and a token go through."""

from statistics import median

import grpc

from llmsvc.v1 import llm_pb2, llm_pb2_grpc
from tests.bench.door import Door
from tests.bench.failure import NotMeasuredError
from tests.bench.floors.prompts import Prompt
from tests.bench.lab import Lab
from tests.bench.look import Look
from tests.bench.row import NONE, Demand, Demands, Judged, Row

_CALLS = 5
_FEW, _MANY, _INTERVAL_US = 100, 1_100, 1_000  # tokens of a short and a long stream
_PATIENCE_S = 20
_FUNCTIONS: Demands = {Door.IN_LOOP: Demand(110, 90), Door.AIO: Demand(255)}
_FRAMES: Demands = {Door.IN_LOOP: Demand(20, 16), Door.AIO: Demand(44)}


def frames(lab: Lab) -> list[Row]:
    """Return the rows of functions entered by a unary call, and of frames per token.

    Functions: what one Chat enters once ten have gone before it, each counted once; the median of
    some calls, each alone. Frames per token: those of a stream of 1,100 tokens less those of one of
    100, through the messages that it has more: on a busy machine some have several tokens. They
    come 1 ms apart, as those of 20 streams do, so that a tick of the door in the loop (18 frames in
    10 ms) is shared by as many. What a function is, and what a frame, is said in
    `tests/bench/watched.py`; what the loop does besides in that time counts too.

    Counted so, commit 09c811e has 255 functions in 59 files by 427 frames, and 44 frames per token.
    Issue 11 says 183 in 42 by 297, and 32, of about that commit, and not how it counted; its
    demands are held as they stand, so this count is the stricter one. On `aio`, which is to be no
    worse than it was, what counts is that commit by this count.
    """
    return [
        row for door in lab.switches.doors if door is not Door.BEFORE for row in _rows(lab, door)
    ]


def _rows(lab: Lab, door: Door) -> list[Row]:
    calls: list[dict[str, int]] = []
    per_token: tuple[float, ...] = ()
    failure = ""
    try:
        with lab.watched(door) as look, grpc.insecure_channel(look.subject.target) as channel:
            stub = llm_pb2_grpc.LLMServiceStub(channel)
            calls = _unary(look, stub)
            per_token = (_per_token(look, stub),)
    except (NotMeasuredError, grpc.RpcError) as error:
        failure = str(error)
    some = bool(calls)
    return [
        Row(
            measure="functions of ours entered by a unary Chat",
            door=door,
            unit="",
            ours=(median(len(call) for call in calls),) if some else (),
            judged=Judged.VALUE,
            demand=_FUNCTIONS.get(door, NONE),
            notes=(_files(calls),) if some else (),
            failure=failure,
        ),
        Row(
            measure="frames of ours per token of a stream",
            door=door,
            unit="",
            ours=per_token,
            judged=Judged.VALUE,
            demand=_FRAMES.get(door, NONE),
            failure=failure,
        ),
    ]


def _unary(look: Look, stub: llm_pb2_grpc.LLMServiceStub) -> list[dict[str, int]]:
    request = _request(Prompt(mode="whole", tokens=8))
    for _ in range(10):
        stub.Chat(request, timeout=_PATIENCE_S)
    calls = []
    look.entered()
    for _ in range(_CALLS):
        stub.Chat(request, timeout=_PATIENCE_S)
        calls.append(look.entered())
    return calls


def _per_token(look: Look, stub: llm_pb2_grpc.LLMServiceStub) -> float:
    (few_frames, few), (many_frames, many) = (_streamed(look, stub, n) for n in (_FEW, _MANY))
    return (many_frames - few_frames) / (many - few)


def _streamed(look: Look, stub: llm_pb2_grpc.LLMServiceStub, tokens: int) -> tuple[int, int]:
    """Return the frames of a stream and its messages."""
    look.entered()
    request = _request(Prompt(mode="paced", tokens=tokens, interval_us=_INTERVAL_US))
    messages = sum(1 for _ in stub.ChatStream(request, timeout=_PATIENCE_S))
    return sum(look.entered().values()), messages


def _request(prompt: Prompt) -> llm_pb2.ChatRequest:
    part = llm_pb2.ContentPart(text=prompt.text())
    return llm_pb2.ChatRequest(messages=[llm_pb2.Message(role=llm_pb2.ROLE_USER, parts=[part])])


def _files(calls: list[dict[str, int]]) -> str:
    files = median(len({place.partition(":")[0] for place in call}) for call in calls)
    return f"in {files:.0f} files, by {median(sum(call.values()) for call in calls):.0f} frames"
