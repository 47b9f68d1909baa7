"""How a fake Ollama answers a chat that no test has scripted: as a real one would."""

import math
from collections.abc import Sequence

from tests.fakes.gate import Gate
from tests.fakes.ollama_checks import Asked, Refused, check_format, check_options
from tests.fakes.ollama_record import Json
from tests.fakes.ollama_stage import Call, Stage, pieces_of
from tests.fakes.ollama_world import Loaded

_TOO_LONG = "the input length exceeds the context length"


class Conversation:
    """What every model of the world answers.

    Attributes:
        answer: The text, sent word by word.
        calls: What a model with tools calls instead, where it is offered any.
        first_token_gate: Where set, each chat waits there, holding its slot.
    """

    def __init__(self) -> None:
        """Have a short answer at once."""
        self.answer = "The harbour wakes before the sun."
        self.calls: Sequence[Call] = ()
        self.first_token_gate: Gate | None = None

    async def hold(self, stage: Stage) -> None:
        """Answer one request with all of a real server's checks, in its order.

        Raises:
            Refused: The request, or the world's state, does not allow it.
        """
        world = stage.world
        asked = stage.asked
        assert asked is not None, "decoded before"
        if not stage.oldest and not 0 <= asked.top_logprobs <= 20:
            raise Refused(400, "top_logprobs must be between 0 and 20")
        model = world.find(asked.model)
        if not asked.messages and asked.keep_alive_s == 0:
            world.unload(model)
            await stage.whole(stage.done_line("unload", {}))
            return
        world.check_abilities(model, asked)
        check_options(asked.options)
        if not asked.messages:
            world.touch(await world.load(stage.exchange, model, asked), asked)
            await stage.whole(stage.done_line("load", {}))
            return
        async with world.slot(stage.exchange, model, asked) as loaded:
            check_format(asked.format)
            prompt_tokens = _prompt_tokens(stage, asked, loaded)
            if self.first_token_gate is not None:
                await self.first_token_gate.passed()
            await self._say(stage, asked, loaded, prompt_tokens)

    async def _say(self, stage: Stage, asked: Asked, loaded: Loaded, prompt_tokens: int) -> None:
        if asked.tools and self.calls:
            metrics = _metrics(stage, prompt_tokens, len(self.calls) + 1)
            await stage.reply_calls(self.calls, stage.done_line("stop", metrics))
            return
        pieces = pieces_of(self.answer)
        limit = _limit(stage, asked, loaded, prompt_tokens)
        cut = len(pieces) > limit
        pieces = pieces[:limit]
        metrics = _metrics(stage, prompt_tokens, len(pieces) + (not cut))
        reason = "length" if cut else "stop"
        await stage.reply(pieces, stage.done_line(reason, metrics))


def _prompt_tokens(stage: Stage, asked: Asked, loaded: Loaded) -> int:
    rendered = "".join(f"{one.get('role')}: {one.get('content') or ''}\n" for one in asked.messages)
    size_bytes = len((rendered + "assistant: ").encode())
    counted: int = 2 + math.ceil(size_bytes / stage.world.bytes_per_token)
    if counted <= loaded.window_tokens:
        return counted
    if not asked.truncate and not stage.oldest:
        raise Refused(400, _TOO_LONG, at_generation=True)
    return loaded.window_tokens


def _limit(stage: Stage, asked: Asked, loaded: Loaded, prompt_tokens: int) -> int:
    wanted = asked.option_int("num_predict", -1)
    limit = wanted if wanted > 0 else 10 * loaded.window_tokens
    if not asked.shift and not stage.oldest:
        limit = min(limit, loaded.window_tokens + 1 - prompt_tokens)
    return limit


def _metrics(stage: Stage, prompt_tokens: int, output_tokens: int) -> Json:
    metrics = {
        "total_duration": 5_000_000,
        "load_duration": 1_000_000,
        "prompt_eval_count": prompt_tokens,
        "prompt_eval_duration": 500_000,
        "eval_count": output_tokens,
        "eval_duration": 50_000 if stage.oldest else 50_000 * (output_tokens - 1),
    }
    return {key: value for key, value in metrics.items() if value}
