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
- One server process in front of a fake Ollama of raw bytes, under a compiled load client, each in its own process, on loopback without TLS. Everything that a default start has on is on; only `max_chats` and `max_in_flight_per_model` are raised. At least one connection per 100 streams.
- Processor time is user and system time of the whole process from the kernel's own clock, read by the load client at both ends of its window. Two figures mean two passes, each from fresh processes, floor and ours in turn; the ratio is that of the means. What comes before a window is thrown away. A window in which other processes took over 5 % of a core is repeated once.
- Starts of streams are spread, phases are random, each token has a jitter of a fifth of its interval either way. The fake upstream sends each token by itself, to the microsecond.
- Floor of a unary call: a grpc.aio method on uvloop that does nothing, plus an aiohttp POST of the same answer. Floor of a token at pace: a bare grpc.aio stream on uvloop, one ready-made message per token, plus bare aiohttp reads. Of a token in bulk: one message of such a stream at full speed. Of memory: one process of uvloop, grpc.aio and aiohttp that relays without a look.
- First token: calls one after the other on an idle machine, 5 to 15 ms apart, the upstream waiting 2 ms before it answers. The caller's gRPC connection stands before the first call. Each start of the server gives 50 calls, the first one counted; of the direct calls the first of each process is left out.
- Cancel: 20 streams at a time, each left at a random point of its first 200 ms; the time is from the cancel to when the upstream saw its socket close.
- Memory slope: least squares over the last four fifths of the streams, one look a second, after 5,000 streams that do not count.

## Commands
```
make bench                                                    # everything, and this page
.venv/bin/python -m tests.bench --quick                       # a minute, rough
.venv/bin/python -m tests.bench --only paced-20 --only unary  # some rows
.venv/bin/python -m tests.bench --ours --server-env GRPC_CPU_COUNT=1
.venv/bin/python -m tests.bench --floors --floor-option grpc.http2.bdp_probe=0
```
"""


def page(machine: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the whole page."""
    facts = "\n".join(f"- {line}" for line in machine)
    return f"{_HEAD}{facts}\n\n## Figures\n{markdown(rows)}\n{_TAIL}"
