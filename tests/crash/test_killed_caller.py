from llmsvc_server.chat.events import Delta
from tests.crash.scripts import started
from tests.fakes.assembled import MODEL, assembled
from tests.fakes.eventually import eventually
from tests.fakes.gate import Gate
from tests.fakes.scripted_provider import ScriptedProvider, done

STREAMS = 50


async def test_a_caller_that_is_killed_leaves_nothing_running() -> None:
    gate = Gate()
    provider = ScriptedProvider(Delta("a"), gate, done(), models=[MODEL])
    async with assembled(provider) as service:
        caller = await started("caller", service.address, str(STREAMS))
        assert caller.stdout is not None
        said = await caller.stdout.readline()
        running = provider.running
        caller.kill()
        _ = await caller.communicate()
        await eventually(lambda: not (len(service.in_flight) or provider.running))
        codes = [one.code for one in service.reporter.rpcs]

    assert (b"ready\n", STREAMS) == (said, running)
    assert ["CANCELLED"] * STREAMS == codes
    assert 0 == service.admission.running
