"""One attempt as it is reported: how it ended, and after how long."""

from dataclasses import dataclass
from types import TracebackType
from typing import Self

from llmsvc_server.chat.receipt import Receipt
from llmsvc_server.chat.route import ProviderInfo
from llmsvc_server.chat.usage import estimated_tokens
from llmsvc_server.errors import ProviderError
from llmsvc_server.reports import AttemptEnd, AttemptReport, Reporter


@dataclass(slots=True, eq=False)
class Attempt:
    """Entered while it runs; reports once, when it is left.

    Attributes:
        info, model: Who runs what.
        receipt: The call's, which counts the time.
        reporter: Gets the report.
        length: Characters of the text that has come.
        first_content_s: Seconds from the request to the first of it; None before.
        is_answered: Whether the answer is complete.
    """

    info: ProviderInfo
    model: str
    receipt: Receipt
    reporter: Reporter
    length: int = 0
    first_content_s: float | None = None
    is_answered: bool = False

    def __enter__(self) -> Self:
        """Run."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Report how it ended."""
        failure = error if isinstance(error, ProviderError) else None
        end = AttemptEnd.ANSWERED if self.is_answered else AttemptEnd.LEFT
        self.reporter.attempt_finished(
            AttemptReport(
                provider=self.info,
                model=self.model,
                end=AttemptEnd.FAILED if failure else end,
                error=failure,
                duration_s=self.receipt.elapsed_s,
                first_content_s=self.first_content_s,
                written_tokens=estimated_tokens(self.length) if failure else 0,
            )
        )
