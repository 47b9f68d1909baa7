#!/usr/bin/env bash
# Checks the shell scripts. Where the lock has no shellcheck (Linux on aarch64), one on PATH will do.
set -euo pipefail
PATH="$PWD/.venv/bin:$PATH"

if command -v shellcheck >/dev/null; then
    shellcheck .ci/run .ci/*.sh
elif [[ -z ${CI:-} ]]; then
    echo "shellcheck: skipped, the index has no build of it for this machine; install one"
else
    echo "shellcheck is missing: install it" >&2
    exit 1
fi
