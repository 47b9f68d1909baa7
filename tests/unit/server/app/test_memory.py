from llmsvc_server.app.memory import Resident, resident_bytes

MIB = 2**20


def test_what_a_process_holds_is_told_in_bytes() -> None:
    before = resident_bytes()
    held = b"x" * (64 * MIB)

    assert 56 * MIB < resident_bytes() - before < 72 * MIB
    assert held


def test_it_exceeds_what_is_less_and_not_what_is_more() -> None:
    resident = Resident(lambda: 7.0)

    assert [True, True, False] == [resident.exceeds(most) for most in (0, MIB, 2**40)]
