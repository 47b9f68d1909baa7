import pytest

from llmsvc_server.config.memory import HELD_FACTOR, REQUEST_FACTOR, memory_of
from llmsvc_server.config.settings import Settings
from tests.unit.server.config.loading import refusal

MIB = 2**20


def settings(
    *, request_mib: int = 20, message_mib: int = 5, chats: int = 512, held_mib: int = 32
) -> Settings:
    return Settings.model_validate(
        {
            "server": {"max_request_bytes": request_mib * MIB, "max_chats": chats},
            "limits": {"max_message_bytes": message_mib * MIB, "max_held_bytes": held_mib * MIB},
        }
    )


def test_the_memory_of_a_pod_follows_from_its_settings() -> None:
    memory = memory_of(settings())

    assert 798 == round(memory.total_bytes / MIB)
    assert 6 == memory.max_arriving
    assert 230 == round(memory.at_rest_bytes / MIB)


@pytest.mark.parametrize(
    ("changed", "more_mib"),
    [
        (settings(request_mib=21), REQUEST_FACTOR),
        (settings(chats=512 + 16), 2),
        (settings(held_mib=33), HELD_FACTOR),
        (settings(message_mib=10), 0),
        (settings(request_mib=20, message_mib=16), 2),
        (settings(request_mib=20, message_mib=20), 10),
    ],
)
def test_each_of_them_counts(changed: Settings, more_mib: int) -> None:
    more_bytes = memory_of(changed).total_bytes - memory_of(settings()).total_bytes

    assert more_mib == round(more_bytes / MIB)


def test_room_that_the_largest_request_would_not_fit_into_is_refused() -> None:
    (line,) = refusal(None, {"LLMSVC_SERVER__MAX_REQUEST_BYTES": "5000000"})

    assert "is less than limits.max_message_bytes" in line
    assert line.endswith("raise it, or lower limits.max_message_bytes")
