#!/usr/bin/env bash
# Resolves pyproject.toml into hashed locks for every platform. They name no index host.
set -euo pipefail

compile() {
    .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
        --generate-hashes --no-header --upgrade "$@"
}

compile pyproject.toml --extra cli -o .ci/locks/client.txt
compile pyproject.toml --extra server --extra cli -o .ci/locks/server.txt
compile pyproject.toml --extra server --extra cli --group dev -o .ci/locks/dev.txt
echo hatchling | compile - -o .ci/locks/build.txt
