import json

from tests.crash.scripts import run


async def test_what_outlives_its_call_reads_a_copy_and_nothing_else() -> None:
    ended = await run("after_the_end", "1000")
    found = json.loads(ended.stdout)

    assert (0, []) == (ended.exit_code, ended.noise)
    assert found["begun"] > 500
    assert [] == found["strangers"]
