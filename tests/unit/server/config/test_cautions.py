import sys

from llmsvc_server.config.cautions import count_files, find_warnings
from llmsvc_server.config.settings import Settings
from llmsvc_server.config.sources import Loaded


def of(settings: Settings, *, open_files: int = sys.maxsize) -> list[str]:
    """Return what is said of settings that were asked for like this."""
    loaded = Loaded(settings=settings, source="x", origins={})
    return list(find_warnings(loaded, open_files=open_files))


def test_listening_beyond_loopback_is_warned_of() -> None:
    everywhere = Settings.model_validate({"server": {"listen": "0.0.0.0:1"}})

    assert [] == of(Settings())
    assert ["TLS" in text for text in of(everywhere)] == [True]


def with_cloud(openai: dict[str, object], privacy: str | None = None) -> Settings:
    return Settings.model_validate(
        {
            "llm": {
                "providers": {"ollama": {"kind": "ollama"}, "openai": {"kind": "openai", **openai}},
                "default_provider": "ollama",
                "fallback_sequence": ["openai"],
                "privacy": privacy,
            }
        }
    )


ACTIVE: dict[str, object] = {"model": "m", "api_key": "k"}


def test_who_may_leave_the_network_is_said_once_and_loudly() -> None:
    (told,) = of(with_cloud(ACTIVE))

    assert "remote_when_busy" in told
    assert "local_only" in told


def test_who_is_left_out_is_said_with_why() -> None:
    told = of(with_cloud({}))

    assert any("openai is left out" in text for text in told)


def test_who_is_left_out_by_the_ceiling_is_said() -> None:
    (told,) = of(with_cloud(ACTIVE, privacy="local_only"))

    assert told.startswith("openai is left out")
    assert "network" in told


def test_chats_that_the_limit_on_open_files_cannot_hold_are_warned_of() -> None:
    settings = Settings.model_validate({"server": {"max_chats": 1_000}})
    wanted = count_files(settings)

    (told,) = of(settings, open_files=1_024)

    assert [] == of(settings, open_files=wanted)
    assert "server.max_chats: 1000" in told
    assert "1,024" in told
    fitting = Settings.model_validate({"server": {"max_chats": int(told.rpartition(" ")[2])}})
    assert [] == of(fitting, open_files=1_024)
