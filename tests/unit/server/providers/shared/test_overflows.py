"""What servers of many makes say of a prompt that is too long, and what is none of that."""

import pytest

from llmsvc_server.providers.shared.overflows import Overflow, overflow_in

OPENAI = "This model's maximum context length is 8192 tokens. However, "
SGLANG = "The input (516368 tokens) is longer than the model's context length (262144 tokens)."
TOLD: list[tuple[str, int | None, int | None]] = [
    (f"{OPENAI}your messages resulted in 9001 tokens.", 8192, 9001),
    (
        f"{OPENAI}you requested 9500 tokens (9000 in the messages, 500 in the completion).",
        8192,
        9000,
    ),
    (
        (
            "This endpoint's maximum context length is 8192 tokens. However, you requested about 9000"
            " tokens (9000 of text input)."
        ),
        8192,
        9000,
    ),
    (
        (
            "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context"
            " length is 4096 tokens and your request has 31 input tokens (4096 > 4096 - 31)."
        ),
        4096,
        31,
    ),
    (
        "Your input exceeds the context window of this model. Please adjust your input.",
        None,
        None,
    ),
    (
        (
            "Input tokens exceed the configured limit of 272000 tokens. Your messages resulted in"
            " 509173 tokens."
        ),
        272_000,
        509_173,
    ),
    ("Please reduce the length of the messages or completion.", None, None),
    (
        (
            "Requested token count exceeds the model's maximum context length of 32768 tokens. You"
            " requested a total of 70000 tokens: 6000 tokens from the input messages and 64000 tokens"
            " for the completion."
        ),
        32_768,
        6000,
    ),
    (SGLANG, 262_144, 516_368),
    ("Input length (265330) exceeds model's maximum context length (262144).", 262_144, 265_330),
    (
        (
            "You passed 9000 input tokens and requested 0 output tokens. However, the model's context"
            " length is only 8192 tokens, resulting in a maximum input length of 8192 tokens."
        ),
        8192,
        9000,
    ),
    (
        (
            "The decoder prompt (length 8357) is longer than the maximum model length of 8192. Make"
            " sure that `max_model_len` is no smaller than the number of text tokens."
        ),
        8192,
        8357,
    ),
    ("Input prompt (2501 tokens) is too long and exceeds limit of 2048", 2048, 2501),
    ("the request exceeds the available context size, try increasing it", None, None),
    (
        "request (5000 tokens) exceeds the available context size (4096 tokens), try increasing it",
        4096,
        5000,
    ),
    ("input is larger than the max context size. skipping", None, None),
    ("Context size has been exceeded.", None, None),
    (
        "The number of tokens to keep from the initial prompt is greater than the context length",
        None,
        None,
    ),
    (
        (
            "The number of tokens to keep from the initial prompt is greater than the context length"
            " (n_keep: 13055>= n_ctx: 4096). Try to load the model with a larger context length"
        ),
        4096,
        13_055,
    ),
    ("Cannot truncate prompt with n_keep (15028) >= n_ctx (7424)", 7424, 15_028),
    (
        (
            "Trying to keep the first 15857 tokens when context the overflows. However, the model is"
            " loaded with context length of only 4096 tokens, which is not enough."
        ),
        4096,
        15_857,
    ),
    ("Reached context length of 4096 tokens with this model, but this model", 4096, None),
    ("prompt is too long: 213462 tokens > 200000 maximum", 200_000, 213_462),
    (
        "input length and `max_tokens` exceed context limit: 188240 + 21333 > 200000, decrease",
        200_000,
        188_240,
    ),
    ("Input is too long for requested model.", None, None),
    (
        (
            "litellm.ContextWindowExceededError: litellm.BadRequestError: ContextWindowExceededError:"
            f" OpenAIException - {OPENAI}your messages resulted in 9001 tokens."
        ),
        8192,
        9001,
    ),
    (
        (
            'litellm.BadRequestError: AnthropicException - {"type":"error","error":{"type":'
            '"invalid_request_error","message":"prompt is too long: 210000 tokens > 200000 maximum"}}'
        ),
        200_000,
        210_000,
    ),
    (
        "litellm.BadRequestError: ... prompt is too long: 210000 tokens > 200000 maximum",
        200_000,
        210_000,
    ),
    (
        (
            'litellm.BadRequestError: OpenAIException - {\\"object\\":\\"error\\",\\"message\\":\\"'
            f"{SGLANG}"
        ),
        262_144,
        516_368,
    ),
    (
        (
            "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 4000"
            " `inputs` tokens and 512 `max_new_tokens`"
        ),
        4096,
        4000,
    ),
    ("`inputs` must have less than 4096 tokens. Given: 5000", 4096, None),
    (
        "This model's maximum prompt length is 131072 but the request contains 537812 tokens.",
        131_072,
        537_812,
    ),
    (
        (
            "Prompt contains 40046 tokens and 0 draft tokens, too large for model with 32768 maximum"
            " context length"
        ),
        32_768,
        40_046,
    ),
    (
        "The input token count (1196265) exceeds the maximum number of tokens allowed (1048575).",
        1_048_575,
        1_196_265,
    ),
    (
        "Input length 202850 exceeds the maximum allowed input length of 202720 tokens",
        202_720,
        202_850,
    ),
    ("Your request exceeded model token limit: 262144 (requested: 300000)", 262_144, None),
    ("invalid params, context window exceeds limit (2013)", None, None),
    (
        "<400> InternalError.Algo.InvalidParameter: Range of input length should be [1, 98304]",
        98_304,
        None,
    ),
    ("prompt token count of 200000 exceeds the limit of 128000", 128_000, 200_000),
    ("the input length exceeds the context length", None, None),
    ("prompt too long; exceeded max context length by 12 tokens", None, None),
    ("prompt is too long: 99999999999 tokens > 0 maximum", None, None),
]


@pytest.mark.parametrize(("message", "window", "tokens"), TOLD)
def test_knows_an_overflow_in_the_words_of(
    message: str, window: int | None, tokens: int | None
) -> None:
    expected = Overflow(context_length=window, input_tokens=tokens)

    assert expected == overflow_in("nothing", message.lower())


@pytest.mark.parametrize(
    "message",
    [
        *("", "no", "invalid temperature", "the context length may be set to 8192 tokens"),
        "max_tokens=140000 cannot be greater than max_model_len=131072",
        "value error, input_value='prompt is too long: 5 tokens > 3 maximum'",
        (
            '{"input":"the number of tokens to keep from the initial prompt is greater than the'
            ' context length"}'
        ),
        "cannot parse <prompt is too long: 5 tokens > 3 maximum>",
        f"{'x' * 600}. prompt is too long: 5 tokens > 3 maximum",
    ],
)
def test_takes_nothing_else_for_one(message: str) -> None:
    assert overflow_in(message) is None


@pytest.mark.parametrize("piece", ["error: ", "1", '\\\\\\"', "1,", "input ", "message: \\", ". "])
def test_reads_any_text_to_its_end(piece: str) -> None:
    assert overflow_in(*[piece * 20_000] * 50) is None
