"""What every entry has and answers, whatever its kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import get_annotations
from typing import Annotated, ClassVar

from pydantic import Field
from typing_extensions import override

from llmsvc_server.config.section import Expected, Section

KIND = Field(description="Kind of the provider. Absent: the entry's name.")

ModelName = Annotated[
    str,
    Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:/@-]{0,255}$"),
    Expected("a model's name such as phi3:mini"),
]


@dataclass(frozen=True, slots=True)
class After:
    """Names the setting behind which one stands; stands in a field's annotation."""

    name: str


class EntrySettings(Section):
    """One provider. What no kind says otherwise suits answers that are made in this process.

    A setting of a base keeps its place where a kind declares it again. A new one stands behind the
    one that is declared before it, unless it says `After`. So pages, outputs and problems come in
    the order in which people think of a provider, and a default may look at what stands before it.
    """

    reports_model_state: ClassVar[bool] = False
    """Whether it says which models are in memory, and which run elsewhere."""

    kind: str
    model: Annotated[
        str | None,
        Field(
            # Servers name a model after its file too: "/models/qwen3".
            pattern=r"^[!-~]{1,256}$",
            description="Model for requests that name none, as the server calls it. Without one the"
            " provider is left out.",
        ),
        Expected("a model's name such as gpt-4o-mini, or null"),
    ] = None

    @classmethod
    @override
    def __pydantic_init_subclass__(cls, **_: object) -> None:
        """Put the settings in order."""
        known = dict(cls.model_fields)
        bases = (base for base in cls.__bases__ if issubclass(base, Section))
        order, before = [name for base in bases for name in base.model_fields], 0
        for name in filter(known.__contains__, get_annotations(cls)):
            marks = [mark.name for mark in known[name].metadata if isinstance(mark, After)]
            if marks or name not in order:
                order = [other for other in order if other != name]
                order.insert(order.index(marks[0]) + 1 if marks else before, name)
            before = order.index(name) + 1
        cls.model_fields.clear()
        cls.model_fields.update((name, known[name]) for name in order)
        cls.model_rebuild(force=True)

    @property
    def urls(self) -> tuple[str, ...]:
        """Root of every server."""
        return ()

    def endpoints(self, name: str) -> Mapping[str, str]:
        """Return the root of each server by the name of its endpoint; none of the mock's.

        Args:
            name: The entry's, which its only endpoint has too.
        """
        if len(self.urls) == 1:
            return {name: self.urls[0]}
        return {f"{name}#{place}": url for place, url in enumerate(self.urls, 1)}

    @property
    def named_models(self) -> tuple[str, ...]:
        """The models that it names, as it spells them."""
        return (self.model,) if self.model else ()

    @property
    def models_to_warm(self) -> tuple[str, ...]:
        """The models that are loaded before anybody asks."""
        return ()

    @property
    def summary(self) -> str:
        """Who answers, in a few words."""
        return self.model or ""

    @property
    def missing(self) -> str:
        """Why it can't be asked, as what follows "it"; "" if it can."""
        return ""

    @property
    def is_enabled(self) -> bool:
        """Whether it may stand in the sequence."""
        return True

    @property
    def is_cloud(self) -> bool:
        """Whether requests leave the operator's network."""
        return False

    @property
    def may_forward(self) -> bool:
        """Whether it may pass requests on to a cloud of its makers."""
        return False

    @property
    def loads_models(self) -> bool:
        """Whether we bring its models into memory; who does so by itself has all of them there."""
        return False

    @property
    def heals(self) -> bool:
        """Whether a model that is in memory and answers nothing is loaded again."""
        return False
