"""What a new adapter has to say: how a chat is put, how an answer is read, what an error means."""

from typing import Protocol, TypeVar

from llmsvc_server.chat.adjustment import Adjustment
from llmsvc_server.chat.request import ChatRequest
from llmsvc_server.chat.value import value
from llmsvc_server.errors import ProviderError
from llmsvc_server.providers.http.unfinished import Tails
from llmsvc_server.providers.shared.answer_reader import AnswerReader

F = TypeVar("F")


@value
class Terms:
    """What an answer is measured by.

    Attributes:
        max_tokens: The most tokens that it may have; None for no number.
        adjustments: What is not run as asked.
    """

    max_tokens: int | None
    adjustments: tuple[Adjustment, ...]


class Dialect(Protocol[F]):
    """How one provider is spoken to. A form is what of a request depends on its refusals.

    Attributes:
        path: Where chats are asked for, below the provider's root.
        resends_lost: Whether a request may be sent again that was lost with a connection. In a
            cloud it may be paid: there a retry is the schedule's, and in the receipt.
    """

    @property
    def path(self) -> str: ...  # noqa: D102  see the class

    @property
    def resends_lost(self) -> bool: ...  # noqa: D102  see the class

    def form(self, request: ChatRequest) -> F:
        """Return how to put a request, whose `model` is in the provider's spelling.

        Raises:
            ProviderError: It is not to be sent.
        """
        ...

    def encode(self, request: ChatRequest, form: F) -> tuple[bytes, Terms]:
        """Return the body that asks for a streamed answer, and what the answer is measured by.

        Raises:
            ProviderError: The provider would refuse it in any form.
        """
        ...

    def reader(self, request: ChatRequest, tails: Tails) -> AnswerReader:
        """Return what reads the answer; what has no end yet counts in `tails`."""
        ...

    def classify(self, status: int, body: bytes, retry_after_s: float | None) -> ProviderError:
        """Return what a refusal means; see `Classify`."""
        ...

    def correct(self, form: F, body: bytes) -> F | None:
        """Return how a refusal wants a request put that came as `form`; None if it does not say.

        Args:
            form: How it was put.
            body: The refusal's. Anything may be in it.
        """
        ...

    def learn(self, model: str, form: F) -> None:
        """Remember a correction that was answered."""
        ...
