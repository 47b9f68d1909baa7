"""The commands and their options. Standard streams and arguments become values here."""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final

import typer

from llmsvc_client.calls import CallOptions
from llmsvc_client.channel import READINESS, check_address
from llmsvc_client.cli.address import ADDRESS_VARIABLE, DEFAULT_ADDRESS
from llmsvc_client.cli.chat import chat
from llmsvc_client.cli.exits import Exit
from llmsvc_client.cli.interrupt import run_until_ctrl_c
from llmsvc_client.cli.probe import TIMEOUT_S, run_health
from llmsvc_client.cli.prompt import BadPromptError, read_prompt
from llmsvc_client.cli.session import session_of_process
from llmsvc_client.cli.tool_files import BadFileError, read_schema, read_tool
from llmsvc_client.options import ChatOptions
from llmsvc_client.tools import ResponseFormat, ToolChoice, ToolMode, Unsupported
from llmsvc_client.types import Privacy, Sampling, Target
from llmsvc_client.version import version

# As llm.proto has them.
_MAX_TEMPERATURE: Final = 2
_MAX_SEED: Final = 2**31 - 1
_MAX_TOKENS: Final = 2**31 - 1
_MAX_STOP_SEQUENCES: Final = 4

app: Final = typer.Typer(
    name="llmsvc",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _check_address(address: str) -> str:
    try:
        return check_address(address)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _check_timeout(timeout_s: float | None) -> float | None:
    try:
        return CallOptions(timeout_s, None).timeout_s
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _target(text: str) -> Target:
    provider, _, model = text.partition("/")
    if not provider and not model:
        raise typer.BadParameter(f"{text!r} names nothing: write PROVIDER or PROVIDER/MODEL")
    return Target(provider, model)


def _tool_choice(text: str) -> ToolChoice:
    if text in set(ToolMode):
        return ToolChoice(mode=ToolMode(text))
    return ToolChoice(mode=ToolMode.REQUIRED, allowed=[text])


def _check_temperature(temperature: float | None) -> float | None:
    if temperature is None or 0 <= temperature <= _MAX_TEMPERATURE:
        return temperature
    raise typer.BadParameter(f"{temperature:g} is not from 0 to {_MAX_TEMPERATURE}")


def _check_stop(sequences: list[str] | None) -> list[str] | None:
    if len(sequences or ()) > _MAX_STOP_SEQUENCES:
        raise typer.BadParameter(f"at most {_MAX_STOP_SEQUENCES} may be given")
    if not all(sequences or ()):
        raise typer.BadParameter("an empty text would end every answer: leave it out")
    return sequences


def _show_version(wanted: bool) -> None:  # noqa: FBT001  typer's form of a callback
    if wanted:
        _version()
        raise typer.Exit


Address = Annotated[
    str,
    typer.Option(
        envvar=ADDRESS_VARIABLE,
        help="Where the server is: host:port.",
        callback=_check_address,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on standard output.")]


@app.callback()
def _llmsvc(
    *,
    _wants_version: Annotated[
        bool,
        typer.Option(
            "--version", help="Show the version and exit.", callback=_show_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Talk to an llmsvc server.

    Exit codes: 0 done, 1 refused, 2 wrong usage, 3 unreachable, overloaded or out of time, 4 not
    serving, 5 broken off after output, 6 does not conform to its schema, 7 the model declined, 130
    Ctrl-C.
    """


@app.command("chat")
def _chat(  # noqa: PLR0913  one per option
    prompt: Annotated[
        str | None,
        typer.Argument(
            help='The prompt, put behind what is piped in. Without one, or with "-": standard input'
            " alone. In a loop that reads, write </dev/null behind."
        ),
    ] = None,
    *,
    system: Annotated[str | None, typer.Option(help="Instructions to the model.")] = None,
    model: Annotated[str | None, typer.Option(help="Model; else the server's default.")] = None,
    timeout: Annotated[
        float | None,
        typer.Option(
            help="Seconds for the whole answer; else the server's limit.",
            callback=_check_timeout,
        ),
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option(
            help="Randomness, 0 to 2; else as the server is set.", callback=_check_temperature
        ),
    ] = None,
    max_tokens: Annotated[
        int | None,
        typer.Option(
            min=1,
            max=_MAX_TOKENS,
            metavar="TOKENS",
            help="Most tokens to generate; the server's limit holds too.",
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            min=0, max=_MAX_SEED, metavar="NUMBER", help="Seed for best-effort repeatability."
        ),
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option(
            callback=_check_stop,
            metavar="TEXT",
            help="Text that ends the answer and is no part of it; again for the next, at most 4.",
        ),
    ] = None,
    local_only: Annotated[
        bool, typer.Option("--local-only", help="Let no content leave the operator's network.")
    ] = False,
    target: Annotated[
        list[Target] | None,
        typer.Option(
            parser=_target,
            metavar="PROVIDER[/MODEL]",
            help="What to try instead of the server's sequence; again for the next.",
        ),
    ] = None,
    no_fallback: Annotated[
        bool, typer.Option("--no-fallback", help="Try only the first permitted target.")
    ] = False,
    tool: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="A function that the model may call, as JSON: name, description, parameters; again"
            " for the next. A call is printed as one line of JSON.",
        ),
    ] = None,
    tool_choice: Annotated[
        ToolChoice | None,
        typer.Option(
            parser=_tool_choice,
            metavar="auto|none|required|NAME",
            help="Whether a tool has to be called, or which one.",
        ),
    ] = None,
    schema: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="JSON Schema that the answer has to conform to."),
    ] = None,
    strict: Annotated[
        bool,
        typer.Option(
            "--strict",
            help="Fail rather than show an answer, or a call, that does not conform. The next"
            " candidate is asked before.",
        ),
    ] = False,
    emulate: Annotated[
        bool, typer.Option("--emulate", help="Imitate tools and formats that a model lacks.")
    ] = False,
    degrade: Annotated[
        bool, typer.Option("--degrade", help="Leave out tools and formats that a model lacks.")
    ] = False,
    verbose: Annotated[
        bool,
        typer.Option(
            "--verbose",
            "-v",
            help="Tell what was tried and where the time went; --json always does.",
        ),
    ] = False,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Ask a model. The answer comes on standard output, everything else on standard error."""
    session = session_of_process(as_json=json, verbose=verbose)
    try:
        tools = [replace(read_tool(path), conformance_required=strict) for path in tool or ()]
        shape = None
        if schema is not None:
            shape = ResponseFormat(read_schema(schema), conformance_required=strict)
        action = _action(emulate=emulate, degrade=degrade)
        text = read_prompt(prompt, sys.stdin, session.remarks)
    except (BadFileError, BadPromptError) as error:
        session.remarks.say(f"llmsvc: {error}", style="red")
        raise typer.Exit(Exit.USAGE) from None
    options = ChatOptions(
        system=system,
        model=model,
        sampling=Sampling(
            temperature=temperature,
            max_output_tokens=max_tokens,
            seed=seed,
            stop_sequences=tuple(stop or ()),
        ),
        timeout_s=timeout,
        tools=tools,
        tool_choice=tool_choice,
        response_format=shape,
        on_unsupported=action,
        privacy=Privacy.LOCAL_ONLY if local_only else None,
        targets=target or (),
        fallback=not no_fallback,
    )
    work = session.run(address, lambda client: chat(client, text, options, session))
    raise typer.Exit(run_until_ctrl_c(work))


def _action(*, emulate: bool, degrade: bool) -> Unsupported | None:
    """Return what to do where a model lacks something.

    Raises:
        BadFileError: Both were asked for.
    """
    if emulate and degrade:
        raise BadFileError("--emulate and --degrade: give one of them")
    if emulate:
        return Unsupported.EMULATE
    return Unsupported.DEGRADE if degrade else None


@app.command("health")
def _health(
    name: Annotated[
        str,
        typer.Argument(help="readiness, liveness, model/NAME or provider/NAME."),
    ] = READINESS,
    *,
    timeout: Annotated[
        float, typer.Option(help="Seconds for the call.", callback=_check_timeout)
    ] = TIMEOUT_S,
    json: Json = False,
    address: Address = DEFAULT_ADDRESS,
) -> None:
    """Ask for a state of health.

    Exit codes: 0 SERVING, 4 anything else, 3 unreachable.
    """
    raise typer.Exit(run_health(name, address=address, timeout_s=timeout, as_json=json))


@app.command("version")
def _version() -> None:
    """Show the version."""
    typer.echo(f"llmsvc {version()}")
