"""JSON that a model or a person wrote, read strictly."""

import json
from typing import Any, NoReturn


def read_json(text: str) -> Any:  # noqa: ANN401  any JSON is
    """Return what a text of JSON says, as Python values.

    Raises:
        ValueError: It is no JSON, or nested too deep. The error says where, and holds none of it.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise ValueError(f"not JSON: look at {where}") from None
    except RecursionError:
        raise ValueError("not JSON that can be read: too deep") from None
    except _NoNumber:
        raise
    except ValueError:  # Python's own bound on integers, in words of its own
        raise ValueError("not JSON that can be read: an integer is too long") from None


class _NoNumber(ValueError):
    """Python takes it for a number, and JSON has none such."""


def _refuse(constant: str) -> NoReturn:
    raise _NoNumber(f"not JSON: {constant} is no number there")
