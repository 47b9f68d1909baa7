#!/usr/bin/env python3
"""Write docs/configuration.md from the settings themselves; --check only compares.

Knows how settings are described, not which there are.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from llmsvc_server.config.keys import ENTRIES, environment_name, keys, sections
from llmsvc_server.config.words import describe_allowed, format_value

TARGET = Path("docs/configuration.md")

INTRODUCTION = """\
# Configuration

`make docs` writes this page from the settings in `server/llmsvc_server/config`.

```yaml
llm:
  providers:
    ollama:
      base_url: http://localhost:11434
      model: phi3:mini
      temperature: 0.7
      num_ctx: 2048
      timeout: 60
  default_provider: ollama
  fallback_sequence:
    - ollama
```

Starting points:

| file | who answers |
|---|---|
| [dev.yaml](../deploy/config/dev.yaml) | Ollama, then made-up answers; what `make run` uses |
| [production.yaml](../deploy/config/production.yaml) | Ollama alone, every setting of it shown |
| [local-only.yaml](../deploy/config/local-only.yaml) | Ollama alone, clouds ruled out |
| [local-then-cloud.yaml](../deploy/config/local-then-cloud.yaml) | Ollama, then a cloud |
| [cloud-then-local.yaml](../deploy/config/cloud-then-local.yaml) | a cloud, then Ollama |
| [pool-vllm-cloud.yaml](../deploy/config/pool-vllm-cloud.yaml) | two Ollamas, a vLLM, a cloud |

## Where settings come from

From weakest to strongest:

1. The defaults below. Without a file and without variables that is one Ollama at
   `http://localhost:11434` with `phi3:mini`.
2. One YAML file: `llmsvc-server serve --config FILE`, else the file that the variable
   `LLMSVC_CONFIG` names.
3. Environment variables: `LLMSVC_`, then the path in capitals with `__` between its parts.
   `LLMSVC_LLM__PROVIDERS__OLLAMA__MODEL=llama3.2` sets `llm.providers.ollama.model`. Lists and
   maps are JSON: `LLMSVC_LLM__FALLBACK_SEQUENCE='["ollama", "mock"]'`,
   `LLMSVC_LLM__PROVIDERS__OLLAMA__ALIASES='{{"gpt-4o": "phi3:mini"}}'`. `null` and `~` mean null.

| command | what it does |
|---|---|
| `llmsvc-server config check --config FILE` | says whether `serve` would start with it, and what it would warn of; `--strict` makes a warning exit 2 |
| `llmsvc-server config show --config FILE` | prints what is in force as YAML, with the source of each value |
| `llmsvc-server config address --config FILE` | prints where this machine reaches the server, for checks; `--health` where it asks for health |
| `llmsvc-server config schema` | prints a JSON Schema, for editors |

## Keys

An entry's key is its `api_key`, else what its `api_key_file` holds, else the vendor's usual variable:
`OPENAI_API_KEY` for `https://api.openai.com`, `ANTHROPIC_API_KEY` for `https://api.anthropic.com`.
No other address gets a vendor's key by itself. A file that is named has to be there when the server
starts. White space around a key is no part of it, and a blank key is none.

Keys stand in no log, no message and no output: `config show` says only where each came from. Where
nothing may leave the operator's network, no file with a cloud's key is opened.

## What is refused

A configuration that is wrong does not start: exit code 2, and one line for each problem with its
place and the remedy.

```
llmsvc-server: my.yaml:8: llm.providers.ollama.timout: unknown key; did you mean timeout?
llmsvc-server: LLMSVC_SERVER__MAX_CHATS: server.max_chats: out of range; allowed: a whole number from 1 to 100000
```

Errors are: a file that is missing or is no YAML, unknown keys, a key given twice, YAML tags and
aliases, values out of range, and unknown variables that begin with `LLMSVC_`. Left alone are
`LLMSVC_CLIENT_*` (the client's), `LLMSVC_LIVE_*` (the tests') and what Kubernetes puts into pods
beside a Service called llmsvc or llmsvc-something, such as
`LLMSVC_PORT=tcp://10.0.0.1:50051` and `LLMSVC_SERVICE_HOST`.

## Providers and their order

- Each entry under `llm.providers` has a name: up to 64 small letters and digits, a letter first,
  with single `_` between them. Its `kind` is its name unless it says otherwise; an entry that is
  named like a kind has to be of that kind.
