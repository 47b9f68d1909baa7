"""Settings from a text, as a user would have it in a file."""

from collections.abc import Mapping
from pathlib import Path

from llmsvc_server.config.problems import ConfigInvalid
from llmsvc_server.config.sources import Loaded, load

FILE = "settings.yaml"
CUSTOMERS_BLOCK = """\
llm:
  providers:
    ollama:
      base_url: http://localhost:11434
      model: phi3:mini
      temperature: 0.7
      num_ctx: 2048
      timeout: 60
  default_provider: openai
  fallback_sequence:
    - ollama
    - openai
"""
"""As the customer wrote it, byte for byte."""


def loaded(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> Loaded:
    """Return what the server makes of a file that holds `text`.

    Raises:
        ConfigInvalid: It refuses.
    """
    (folder / FILE).write_text(text, encoding="utf-8")
    return load(str(folder / FILE), environ or {})


def problems(folder: Path, text: str, environ: Mapping[str, str] | None = None) -> list[str]:
    """Return the lines of a refusal without the file's folder; none if the settings load."""
    (folder / FILE).write_text(text, encoding="utf-8")
    lines = refusal(str(folder / FILE), environ or {})
    return [line.replace(f"{folder}/", "") for line in lines]


def refusal(config_path: str | None, environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with a file and an environment, line by line; none if they load."""
    try:
        load(config_path, environ)
    except ConfigInvalid as error:
        return [str(problem) for problem in error.problems]
    return []
