"""`llmsvc chat`: one answer to standard output, everything else to standard error."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from llmsvc_client.answers import ChatReply, Piece
from llmsvc_client.cli.as_json import reply_json
from llmsvc_client.cli.exits import Exit
from llmsvc_client.cli.receipt import describe_progress, receipt_of, warn_of_sent_content
from llmsvc_client.cli.render import describe_adjustments, describe_answer
from llmsvc_client.cli.session import Session
from llmsvc_client.client import Client
from llmsvc_client.types import Locality, Privacy, ProviderKind, Sampling, Target

_PROGRESS_INTERVAL_S: Final = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask, with the meaning of `Client.chat`. None leaves a choice to the server."""

    prompt: str = field(repr=False)
    system: str | None = field(default=None, repr=False)
    model: str | None = None
    sampling: Sampling | None = None
    timeout_s: float | None = None
    privacy: Privacy | None = None
    targets: Sequence[Target] = ()
    fallback: bool = True


async def chat(client: Client, question: Question, session: Session) -> Exit:
    """Show the answer as it comes, then who gave it; or all of it as one JSON object at the end.

    Raises:
        LlmsvcError: The call failed.
        OSError: The answer can't be written. The call is cancelled.
    """
    if session.as_json:
        reply = await client.chat(
            question.prompt,
            system=question.system,
            model=question.model,
            sampling=question.sampling,
            timeout_s=question.timeout_s,
            privacy=question.privacy,
            targets=question.targets,
            fallback=question.fallback,
        )
        session.output.write(reply_json(reply))
    else:
        _explain(await _show(client, question, session), session)
    return Exit.OK


async def _show(client: Client, question: Question, session: Session) -> ChatReply:
    stream = client.stream(
        question.prompt,
        system=question.system,
        model=question.model,
        sampling=question.sampling,
        timeout_s=question.timeout_s,
        privacy=question.privacy,
        targets=question.targets,
        fallback=question.fallback,
        progress_interval_s=_PROGRESS_INTERVAL_S if session.verbose else None,
    )
    try:
        async with stream:
            async for item in stream:
                if isinstance(item, Piece):
                    session.output.write(item.text)
                elif not stream.text:  # later it would stand inside the answer
                    session.remarks.say(describe_progress(item))
    finally:
        session.output.end_line()
    return stream.reply


def _explain(reply: ChatReply, session: Session) -> None:
    for line in receipt_of(reply) if session.verbose else []:
        session.remarks.say(line)
    for line in (*describe_adjustments(reply), *warn_of_sent_content(reply)):
        session.remarks.say(line, style="yellow")
    usual = reply.route.kind is not ProviderKind.MOCK and reply.route.locality is Locality.LOCAL
    session.remarks.say(describe_answer(reply), style="dim" if usual else "bold yellow")
