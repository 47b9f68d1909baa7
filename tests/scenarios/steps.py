"""What a fault server does with one request, in words that hold for every protocol."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tests.fakes.gate import Gate


@dataclass(frozen=True, slots=True)
class Refuse:
    """A whole response that is no answer."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Begin:
    """Headers, and what comes before any content: a role, a message's start."""


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """What proves a socket and no progress, where the protocol has such a thing."""


@dataclass(frozen=True, slots=True)
class Say:
    """A piece of text."""

    text: str


@dataclass(frozen=True, slots=True)
class Marker:
    """The semantic terminal marker, with a reason in our words: stop, content_filter."""

    reason: str = "stop"


@dataclass(frozen=True, slots=True)
class Frame:
    """The framing marker."""


@dataclass(frozen=True, slots=True)
class Raw:
    """Bytes as they are."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Pause:
    """A while in which nothing comes, as of a model that is slow."""

    seconds: float


@dataclass(frozen=True, slots=True)
class End:
    """The body ends cleanly."""


@dataclass(frozen=True, slots=True)
class Cut:
    """The connection closes without the body's end."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is reset."""


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing more, until the client leaves."""


Step = (
    Refuse
    | Begin
    | KeepAlive
    | Say
    | Marker
    | Frame
    | Raw
    | Pause
    | End
    | Cut
    | Reset
    | Silence
    | Gate
)
Turn = Sequence[Step]


def answer(text: str = "from the primary") -> Turn:
    """Return a whole, healthy answer."""
    return [Begin(), *(Say(word) for word in text.partition(" ") if word), Marker(), Frame(), End()]
