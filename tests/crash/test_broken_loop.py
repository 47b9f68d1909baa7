import json

from tests.crash.scripts import run


async def test_a_background_loop_that_crashes_ends_the_server_and_says_where() -> None:
    ended = await run("broken_loop")
    lines = [json.loads(line) for line in ended.stderr.splitlines()]
    (crashed,) = [line for line in lines if line["event"] == "server.crashed"]

    assert 1 == ended.exit_code
    assert "TypeError" == crashed["exception"]
    assert "inventory.py" in crashed["at"]
    assert "the prompt" not in ended.stderr
