"""Everything that an upstream may do with a chat, for Hypothesis to choose from.

Each turn says words that no other turn says, so that a text shows where it comes from.
"""

from collections.abc import Iterable, Mapping

from hypothesis import strategies as st

from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.steps import (
    Begin,
    Cut,
    End,
    Frame,
    KeepAlive,
    Marker,
    Raw,
    Reset,
    Say,
    Silence,
    Step,
    Turn,
)

NONSENSE = Raw(b"data: {not json\n\n")
"""No answer in any of the protocols."""

QUICK = {"first_token_timeout_s": 0.2, "idle_timeout_s": 0.2}
"""So that turns with a silence end."""

_UNSAID = {
    Protocol.OLLAMA: {Fault.CONTENT},
    Protocol.OPENAI: set[Fault](),
    Protocol.ANTHROPIC: {Fault.CONTENT, Fault.SATURATED},
}
FAULTS: Mapping[Protocol, tuple[Fault, ...]] = {
    protocol: tuple(fault for fault in Fault if fault not in unsaid)
    for protocol, unsaid in _UNSAID.items()
}
ENDINGS: tuple[tuple[Step, ...], ...] = (
    (Marker(), Frame(), End()),
    (Marker(), Cut()),
    (End(),),
    (Cut(),),
    (Reset(),),
    (Silence(),),
    (NONSENSE, Cut()),
)


def refused(protocol: Protocol, fault: Fault) -> Turn:
    """Return a refusal that nobody waits out: a rate limit says that it lasts long."""
    more = {"retry_after": "30"} if fault is Fault.RATE_LIMIT else {}
    return [refuse(protocol, fault, **more)]


@st.composite
def answers(draw: st.DrawFn, word: str) -> Turn:
    """Draw an answer that says nothing but `word`, and ends in any way."""
    said: Iterable[Step] = [Say(word)] * draw(st.integers(0, 3))
    alive = [KeepAlive()] * draw(st.integers(0, 1))
    return [Begin(), *alive, *said, *draw(st.sampled_from(ENDINGS))]


@st.composite
def plays(draw: st.DrawFn, protocol: Protocol, word: str) -> Turn:
    """Draw any turn of `protocol`; where it has text, it says `word`."""
    refusals = st.sampled_from(FAULTS[protocol]).map(lambda fault: refused(protocol, fault))
    rude: st.SearchStrategy[list[Step]] = st.just([Reset()])
    return draw(st.one_of(refusals, rude, answers(word), answers(word)))


@st.composite
def programmes(draw: st.DrawFn, protocol: Protocol, name: str, length: int) -> list[Turn]:
    """Draw `length` turns in a row; the n-th one says `name` and n."""
    return [draw(plays(protocol, f"{name}{n}.")) for n in range(length)]