- Candidates are asked in this order: `llm.default_provider`, then `llm.fallback_sequence` without
  names that came before. Without a `default_provider` the first of the sequence leads, else the
  only entry, else `ollama`; several entries and nobody named is an error.
- A name in the sequence that is a kind but has no entry gets an entry with that kind's defaults.
- An entry of kind `openai` or `anthropic` without a model, or without a key where one is needed, is
  left out. The start and `config show` say so. If nobody of the sequence is left, that is an error.
- An entry that the sequence does not name is asked only by requests that name it.
- Kinds: {kinds}. Any other name in the sequence without an entry is an error.
- `mock` makes its answers up. With it in the sequence the server starts only if
  `llm.providers.mock.enabled` is true.

## What stays inside

A request may leave the operator's network only if `llm.default_provider` or `llm.fallback_sequence`
names a cloud: an entry of kind `anthropic`, one of kind `openai` without `local: true`, or an Ollama
with `allow_remote_models: true`. It counts as named without a key too. `llm.privacy: local_only`
rules all of them out. An entry that is ruled out is never constructed; the local models of an Ollama
with `allow_remote_models` stay.

`llm.privacy: local_only` in the file is a ceiling: `LLMSVC_LLM__PRIVACY=null` does not lift it. The
server starts with the file's word and warns that the variable is not followed; the start line's
`privacy_source` says who set it. The variable can set `local_only` where the file does not. Everything
else a stronger source may change, and none of it loosens a ceiling that stands.

A local provider connects to loopback, to the private ranges and to its `local_networks`, whatever
its name resolves to, and never to an address at which a cloud hands out credentials. A `base_url`
with another address in it is refused at start. So are `local_networks` that together hold more of the
internet than an operator's own networks do: more than four times /8 of IPv4, or one /16 of IPv6,
besides the private ranges.

## Time

`timeout` bounds silence, never the length of a healthy answer. How long a call may take as a whole
is its caller's deadline, or `limits.chat_deadline_s` and `limits.stream_deadline_s` where it set
none, and never more than `limits.deadline_cap_s`. A wait that is set above that cap is an error.

A model that thinks without showing it is silent for long, and that is no fault. So the limits of an
entry of kind `openai` are 120 s at least while `hidden_thinking` is true, whatever `timeout` says;
`first_token_timeout_s` and `idle_timeout_s` are kept as they are set.
"""


def default_of(field: FieldInfo) -> str:
    """Return a setting's default as one would write it."""
    extra = field.json_schema_extra
    if isinstance(extra, dict):
        return str(extra["x-default"])
    if field.default is PydanticUndefined:
        raise LookupError(f"no default is told for: {field.description}")
    value = f"[{', '.join(field.default)}]" if field.default == () else format_value(field.default)
    return f"`{value}`"


def row(path: tuple[str, ...], field: FieldInfo) -> str:
    """Return one setting as a row of its table."""
    cells = (
        f"`{path[-1]}`",
        describe_allowed(field),
        default_of(field),
        f"`{environment_name(path)}`",
        field.description or "",
    )
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def page_lines() -> Iterator[str]:
    """Yield the whole document."""
    places = {place: section for place, section in sections().items() if place}
    kinds = [f"`{place[-1]}`" for place in places if place[:-1] == ENTRIES]
    yield INTRODUCTION.format(kinds=", ".join(kinds))
    for place, section in places.items():
        yield from (f"## {'.'.join(place)}", "", str(section.__doc__).strip(), "")
        if place[:-1] == ENTRIES:
            yield f"Keys of an entry of kind `{place[-1]}`, shown for an entry of that name."
            yield ""
        yield "| key | allowed | default | variable | meaning |"
        yield "|---|---|---|---|---|"
        yield from (row(path, field) for path, field in keys().items() if path[:-1] == place)
        yield ""


def main(arguments: Sequence[str]) -> int:
    """Write the page, or compare it.

    Returns:
        The exit code: 0, or 1 where --check finds the page out of date.
    """
    text = "\n".join(page_lines()).rstrip("\n") + "\n"
    if "--check" not in arguments:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.is_file() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    sys.stderr.write(f"{TARGET} does not say what the settings say: run `make docs`\n")
    return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
