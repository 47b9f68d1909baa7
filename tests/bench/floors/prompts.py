"""The words by which a benchmark call says what it wants answered.

The load client puts them into the prompt; the fake upstream and the floors read them there.
"""

import re
from dataclasses import dataclass

_PROMPT = re.compile(rb"bench mode=(\w+) tokens=(\d+) interval_us=(\d+) wait_us=(\d+) id=(\d+) ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """One wanted answer."""

    mode: str  # whole, bulk or paced
    tokens: int
    interval_us: int = 0
    wait_us: int = 0
    id: int = 0

    def text(self) -> str:
        """Return the words to put into a message."""
        return (
            f"bench mode={self.mode} tokens={self.tokens} interval_us={self.interval_us}"
            f" wait_us={self.wait_us} id={self.id} "
        )

    def body(self) -> dict[str, object]:
        """Return a chat request in Ollama's terms."""
        messages = [{"role": "user", "content": self.text()}]
        return {"model": "phi3:mini", "messages": messages, "stream": True}


def read_prompt(request: bytes) -> Prompt:
    """Return the prompt inside a serialised request, without decoding that.

    Raises:
        ValueError: The request did not come from the load client.
    """
    found = _PROMPT.search(request)
    if found is None:
        raise ValueError("not a request of the load client")
    mode, tokens, interval_us, wait_us, number = found.groups()
    return Prompt(
        mode=mode.decode(),
        tokens=int(tokens),
        interval_us=int(interval_us),
        wait_us=int(wait_us),
        id=int(number),
    )
