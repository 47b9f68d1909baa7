"""Run by a test, which then kills it: an Ollama that stands still in the middle of its answers."""

import asyncio
import sys

from tests.fakes.fake_ollama import FakeOllama
from tests.fakes.gate import Gate
from tests.fakes.ollama_steps import tokens

PATIENCE_S = 30


async def main(sent: int, chats: int) -> None:
    """Print the base URL, and "waiting" once `chats` chats stand still after `sent` tokens."""
    gate = Gate()
    async with FakeOllama(models=("phi3:mini",), loaded=("phi3:mini",)) as fake:
        fake.will(tokens(sent), gate, times=chats)
        say(fake.base_url)
        await gate.reached(chats, within_s=PATIENCE_S)
        say("waiting")
        await asyncio.Event().wait()


def say(line: str) -> None:
    """Print one line now."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]), int(sys.argv[2])))
