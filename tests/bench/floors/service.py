"""The floor of the gRPC side: a no-op method, and a stream of one message per token."""

import asyncio

import uvloop

from tests.bench.floors import bare, options
from tests.bench.floors.pace import chance, until
from tests.bench.floors.prompts import read_prompt


async def _chat(_request: bytes, _context: bare.Context) -> bytes:
    return bare.REPLY


async def _chat_stream(request: bytes, context: bare.Context) -> None:
    prompt = read_prompt(request)
    deltas = bare.PIECES if prompt.mode == "call" else bare.DELTAS
    interval_s = prompt.interval_us / 1e6
    base_s = asyncio.get_running_loop().time() + chance() * interval_s
    for sent in range(prompt.tokens):
        if prompt.mode == "paced" and sent:  # phase and jitter as the fake upstream draws them
            await until(base_s + (sent + 0.4 * (chance() - 0.5)) * interval_s)
        await context.write(deltas[sent % len(deltas)])


if __name__ == "__main__":
    uvloop.run(bare.serve(options.parser(__doc__).parse_args(), _chat, _chat_stream))
