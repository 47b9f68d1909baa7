"""What became of the schemas that a request names: checks of what the model wrote."""

from llmsvc_server.chat.value import value


@value
class SchemaViolation:
    """One place that does not conform.

    `pointer` is a JSON Pointer into what the model wrote, "" for all of it. `keyword` is the schema's,
    "json" where the text is no JSON, "truncated" where it was cut, "unchecked" where it is too large to
    be checked, or to say where.
    """

    pointer: str
    keyword: str


@value
class OutputCheck:
    """One check: of a call's arguments, or of the text where `tool_call_id` is "".

    What was written conforms where there are no `violations`; at most 10 are told.
    """

    tool_call_id: str = ""
    violations: tuple[SchemaViolation, ...] = ()
