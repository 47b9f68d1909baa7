from llmsvc_server.catalog.inventory import Inventory
from llmsvc_server.chat.request import SERVERS_ROUTING, Routing
from llmsvc_server.chat.route import TargetName
from llmsvc_server.failures import ErrorKind
from llmsvc_server.routing.plan import MAX_REMEMBERED, Plan, Planner
from llmsvc_server.routing.targets import Target, Targets
from tests.fakes.requests import chat_request
from tests.fakes.scripted_provider import catalogue_of
from tests.fakes.watching import inventory_over
from tests.unit.server.routing.plans import ALLOWED, LOCAL_ONLY, cloud, local, scripted, seen


class PlannerBench:
    """Plans over an Ollama with one model and a cloud, after a first look."""

    def __init__(
        self, *, window_tokens: int | None = None, cloud_window_tokens: int | None = None
    ) -> None:
        """Know nothing yet."""
        self.local: Target = local("ollama", "phi3", window_tokens=window_tokens)
        self.inventory: Inventory = inventory_over({"ollama": scripted(self.local)})
        remote = cloud("openai", "gpt", window_tokens=cloud_window_tokens)
        self.planner = Planner(
            Targets(sequence=[self.local, remote], privacy=ALLOWED), self.inventory
        )

    async def look(self, *models: str) -> None:
        """See these models at the Ollama."""
        scripted(self.local).listing = catalogue_of(models)
        await self.inventory.refresh("ollama", "ollama")

    def plan(
        self, model: str = "", *, text: str = "hi", routing: Routing = SERVERS_ROUTING
    ) -> Plan:
        """Return the plan of one request."""
        return self.planner.plan(chat_request(text, model=model, routing=routing))


async def bench_of(*, window_tokens: int | None = None) -> PlannerBench:
    bench = PlannerBench(window_tokens=window_tokens)
    await bench.look("phi3")
    return bench


async def test_the_same_request_is_planned_once() -> None:
    bench = await bench_of()

    assert bench.plan() is bench.plan()
    assert [("ollama", "phi3"), ("openai", "gpt")] == seen(bench.plan())


async def test_what_a_look_finds_counts_at_once() -> None:
    bench = await bench_of()
    before = bench.plan()
    await bench.look("llama3")

    assert ("ollama", "phi3") in seen(before)
    assert ("ollama", ErrorKind.MODEL_MISSING) in seen(bench.plan())


async def test_a_model_that_was_just_denied_is_planned_no_more() -> None:
    bench = await bench_of()
    bench.plan()
    bench.inventory.forget("ollama", "ollama", "phi3")

    assert ("ollama", ErrorKind.MODEL_MISSING) in seen(bench.plan())


async def test_another_policy_has_a_plan_of_its_own() -> None:
    bench = await bench_of()
    bench.plan()

    assert [("ollama", "phi3"), ("openai", ErrorKind.REMOTE_REFUSED)] == seen(
        bench.plan(routing=Routing(privacy=LOCAL_ONLY))
    )
    assert ("openai", "gpt") in seen(bench.plan())


async def test_refusals_are_each_calls_own() -> None:
    bench = await bench_of()
    first, second = (bench.plan("llama3").entries[0] for _ in range(2))

    assert first is not second


async def test_a_prompt_too_long_for_a_window_is_refused_although_others_fitted() -> None:
    bench = await bench_of(window_tokens=10)
    bench.plan()

    assert ("ollama", ErrorKind.CONTEXT) in seen(bench.plan(text="x" * 41))
    assert ("ollama", "phi3") in seen(bench.plan(text="x" * 40))


async def test_whether_a_request_cut_others_off_is_asked_each_time() -> None:
    bench = PlannerBench(cloud_window_tokens=10)
    await bench.look("phi3")
    alone = Routing(fallback_disabled=True)

    assert bench.plan(routing=alone).is_cut
    assert not bench.plan(text="x" * 41, routing=alone).is_cut


async def test_callers_names_take_no_more_memory_than_a_bound() -> None:
    bench = await bench_of()
    for number in range(MAX_REMEMBERED + 10):
        named = TargetName(provider="openai", model=f"gpt-{number}")
        bench.plan(routing=Routing(targets=(named,)))

    assert len(bench.planner._known) <= MAX_REMEMBERED  # noqa: SLF001  memory is asked
