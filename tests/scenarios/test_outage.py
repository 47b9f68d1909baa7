"""S15 and S16: an outage and what is said of it (docs/scorecard.md)."""

from tests.scenarios.protocols import Fault, Protocol, refuse
from tests.scenarios.stage import FALLBACK_TEXT, Way, staged
from tests.scenarios.steps import answer
from tests.scenarios.test_refusals import PRIMARY_TEXT

CALLS, APART_S = 20, 4.0
BACK_AFTER_S = 60.0
SOON_S = 20.0


async def test_s15_an_outage_goes_by(protocol: Protocol, way: Way, *, alone: bool) -> None:
    async with staged(protocol, alone=alone, stands_still=True) as stage:
        stage.primary.always([refuse(protocol, Fault.UNAVAILABLE)])
        began_s = stage.clock()
        codes: list[tuple[float, str, str]] = []
        in_outage = 0
        for _ in range(CALLS):
            since_s = stage.clock() - began_s
            if since_s >= BACK_AFTER_S and not in_outage:
                in_outage = len(stage.primary.chats)
                stage.primary.always(answer())
            given = await stage.ask(way)
            codes.append((since_s, given.code, given.text))
            stage.clock.advance(APART_S)
        late = [text for since_s, _, text in codes if since_s >= BACK_AFTER_S + SOON_S - APART_S]

        assert {PRIMARY_TEXT} == set(late)
        assert 1 == stage.primary.most_running
        if alone:
            assert {"UNAVAILABLE"} == {code for since_s, code, _ in codes if since_s < BACK_AFTER_S}
        else:
            assert {"OK"} == {code for _, code, _ in codes}
            assert in_outage <= 10


async def test_s16_the_receipt_names_who_answered(protocol: Protocol, way: Way) -> None:
    async with staged(protocol) as stage:
        assert stage.fallback is not None
        stage.primary.always([refuse(protocol, Fault.UNAVAILABLE)])
        given = await stage.ask(way)
        route = given.route

        assert FALLBACK_TEXT == given.text
        assert ("fallback", stage.fallback.model) == (route.provider, route.model)
        assert [("primary", "PROVIDER_ERROR")] * 2 + [("fallback", "OK")] == given.attempts
        assert all(one.content_sent for one in route.attempts)
        assert all(one.HasField("elapsed_duration") for one in route.attempts)
        assert given.response is not None
        assert (5, 7) == (
            given.response.usage.input_tokens,
            given.response.usage.output_tokens,
        )
