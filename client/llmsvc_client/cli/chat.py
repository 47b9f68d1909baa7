"""`llmsvc chat`: one answer to standard output, everything else to standard error."""

from typing import Final

from llmsvc_client.answers import Piece, Progress
from llmsvc_client.cli.as_json import call_json, reply_json
from llmsvc_client.cli.exits import Exit
from llmsvc_client.cli.receipt import describe_progress, receipt_of, warn_of_sent_content
from llmsvc_client.cli.render import describe_adjustments, describe_answer, describe_violations
from llmsvc_client.cli.session import Session
from llmsvc_client.client import Client
from llmsvc_client.options import ChatOptions
from llmsvc_client.reply import ChatReply
from llmsvc_client.types import FinishReason, Locality, ProviderKind

_PROGRESS_INTERVAL_S: Final = 5.0


async def chat(client: Client, prompt: str, options: ChatOptions, session: Session) -> Exit:
    """Show the answer as it comes, then who gave it; or all of it as one JSON object at the end.

    Calls of tools come behind the text, one line of JSON each. A refusal is a remark.

    Raises:
        LlmsvcError: The call failed.
        OSError: The answer can't be written. The call is cancelled.
    """
    if session.as_json:
        reply = await client.chat(prompt, **options)
        session.output.write(reply_json(reply))
    else:
        show = _show_whole if _is_strict(options) else _show
        reply = await show(client, prompt, options, session)
        for call in reply.tool_calls:
            session.output.write(call_json(call, reply))
        _explain(reply, session)
    if reply.finish_reason is FinishReason.REFUSAL:
        return Exit.DECLINED
    conforms = all(check.conforming for check in reply.output_checks)
    return Exit.OK if conforms else Exit.NONCONFORMING


def _is_strict(options: ChatOptions) -> bool:
    """Return whether something is required to conform: that is known at the end only."""
    wanted = options.get("response_format")
    return any(tool.conformance_required for tool in options.get("tools", ())) or (
        wanted is not None and wanted.conformance_required
    )


async def _show_whole(
    client: Client, prompt: str, options: ChatOptions, session: Session
) -> ChatReply:
    reply = await client.chat(prompt, **options)
    if reply.text:
        session.output.write(reply.text)
        session.output.end_line()
    return reply


async def _show(client: Client, prompt: str, options: ChatOptions, session: Session) -> ChatReply:
    interval_s = _PROGRESS_INTERVAL_S if session.verbose else None
    stream = client.stream(prompt, **options, progress_interval_s=interval_s)
    try:
        async with stream:
            async for item in stream:
                if isinstance(item, Piece):
                    session.output.write(item.text)
                # Later it would stand inside the answer.
                elif isinstance(item, Progress) and not stream.text:
                    session.remarks.say(describe_progress(item))
    finally:
        session.output.end_line()
    return stream.reply


def _explain(reply: ChatReply, session: Session) -> None:
    if reply.refusal:
        session.remarks.say(f"llmsvc: the model declined: {reply.refusal}", style="yellow")
    for line in receipt_of(reply) if session.verbose else []:
        session.remarks.say(line)
    for line in (*describe_adjustments(reply), *warn_of_sent_content(reply)):
        session.remarks.say(line, style="yellow")
    usual = reply.route.kind is not ProviderKind.MOCK and reply.route.locality is Locality.LOCAL
    session.remarks.say(describe_answer(reply), style="dim" if usual else "bold yellow")
    for line in describe_violations(reply):
        session.remarks.say(line, style="red")
