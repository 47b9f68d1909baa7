"""What the stateful parts of routing say of themselves: their state, and nothing of anybody's."""

from llmsvc_server.errors import ProviderError
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.admission import Admission
from llmsvc_server.routing.held import Share
from llmsvc_server.routing.plan import Planner
from llmsvc_server.routing.shares import Shares
from llmsvc_server.routing.targets import Targets
from tests.fakes.assembled import everyday_held
from tests.fakes.requests import chat_request
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.candidates import Asked, walk
from tests.unit.server.routing.plans import cloud


def test_a_schedule_says_how_far_it_has_come() -> None:
    asked = walk(Asked(name="a"), Asked(name="b"), text="secret")
    asked.fail(ProviderError(ErrorKind.CREDENTIAL))
    before = repr(asked.schedule)
    asked.fail(ProviderError(ErrorKind.VIOLATION))

    assert "<Schedule: 1 of 2 looked at, 1 requests>" == before
    assert "<Schedule: 2 of 2 looked at, 2 requests, ended>" == repr(asked.schedule)


def test_a_planner_says_how_much_it_remembers() -> None:
    planner = Planner(Targets(sequence=[cloud("openai", "gpt")]), inventory_over({}))
    planner.plan(chat_request("secret"))

    assert "<Planner of openai: 1 plans>" == repr(planner)


def test_gates_say_what_is_inside() -> None:
    admission, held = Admission(max_chats=8, max_request_bytes=800), everyday_held()
    share, shares = Share(held, "a"), Shares(10, kept=1)
    share.add("text")
    shares.add("a", 3)
    slot = admission.enter("a", 200)
    admission.close()

    assert "<Admission: closed, 1 chats, 200 bytes>" == repr(admission)
    slot.leave()
    assert "<Admission: closed, 0 chats, 0 bytes>" == repr(admission)
    assert ("<HeldAnswers: 4 bytes>", "<Share: 4 bytes>") == (repr(held), repr(share))
    assert "<Shares: 3 of 10 taken, 1 callers>" == repr(shares)
