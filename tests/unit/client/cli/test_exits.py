import pytest

from llmsvc_client.cli.exits import Exit, exit_of
from llmsvc_client.errors import Code, Failure, LlmsvcError, StreamInterruptedError


@pytest.mark.parametrize("code", Code)
def test_a_failure_that_may_pass_is_3_and_any_other_1(code: Code) -> None:
    may_pass = code in {Code.UNAVAILABLE, Code.RESOURCE_EXHAUSTED, Code.DEADLINE_EXCEEDED}

    error = LlmsvcError(Failure(code=code, message="A sentence."))

    assert (Exit.UNREACHABLE if may_pass else Exit.REFUSED) is exit_of(error)


@pytest.mark.parametrize("code", [Code.ABORTED, Code.UNAVAILABLE])
def test_an_interrupted_answer_is_5(code: Code) -> None:
    error = StreamInterruptedError(Failure(code=code, message="A sentence."))

    assert Exit.INTERRUPTED is exit_of(error)
