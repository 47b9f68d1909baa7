"""Flags that every floor has."""

import argparse


def parser(about: str | None) -> argparse.ArgumentParser:
    """Return a parser with the common flags."""
    result = argparse.ArgumentParser(description=about)
    result.add_argument("--port", type=int, default=0, help="port to serve on")
    result.add_argument("--upstream", default="", help="base URL of the fake upstream")
    result.add_argument(
        "--option", action="append", default=[], help="channel argument, NAME=VALUE"
    )
    return result


def channel_options(arguments: argparse.Namespace) -> list[tuple[str, str | int]]:
    """Return the channel arguments; values of digits become numbers."""
    pairs = (option.partition("=") for option in arguments.option)
    return [(name, int(value) if value.isdigit() else value) for name, _, value in pairs]
