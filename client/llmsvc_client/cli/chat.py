"""`llmsvc chat`: one answer to standard output, everything else to standard error."""

from dataclasses import dataclass, field

from llmsvc_client.cli.exits import Exit
from llmsvc_client.cli.render import reply_json, what_changed, who_answered
from llmsvc_client.cli.session import Session
from llmsvc_client.client import Client
from llmsvc_client.types import ProviderKind


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What to ask. None leaves a choice to the server."""

    prompt: str = field(repr=False)
    system: str | None = field(repr=False)
    model: str | None
    timeout_s: float | None


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
            timeout_s=question.timeout_s,
        )
        session.output.write(reply_json(reply))
    else:
        await _shown(client, question, session)
    return Exit.OK


async def _shown(client: Client, question: Question, session: Session) -> None:
    stream = client.stream(
        question.prompt,
        system=question.system,
        model=question.model,
        timeout_s=question.timeout_s,
    )
    try:
        async with stream:
            async for piece in stream:
                session.output.write(piece.text)
    finally:
        session.output.end_line()
    for line in what_changed(stream.reply):
        session.remarks.say(line, style="yellow")
    canned = stream.reply.route.kind is ProviderKind.MOCK
    session.remarks.say(who_answered(stream.reply), style="bold yellow" if canned else "dim")
