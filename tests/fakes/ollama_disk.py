"""The models that a fake Ollama has on disk, and what it says to names and wishes.

Source: docs/facts/ollama.md 5.1 and 6.
"""

import hashlib
from dataclasses import dataclass

from tests.fakes.ollama_checks import Asked, Generation, Refused
from tests.fakes.ollama_names import Name, Source, cut_source, read_name


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """One model on disk. `name` is its stored spelling, with its tag.

    Attributes:
        capabilities: As /api/show lists them.
        window_tokens: What it was trained for.
        parameters, system: What its Modelfile sets; left out of /api/show when empty.
        remote_host: Where a stub sends its chats; empty for a model that runs here.
        weights_gone: The manifest is there, the weights file is not.
    """

    name: str
    capabilities: tuple[str, ...] = ("completion",)
    window_tokens: int = 131_072
    family: str = "phi3"
    size_bytes: int = 2_176_178_913
    parameters: str = ""
    system: str = ""
    remote_host: str = ""
    weights_gone: bool = False

    @property
    def digest(self) -> str:
        """Bare sha256 hex, as tags and ps show it."""
        return hashlib.sha256(self.name.encode()).hexdigest()


class Disk:
    """Models by name."""

    def __init__(self, generation: Generation) -> None:
        """Be empty."""
        self._generation = generation
        self._models: dict[Name, Model] = {}

    @property
    def models(self) -> tuple[Model, ...]:
        """What is on disk, newest first."""
        return tuple(reversed(self._models.values()))

    def add(self, model: Model | str) -> None:
        """Put a model on disk: a whole one, or an ordinary one of that name."""
        if isinstance(model, str):
            model = Model(name=model if ":" in model else f"{model}:latest")
        self._models[identity_of(model.name)] = model

    def remove(self, name: str) -> None:
        """Take a model from disk; one in memory stays there, as on real servers."""
        del self._models[identity_of(name)]

    def find(self, sent: str) -> Model:
        """Return the model that a chat names.

        Raises:
            Refused: 400, 403 or 404, as this generation says it.
        """
        if not sent:
            raise Refused(400, "model is required")
        name, source = (sent, Source.UNSAID) if self._oldest else cut_source(sent)
        if source and cut_source(name)[1]:
            raise Refused(400, f'use either :local or :cloud, not both: "{sent}"')
        identity = read_name(name)
        if identity is None:
            raise Refused(400, "model is required" if self._oldest else "invalid model name")
        if source is Source.CLOUD:
            raise Refused(403, "ollama cloud is disabled: remote model is unavailable")
        model = self._models.get(identity)
        if model is None:
            old_text = f'model "{sent}" not found, try pulling it first'
            raise Refused(404, old_text if self._oldest else f"model '{sent}' not found")
        return model

    def show(self, sent: str) -> Model:
        """Return the model that /api/show names.

        Raises:
            Refused: 400, 404 or 500.
        """
        if not sent:
            raise Refused(400, "model is required")
        identity = read_name(sent)
        if identity is None:
            malformed = (500, "invalid model path") if self._oldest else (400, "invalid model name")
            raise Refused(*malformed)
        model = self._models.get(identity)
        if model is None or model.weights_gone:
            raise Refused(404, f"model '{sent}' not found")
        return model

    def check_abilities(self, model: Model, asked: Asked) -> None:
        """Refuse what the model cannot.

        Raises:
            Refused: 400.
        """
        if model.weights_gone or "completion" not in model.capabilities:
            raise Refused(400, f'"{asked.model}" does not support chat')
        thinks = "thinking" in model.capabilities or not asked.think
        if not thinks and not self._oldest:
            raise Refused(400, f'"{asked.model}" does not support thinking')
        lacking = [] if "tools" in model.capabilities or not asked.tools else ["tools"]
        lacking += [] if thinks else ["thinking"]
        if lacking:
            full = "/".join(identity_of(model.name)[:3]) + ":" + identity_of(model.name).tag
            raise Refused(400, f"{full} does not support " + "\n".join(lacking))

    @property
    def _oldest(self) -> bool:
        return self._generation is Generation.OLDEST


def identity_of(name: str) -> Name:
    """Return a stored name's identity."""
    identity = read_name(name)
    assert identity is not None, f"{name} is no model name"
    return identity
