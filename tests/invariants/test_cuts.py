"""Invariant 13 for Ollama, of whose answers there are recordings (docs/invariants.md).

The other protocols' readings hold it in their own tests; see docs/invariants.md.
"""

import pytest

from tests.fakes.recordings import Recording
from tests.unit.server.providers.ollama.outcomes import outcome_of
from tests.unit.server.providers.ollama.test_reading import answers

LONGEST_BYTES = 3_000
"""Longer ones say nothing that the others do not."""

WHOLE = [one for one in answers() if b'"done":true' in one.body and len(one.body) < LONGEST_BYTES]


@pytest.mark.parametrize("recorded", WHOLE, ids=lambda one: f"{one.version}-{one.case}")
def test_invariant_13_an_answer_cut_at_any_byte_is_no_success(recorded: Recording) -> None:
    body = recorded.body.rstrip()
    early = [at for at in range(len(body)) if outcome_of([body[:at]]).done is not None]

    assert [] == early
    assert outcome_of([body]).done is not None
