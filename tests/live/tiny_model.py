"""A model file of 0.2 MB that says word for word what a script says. Needs no download.

Attention and feed-forward add nothing, so the last norm sees the embedding of the current token
alone: the next token depends on the current one only. `token_embd` maps a token to a state of its
own, `output` maps each state to the token that follows. State 0 belongs to everything that is only
prompt, and leads to the first word.

Source: measured with Ollama 0.10.1 and 0.24.0; not tried on 0.30 and later.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from gguf import GGUFWriter, TokenType

TRAINED_WINDOW_TOKENS = 8_192
LONGEST_MERGE = 2  # a word this short would be found inside prompts, and change what follows

_SPACE = "\u2581"  # how SentencePiece writes a space
_END = 2  # the token </s>
_HEADS = 4
_FEED_FORWARD = 32
_LOGIT = 30.0  # of the token wanted, against 0 of all others

Matrix = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """What a model says, whatever it is asked.

    Attributes:
        words: In order, each once, a space in front where one is wanted. None: it says nothing.
        endless: Whether the last word is followed by the first.
        layers: How much work a word is; 1 is as fast as can be.
    """

    words: tuple[str, ...]
    endless: bool = False
    layers: int = 1

    @property
    def text(self) -> str:
        """All words once."""
        return "".join(self.words)


def prompt_tokens(rendered: str) -> int:
    """Return how many tokens a rendered prompt has: `<s>`, a leading space, one for each byte."""
    return 2 + len(rendered.encode())


def write_model(path: Path, name: str, script: Script) -> None:
    """Write the model file.

    Args:
        path: Where to.
        name: Goes into the file, so that two models with one script have two digests.
        script: What it says.
    """
    spoken = [word.replace(" ", _SPACE) for word in script.words]
    assert len(set(spoken)) == len(spoken), "a word that comes twice would have two successors"
    assert all(len(word) > LONGEST_MERGE for word in spoken), "too short a word"
    silent = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), _SPACE]
    kinds = [TokenType.UNKNOWN, TokenType.CONTROL, TokenType.CONTROL]
    kinds += [TokenType.BYTE] * 256 + [TokenType.NORMAL] * (1 + len(spoken))
    states = 1 + len(spoken)
    width = max(64, -(-states // 32) * 32)

    writer = GGUFWriter(path, "llama")
    writer.add_name(name)
    writer.add_context_length(TRAINED_WINDOW_TOKENS)
    writer.add_block_count(script.layers)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(1)
    writer.add_rope_dimension_count(width // _HEADS)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_vocab_size(len(kinds))
    writer.add_file_type(0)
    writer.add_tokenizer_model("llama")
    writer.add_token_list(silent + spoken)
    writer.add_token_scores([0.0] * len(kinds))
    writer.add_token_types(kinds)
    writer.add_unk_token_id(0)
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(_END)
    writer.add_add_bos_token(value=True)
    for tensor, values in _tensors(script, first_word=len(silent), width=width).items():
        writer.add_tensor(f"{tensor}.weight", values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _tensors(script: Script, *, first_word: int, width: int) -> dict[str, Matrix]:
    """Return every tensor by its name.

    Args:
        script: What the model says.
        first_word: Token of the first word; the others follow it.
        width: Length of an embedding, at least one more than there are words.
    """
    words = len(script.words)
    embedding, output = _zeros(first_word + words, width), _zeros(first_word + words, width)
    embedding[:first_word, 0] = 1
    for state in range(words + 1):
        if state:
            embedding[first_word + state - 1, state] = 1
        follows = state if state < words else 0
        ends = state == words and not (script.endless and words)
        # A one-hot vector leaves the norm with sqrt(width) in its place.
        output[_END if ends else first_word + follows, state] = _LOGIT / width**0.5
    layer = _layer(width)
    return {
        "token_embd": embedding,
        "output_norm": _zeros(width) + 1,
        "output": output,
        **{
            f"blk.{number}.{name}": values
            for number in range(script.layers)
            for name, values in layer.items()
        },
    }


def _layer(width: int) -> dict[str, Matrix]:
    """Return a layer that adds nothing."""
    narrow = width // _HEADS
    return {
        "attn_norm": _zeros(width) + 1,
        "ffn_norm": _zeros(width) + 1,
        "attn_q": _zeros(width, width),
        "attn_k": _zeros(narrow, width),
        "attn_v": _zeros(narrow, width),
        "attn_output": _zeros(width, width),
        "ffn_gate": _zeros(_FEED_FORWARD, width),
        "ffn_up": _zeros(_FEED_FORWARD, width),
        "ffn_down": _zeros(width, _FEED_FORWARD),
    }


def _zeros(*shape: int) -> Matrix:
    return np.zeros(shape, dtype=np.float32)
