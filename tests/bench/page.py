"""The page docs/performance.md."""

from collections.abc import Sequence

from tests.bench.report import markdown, summary
from tests.bench.row import Row

_HEAD = """\
# Performance

Written by `make bench`, which takes half an hour. Its first part measures time and wants a machine that does nothing
else; how long it took is said below. Figures belong to the machine that made them; compare only what ran side by side.

## Machine
"""
_FIGURES = """\
`must` and `aim` are those of the design of both doors (issue 11); on `aio`, the door that works everywhere, `must` is
what was measured before it. {summary}

"""
_TAIL = """
## How it is measured
Everywhere
- One server process in front of a fake Ollama, OpenAI and Anthropic of raw bytes, under a compiled load client, each
  in its own process, on loopback without TLS. Everything that a default start has on is on; only `max_chats`,
  `max_in_flight_per_model` and the door are set. At least one connection per 100 streams, but where a row says one.
- Each row is there for both doors (`server.door`). `before` is an older server of another environment, if one is
  given.
- Processor time is user and system time of the whole process from the kernel's own clock, read by the load client at
  both ends of its window. What comes before a window is thrown away.

Processor time
- In turn: the server with either door, the floors and the relay run side by side, and each gets a window of two
  seconds in each round, so that what else the machine does hits all of them. There are three rounds, twice, the
  second time from fresh processes. Given are the median, the least and the most; judged is the median of the six
  ratios, each of two windows of the same round. What other processes took is noted.
- Starts of streams are spread, phases are random, each token has a jitter of a fifth of its interval either way. The
  fake upstream sends each token by itself, to the microsecond.
- Floor of a unary call: a grpc.aio method on uvloop that does nothing, plus an aiohttp POST of the same answer, each
  in a process of its own. Of a token at pace: a bare grpc.aio stream on uvloop, one ready-made message per token,
  plus bare aiohttp reads. Of a token in bulk: one message of such a stream at full speed.
- With tools and a history the floor's POST sends, as it is, the body that ours sent upstream last
  (`tests/bench/go/load/agent.go` says what callers send: 14 kB of tools, 20 kB of messages). Of a piece of a tool
  call: one message of a bare stream at full speed that holds as much, while ours reads the call from an OpenAI.
- Physical floor: one process with our door in the loop and our posts without a session, that relays without a look
  (`tests/bench/floors/physical.py`): no Python process can do less with these parts.
- Go relay: a small program of grpc-go and net/http that decodes each line and sends a message per token
  (`tests/bench/go/relay`); versions and hashes are in `tests/bench/go/go.mod` and `go.sum`.

First token, idle, memory, code
- First token: calls one after the other on an idle machine, 5 to 15 ms apart, the upstream waiting 2 ms before it
  answers. The caller's gRPC connection stands before the first call. Each start of a server gives 50 calls, the first
  one counted; of the direct calls, made between the starts, the first of each process is left out.
- Idle: both servers over the same minute, five seconds after they were ready; a catalogue is looked at every 5 s.
- Floor of memory: one process of uvloop, grpc.aio and aiohttp that relays without a look.
- Functions and frames: counted by a profiler inside a server of its own, run by the benchmark's own starter
  (`tests/bench/watched.py` says what is counted, `tests/bench/measures/frames.py` how older figures compare).
- Lines: what `wc -l` counts in both packages.

Ends, failures and hostile peers
- Cancel: 20 streams at a time, each left at a random point of its first 200 ms; the time is from the cancel to when
  the upstream saw its socket close.
- Drain: streams of eight seconds run when SIGTERM comes; each has to come to its own end with OK, and the process to
  its own with 0.
- Failover added: calls one after the other to a server with a fake Ollama and a fake OpenAI behind it. Before each
  refused call the Ollama answers twice, so that its breaker stays closed, then its port is shut. Held against whole
  answers of the OpenAI asked alone, in between. The receipts must name the refusal, or the open breaker.
- Hostile upstreams: one after another says whatever keeps a server busy (`tests/hostile/attacks.py`), and a process
  of its own asks for the server's health every 2 ms. Held against the same checks of the server left alone.
- Worst mix: a pod of the manifest's memory, in a cgroup of that size where one can be made, gets compressed bombs,
  lists of nothing, texts above the limit, bodies that do not end and the largest requests at once
  (`tests/hostile/worst_mix.py`).
- Greedy: through one place, an upstream that waits 20 ms before each answer, and hosts with an address of their own
  each: six with one call after the other, alone and then beside one with 200 calls at once. Those that are answered
  call again at once, those that are refused after a second.

What counts, and judges no time, comes last: half-open, outage and drain at the same time, then chaos and soak, each
door of each with an upstream of its own.
- Half-open: six failures in a row open the breaker; 11.5 s later everybody calls at once, while the upstream takes
  five seconds to answer. It counts the requests.
- Outage: the primary reads each request and closes the connection without a byte; when all are out, each says 500.
  Requests are counted by the upstream and by RPC.
- Chaos: 32 callers, half of the calls streams, all three kinds first in turn, 3 % left by the caller, 3 % with a
  deadline of up to 200 ms. 6 % of the upstream requests get a fault, drawn from the rows of the policy table; those
  that hold a provider back for seconds are rarer, and those that block it for minutes are given, as often as the
  others, to 1 % of the calls, which go to twins of the providers, one for each such row. A status is proper if it has
  a typed reason other than an error of our own, an answer if it has all its tokens.
- Memory under chaos: after a warm-up, the server and a grpc.aio method that does nothing get five windows each, in
  turn, of the same calls and the same length. After each, once idle connections were given up and garbage collected,
  both say how many bytes their allocators have handed out. Judged is the growth per call, the server's median window
  less the other's: a leak grows in each window, what is remembered up to a bound does not. What is resident is given
  but not judged: it wavers with how full pages are, by a MiB, which over 200,000 calls is five times what is allowed;
  over an hour (`--only hour`) it is judged.
- Memory under soak: resident bytes, least squares over the last four fifths of the streams, one look a second, after
  5,000 streams that do not count, held against the floor of memory under as many of the same streams: grpcio's heap
  grows where a write fails because its caller has just left.
- Left behind: after 35 s at most no connection may be open that a chat used last. An Ollama is asked for its models
  every 5 s over two connections, each time the ones that were idle for longest (aiohttp's order), so some that chats
  opened stay in use; two more for each Ollama may, eight more where there is one. Then all slots are filled, and one
  stream more must be refused; a try in which one of those in the slots ended early says nothing, and is repeated
  twice at most.

## Commands
```
make bench                                                    # everything, and this page
.venv/bin/python -m tests.bench --quick                       # some minutes, rough
.venv/bin/python -m tests.bench --only paced-20 --only unary  # some rows
.venv/bin/python -m tests.bench --only hour --door in_loop    # memory over an hour, by hand
.venv/bin/python -m tests.bench --only unary --before ../older/.venv/bin/llmsvc-server
.venv/bin/python -m tests.bench --ours --server-env GRPC_CPU_COUNT=1
.venv/bin/python -m tests.bench --floors --floor-option grpc.http2.bdp_probe=0
```
"""


def page(machine: Sequence[str], rows: Sequence[Row]) -> str:
    """Return the whole page."""
    facts = "\n".join(f"- {line}" for line in machine)
    figures = _FIGURES.format(summary=summary(rows))
    return f"{_HEAD}{facts}\n\n## Figures\n{figures}{markdown(rows)}\n{_TAIL}"
