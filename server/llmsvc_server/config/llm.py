"""Which providers there are, and who is asked first.

A name that is mentioned without an entry gets an implied one, whose kind is the name. So a name
that is neither entry nor kind fails where every unknown kind does.
"""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from llmsvc_server.config.providers import PROVIDER_KINDS, ProviderEntry, ProviderSettings
from llmsvc_server.config.section import Expected, Section, is_blank, raise_errors, value_error

ENTRY_NAME = r"^[a-z][a-z0-9]*(_[a-z0-9]+)*$"
"""They are parts of environment names, so no capitals and no double underscore."""

ENTRY_NAME_WORDS = "up to 64 small letters and digits, a letter first, with single _ between them"

LOCAL_ONLY = "local_only"
CLOUD_ALLOWED = "cloud_allowed"

_BUILT_IN = "ollama"

EntryName = Annotated[str, Field(pattern=ENTRY_NAME, max_length=64)]
FirstProvider = Annotated[
    str, Field(min_length=1), Expected("the name of the provider to ask first")
]
ProviderNames = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...],
    Field(max_length=64),
    Expected("a list of providers' names such as [ollama]"),
]


class LlmSettings(Section):
    """Providers by name, and their order."""

    providers: Mapping[EntryName, ProviderSettings] = Field(
        default_factory=dict,
        description="Entries by name, such as `ollama`. A kind that the sequence names without an"
        " entry here gets one with its defaults.",
    )
    default_provider: FirstProvider = Field(
        default="",
        description="Who is asked first, with its own model if a request names none. Absent: the"
        " first of `fallback_sequence`, else the only entry, else ollama.",
        json_schema_extra={"x-default": "see meaning"},
    )
    fallback_sequence: ProviderNames = Field(
        default=(),
        description="Who is asked after `default_provider`, in order; names that come again are"
        " passed over.",
        examples=[["ollama"]],
    )

    privacy: Literal["local_only"] | None = Field(
        default=None,
        description="`local_only` keeps everything in the operator's network, whatever a request"
        " asks for. null: requests may leave it if the sequence names a cloud provider.",
    )
    remote_when_busy: bool = Field(
        default=True,
        description="Ask cloud providers also while a local one is merely busy or loads its model."
        " That may cost money; false waits instead.",
    )

    @property
    def sequence(self) -> tuple[str, ...]:
        """Whom the operator named, in order, whether active or not."""
        return tuple(dict.fromkeys((self.default_provider, *self.fallback_sequence)))

    @property
    def operator_privacy(self) -> str:
        """The operator's policy, "local_only" or "cloud_allowed" (docs/privacy.md 1)."""
        if self.privacy is not None:
            return self.privacy
        named = (self.providers[name] for name in self.sequence)
        allows_cloud = any(entry.is_cloud or entry.may_forward for entry in named)
        return CLOUD_ALLOWED if allows_cloud else LOCAL_ONLY

    @property
    def candidates(self) -> Mapping[str, ProviderEntry]:
        """The providers that are asked, by name, in their order; `load` sees to at least one."""
        active = self._active
        return {name: active[name] for name in self.sequence if name in active}

    @property
    def others(self) -> Mapping[str, ProviderEntry]:
        """The providers that are asked only where a request names them, by name."""
        named = self.sequence
        return {name: entry for name, entry in self._active.items() if name not in named}

    @property
    def inactive(self) -> Mapping[str, str]:
        """Why providers are left out, by name, as what follows "it"."""
        return {
            name: entry.missing
            for name, entry in self.providers.items()
            if entry.missing and name not in self.withheld_by_privacy
        }

    @property
    def withheld_by_privacy(self) -> Mapping[str, str]:
        """Kind of each cloud provider that may never be asked, by name."""
        if self.operator_privacy != LOCAL_ONLY:
            return {}
        return {name: entry.kind for name, entry in self.providers.items() if entry.is_cloud}

    @property
    def _active(self) -> Mapping[str, ProviderEntry]:
        withheld = self.withheld_by_privacy
        return {
            name: entry
            for name, entry in self.providers.items()
            if entry.is_enabled and not entry.missing and name not in withheld
        }

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, given: object) -> object:
        """Add kinds, implied entries and the first provider to what was given.

        What has the wrong shape is passed on as it is: validation then says so.
        """
        given = {} if is_blank(given) else given
        if not isinstance(given, Mapping):
            return given
        filled = dict(given)
        if is_blank(filled.get("fallback_sequence")):
            filled["fallback_sequence"] = ()
        sequence = _names(filled["fallback_sequence"])
        entries = filled.get("providers")
        entries = {} if is_blank(entries) else entries
        known = entries if isinstance(entries, Mapping) else {}
        first = filled.get("default_provider")
        first = filled["default_provider"] = _first(sequence, known) if first is None else first
        mentioned = _names((first, *sequence))
        if known is entries:
            filled["providers"] = {
                name: _with_kind(name, known.get(name)) for name in (*known, *mentioned)
            }
        return filled

    @model_validator(mode="after")
    def _candidates_may_answer(self) -> Self:
        errors = [
            (
                ("providers", name, "enabled"),
                value_error(
                    f"{name} makes its answers up and is not enabled",
                    f"set llm.providers.{name}.enabled: true, or take {name} out of the sequence",
                ),
            )
            for name in self.sequence
            if not self.providers[name].is_enabled
        ]
        errors += [
            (
                ("providers", name, "kind"),
                value_error(
                    f"an entry named {name} has to be of that kind",
                    f"write kind: {name}, or give the entry another name",
                ),
            )
            for name, entry in self.providers.items()
            if name in PROVIDER_KINDS and entry.kind != name
        ]
        if errors:
            raise_errors(errors)
        return self


def _first(sequence: tuple[str, ...], entries: Mapping[object, object]) -> object:
    """Return who is first where nobody said so; "" where that can't be known."""
    if sequence:
        return sequence[0]
    if not entries:
        return _BUILT_IN
    return next(iter(entries)) if len(entries) == 1 else ""


def _names(values: object) -> tuple[str, ...]:
    """Return what can be a name among `values`, nothing if they are no list."""
    listed = values if isinstance(values, list | tuple) else ()
    return tuple(value for value in listed if isinstance(value, str) and value)


def _with_kind(name: object, entry: object) -> object:
    entry = {} if is_blank(entry) else entry
    if not isinstance(entry, Mapping):
        return entry
    return {**entry, "kind": entry.get("kind") or name}
