"""The models that tests make for an Ollama of their own: a sentence, a ring, and silence."""

from dataclasses import dataclass
from pathlib import Path

from tests.live.ollama_api import OllamaApi
from tests.live.tiny_model import Script, prompt_tokens, write_model

TEMPLATE = "{{ range .Messages }}{{ .Role }}: {{ .Content }}\n{{ end }}assistant: "


@dataclass(frozen=True, slots=True, kw_only=True)
class TinyModel:
    """A model by its name, and what it says to everything.

    What it can do is what its template has a place for.
    """

    name: str
    script: Script
    template: str = TEMPLATE

    async def make(self, ollama: OllamaApi, folder: Path) -> None:
        """Make it in an Ollama; `folder` takes the file."""
        weights = folder / f"{self.name}.gguf"
        write_model(weights, self.name, self.script)
        await ollama.create(self.name, weights.read_bytes(), self.template)


PLAIN = TinyModel(
    name="plain",
    script=Script(
        words=(
            *("The", " sky", " looks", " blue", " because", " air", " scatters", " short"),
            *(" waves", " more", " than", " long", " ones,", " so", " light", " from", " every"),
            *(" side", " reaches", " our", " eyes", " with", " extra", " violet", " (naïvely"),
            *(" put)", " in", " it,", " while", " red", " goes", " straight", " on;", " at"),
            *(" dusk", " its", " path", " grows", " and", " orange", " stays."),
        )
    ),
)
# About a hundred words a second on one core, as real models are: when a caller leaves while words
# come faster than Ollama passes them on, it may never free the model's slot (ollama/ollama#17131).
ENDLESS = TinyModel(
    name="endless",
    script=Script(
        words=tuple(f" word{number:02}" for number in range(60)), endless=True, layers=200
    ),
)
SILENT = TinyModel(name="silent", script=Script(words=()))

CALLING = TinyModel(
    name="calling",
    script=Script(
        words=(
            *('{"name":', ' "get_weather",', ' "arguments":'),
            *(' {"city":', ' "Oslo"}}'),
        )
    ),
    template=(
        "{{ if .Tools }}tools: {{ .Tools }}\n{{ end }}{{ range .Messages }}{{ .Role }}: {{ .Content }}"
        '{{ range .ToolCalls }}{"name": "{{ .Function.Name }}", "arguments": {{ .Function.Arguments }}}'
        "{{ end }}\n{{ end }}assistant: "
    ),
)
IMITATING = TinyModel(
    name="imitating",
    script=Script(
        words=(
            *('{"action":', ' "call_tools",', ' "calls":', ' [{"name":', ' "get_weather",'),
            *(' "arguments":', ' {"city":', ' "Oslo"}}]}'),
        )
    ),
)


def input_tokens(*turns: tuple[str, str]) -> int:
    """Return how many tokens a chat's prompt has, given as pairs of role and text."""
    return prompt_tokens("".join(f"{role}: {text}\n" for role, text in turns) + "assistant: ")
