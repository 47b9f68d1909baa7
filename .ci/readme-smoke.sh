#!/usr/bin/env bash
# Does what the README's first screen says, as a person would: serve, ask after health, chat, stop.
set -euo pipefail
log=$(mktemp)

fail() {
    echo "readme-smoke: $*" >&2
    sed 's/^/  server: /' "$log" >&2
    exit 1
}

set -m # a background job of its own process group, in which Ctrl-C is not ignored
make run >"$log" 2>&1 &
job=$!
set +m
trap 'kill -KILL -- "-$job" 2>/dev/null || true; rm -f "$log"' EXIT

server_pid() { # of make's one child: recipes replace their shell
    local children
    children=$(cat "/proc/$job/task/$job/children" 2>/dev/null) || return 1
    [[ $children =~ ^([0-9]+)\ $ ]] && echo "${BASH_REMATCH[1]}"
}

for _ in $(seq 100); do
    kill -0 "$job" 2>/dev/null || fail "make run ended by itself"
    if .venv/bin/llmsvc health liveness >/dev/null 2>&1; then break; fi
    sleep 0.1
done
.venv/bin/llmsvc health liveness || fail "not alive within about 30 s"

answer=$(.venv/bin/llmsvc chat "Why is the sky blue?" </dev/null) || fail "llmsvc chat failed"
[[ -n $answer ]] || fail "llmsvc chat printed no answer"
echo "answer: ${answer:0:60}"

pid=$(server_pid) || fail "make run has no server of its own"
kill -INT "$pid"
code=0
wait "$job" || code=$?
[[ $code == 0 ]] || fail "the server ended with $code after SIGINT, not with 0"
echo "readme-smoke: served, answered, stopped"
