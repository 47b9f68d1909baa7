import pytest

from llmsvc_server.errors import Overloaded, ShuttingDown
from llmsvc_server.routing.admission import Admission


def test_it_counts_and_refuses_at_once_when_full() -> None:
    gate = Admission(max_chats=1)
    with gate.slot():
        with pytest.raises(Overloaded) as refused, gate.slot():
            pass

        assert 1 == gate.running
    assert 0 == gate.running
    assert refused.value.retry_after_s > 0


def test_closed_it_refuses_newcomers_only() -> None:
    gate = Admission(max_chats=2)
    with gate.slot():
        gate.close()
        with pytest.raises(ShuttingDown), gate.slot():
            pass

        assert 1 == gate.running
