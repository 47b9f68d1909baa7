"""The page docs/performance.md."""

from collections.abc import Sequence

from tests.bench.report import markdown
from tests.bench.row import Row

_HEAD = """\
# Performance

Written by `make bench`. Figures belong to the machine that made them; compare only what ran side by side.

## Machine
"""
_TAIL = """
## How it is measured
- One server process in front of a fake Ollama, OpenAI and Anthropic of raw bytes, under a compiled load client, each in its own process, on loopback without TLS. Everything that a default start has on is on; only `max_chats` and `max_in_flight_per_model` are raised. At least one connection per 100 streams, but where a row says one.
- Processor time is user and system time of the whole process from the kernel's own clock, read by the load client at both ends of its window. Two figures mean two passes, each from fresh processes, floor and both doors in turn; judged is the median of the ratios of the passes. What comes before a window is thrown away. A window in which other processes took over 5 % of a core is repeated once.
- Starts of streams are spread, phases are random, each token has a jitter of a fifth of its interval either way. The fake upstream sends each token by itself, to the microsecond.
- Floor of a unary call: a grpc.aio method on uvloop that does nothing, plus an aiohttp POST of the same answer. Floor of a token at pace: a bare grpc.aio stream on uvloop, one ready-made message per token, plus bare aiohttp reads. Of a token in bulk: one message of such a stream at full speed. Of memory: one process of uvloop, grpc.aio and aiohttp that relays without a look.
- First token: calls one after the other on an idle machine, 5 to 15 ms apart, the upstream waiting 2 ms before it answers. The caller's gRPC connection stands before the first call. Each start of the server gives 50 calls, the first one counted; of the direct calls the first of each process is left out.
- Cancel: 20 streams at a time, each left at a random point of its first 200 ms; the time is from the cancel to when the upstream saw its socket close.
- Memory slope: least squares over the last four fifths of the streams, one look a second, after 5,000 streams that do not count. Its floor is the floor of memory under the same streams: grpcio's heap grows where a write fails because its caller has just left.
- Failover added: calls one after the other to a server with a fake Ollama and a fake OpenAI behind it. Before each refused call the Ollama answers twice, so that its breaker stays closed, then its port is shut. The floor are whole answers of the OpenAI asked alone, in between. The receipts must name the refusal, or the open breaker.
- Hostile upstreams: one after another says whatever keeps a server busy (`tests/hostile/attacks.py`), and a process of its own asks for the server's health every 2 ms. The floor are the same checks of the server left alone.
- Worst mix: a pod of the manifest's memory, in a cgroup of that size where one can be made, gets compressed bombs, lists of nothing, texts above the limit, bodies that do not end and the largest requests at once (`tests/hostile/worst_mix.py`).
- Greedy: through one place, an upstream that waits 20 ms before each answer, and hosts with an address of their own each: six with one call after the other, alone (the floor) and then beside one with 200 calls at once. Those that are answered call again at once, those that are refused after a second.
- Half-open, outage and chaos judge no time. They run side by side, each with an upstream of its own.
- Half-open: six failures in a row open the breaker; 11.5 s later everybody calls at once, while the upstream takes three seconds to answer. It counts the requests.
- Outage: the primary reads each request and closes the connection without a byte; when all are out, each says 500. Requests are counted by the upstream and by RPC.
- Chaos: 32 callers, half of the calls streams, all three kinds first in turn, 3 % left by the caller, 3 % with a deadline of up to 200 ms. 6 % of the upstream requests get a fault, drawn from the rows of the policy table; those that hold a provider back for seconds are rarer, and those that block it for minutes are given, as often as the others, to 1 % of the calls, which go to twins of the providers, one for each such row. A status is proper if it has a typed reason other than an error of our own, an answer if it has all its tokens. The floor of its memory is a grpc.aio method that does nothing, under the same calls.
- Left behind: after 35 s at most no connection may be open that a chat used last. An Ollama is asked for its models every 5 s over two connections, each time the ones that were idle for longest (aiohttp's order), so some that chats opened stay in use; two more for each Ollama may, eight more where there is one. Then all slots are filled, and one stream more must be refused; a try in which one of those in the slots ended early says nothing, and is repeated twice at most.

## Commands
```
make bench                                                    # everything, and this page
.venv/bin/python -m tests.bench --quick                       # two minutes, rough
.venv/bin/python -m tests.bench --only paced-20 --only unary  # some rows
.venv/bin/python -m tests.bench --only hour                   # memory over an hour, by hand
.venv/bin/python -m tests.bench --ours --server-env GRPC_CPU_COUNT=1
.venv/bin/python -m tests.bench --floors --floor-option grpc.http2.bdp_probe=0
```
"""


def page(machine: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the whole page."""
    facts = "\n".join(f"- {line}" for line in machine)
    return f"{_HEAD}{facts}\n\n## Figures\n{markdown(rows)}\n{_TAIL}"
