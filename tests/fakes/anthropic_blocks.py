"""What Anthropic refuses of blocks, and of tools that do not go with them.

Source: docs/facts/providers.md 2.1, 2.2 and 2.8.
"""

import re
from collections.abc import Iterator, Sequence

from tests.fakes.anthropic_schemas import schema_faults
from tests.fakes.ollama_record import Json

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_ROLE_OF = {"tool_use": "assistant", "tool_result": "user"}
_NEVER_FORCED = ("claude-opus-5-5", "claude-fable-5-1")
_CHOICES = {"auto", "any", "tool", "none"}


def block_faults(asked: Json) -> Iterator[str]:
    """Yield what is wrong with the contents of messages, and with the tools."""
    messages = asked["messages"]
    assert isinstance(messages, list)
    uses: list[str] = []
    seen: set[str] = set()
    for place, message in enumerate(messages):
        content = message["content"]
        if not (content.strip() if isinstance(content, str) else content):
            yield f"messages.{place}: all messages must have non-empty content"
        blocks: Sequence[Json] = [] if isinstance(content, str) else content
        yield from _faults(place, message["role"], blocks)
        results = [str(one["tool_use_id"]) for one in blocks if one["type"] == "tool_result"]
        kinds = [one["type"] for one in blocks]
        if "tool_result" in kinds[len(results) :]:
            yield f"messages.{place}: tool_result blocks must come first"
        if sorted(results) != sorted(uses):
            yield (
                f"messages.{place}: `tool_use` ids were found without `tool_result` blocks "
                "immediately after"
            )
        uses = [str(one["id"]) for one in blocks if one["type"] == "tool_use"]
        if not seen.isdisjoint(uses):
            yield f"messages.{place}: `tool_use` ids must be unique"
        seen.update(uses)
        if uses and "tools" not in asked:
            yield "Requests which include `tool_use` blocks must define tools"
    yield from _tool_faults(asked)


def _faults(place: int, role: str, blocks: Sequence[Json]) -> Iterator[str]:
    for block in blocks:
        kind = str(block["type"])
        if kind not in {"text", "tool_use", "tool_result"}:
            yield f"messages.{place}: unknown block {kind}"
        if _ROLE_OF.get(kind, role) != role:
            yield f"messages.{place}: `{kind}` blocks can only be in `{_ROLE_OF[kind]}` messages"
        if kind == "text" and not str(block["text"]).strip():
            yield f"messages.{place}: text content blocks must contain non-whitespace text"
        if kind == "tool_use":
            if not isinstance(block["input"], dict):
                yield f"messages.{place}: tool_use.input: Input should be a valid dictionary"
            if not _NAME.fullmatch(str(block["id"])):
                yield f"messages.{place}: tool_use.id: String should match pattern"


def _tool_faults(asked: Json) -> Iterator[str]:
    tools = asked.get("tools", [])
    assert isinstance(tools, list)
    for number, tool in enumerate(tools):
        if not _NAME.fullmatch(str(tool.get("name"))):
            yield f"tools.{number}.name: String should match pattern"
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            yield f"tools.{number}.input_schema.type: Input should be 'object'"
        elif tool.get("strict"):
            yield from schema_faults(f"tools.{number}.custom", schema)
    yield from _choice_faults(asked)
    shape = asked.get("output_config")
    if isinstance(shape, dict):
        wanted = shape.get("format", {})
        if wanted.get("type") != "json_schema":
            yield "output_config.format.type: Input should be 'json_schema'"
        yield from schema_faults("output_config.format.schema", wanted.get("schema"))


def _choice_faults(asked: Json) -> Iterator[str]:
    choice = asked.get("tool_choice")
    if not isinstance(choice, dict):
        return
    kind = choice.get("type")
    if kind not in _CHOICES or not asked.get("tools"):
        yield "tool_choice: Input should be a valid choice, with tools"
    if kind == "none" and "disable_parallel_tool_use" in choice:
        yield "tool_choice.none.disable_parallel_tool_use: Extra inputs are not permitted"
    if kind in {"any", "tool"} and str(asked.get("model")).startswith(_NEVER_FORCED):
        yield 'tool_choice: type "tool" and "any" are not supported for this model.'
