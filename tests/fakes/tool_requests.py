"""Requests with tools, as the tests send them."""

from llmsvc.v1 import llm_pb2

WEATHER_SCHEMA = '{"type":"object","properties":{"city":{"type":"string"}},"required":["city"]}'


def function(name: str = "get_weather", schema: str = WEATHER_SCHEMA) -> llm_pb2.Tool:
    """Return a tool of that name, whose arguments conform to a schema."""
    return llm_pb2.Tool(function=llm_pb2.FunctionTool(name=name, parameters_json_schema=schema))


def said(role: llm_pb2.Role.ValueType, text: str) -> llm_pb2.Message:
    """Return a message that is a text."""
    return llm_pb2.Message(role=role, parts=[llm_pb2.ContentPart(text=text)])


def called(
    call_id: str = "1", name: str = "get_weather", arguments: str = '{"city": "Oslo"}'
) -> llm_pb2.Message:
    """Return the message of a model that called a function."""
    call = llm_pb2.ToolCall(id=call_id, name=name, arguments_json=arguments)
    return llm_pb2.Message(role=llm_pb2.ROLE_ASSISTANT, parts=[llm_pb2.ContentPart(tool_call=call)])


def resulted(call_id: str = "1", content: str = "rain") -> llm_pb2.Message:
    """Return the message with what came of a call."""
    result = llm_pb2.ToolResult(tool_call_id=call_id, content=content)
    return llm_pb2.Message(role=llm_pb2.ROLE_TOOL, parts=[llm_pb2.ContentPart(tool_result=result)])


def asked(*messages: llm_pb2.Message, tools: int = 1) -> llm_pb2.ChatRequest:
    """Return a request that asks for the weather, offers `tools` functions, and goes on so."""
    names = ["get_weather", *(f"f{number}" for number in range(1, tools))][:tools]
    return llm_pb2.ChatRequest(
        messages=[said(llm_pb2.ROLE_USER, "Weather in Oslo?"), *messages],
        tools=[function(name) for name in names],
    )
