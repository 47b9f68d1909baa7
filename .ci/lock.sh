#!/usr/bin/env bash
# Resolves pyproject.toml into hashed locks for every platform. They name no index host.
set -euo pipefail
dev=.ci/locks/dev.txt

compile() {
    .venv/bin/uv pip compile --quiet --no-config --universal --python-version 3.11 \
        --generate-hashes --no-header --upgrade "$@"
}

compile pyproject.toml --extra server --extra cli --group dev -o "$dev"
# What users get is held to the same versions, so that either lock may be laid over the other.
compile pyproject.toml --extra cli -c "$dev" -o .ci/locks/client.txt
compile pyproject.toml --extra server --extra cli -c "$dev" -o .ci/locks/server.txt
echo hatchling | compile - -c "$dev" -o .ci/locks/build.txt
