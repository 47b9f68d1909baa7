#!/usr/bin/env bash
# Lints what deploy/ holds. The tests in tests/deploy compare it with the server's own truth.
set -euo pipefail
oldest=1.34.0 # the first Kubernetes with every field that the manifests use
manifests=()
for file in deploy/kubernetes/base/*.yaml; do
    # A kustomization is an instruction to a tool: no API server has a schema for it.
    [[ $file == */kustomization.yaml ]] || manifests+=("$file")
done

.venv/bin/hadolint deploy/docker/Dockerfile
.venv/bin/yamllint --strict .
for version in "$oldest" ""; do # "" is the newest that the tool knows
    # A kind that it does not know is only a warning to it, with exit code 0: silence is required.
    if ! said=$(.venv/bin/kubernetes-validate --strict --quiet ${version:+-k "$version"} \
        "${manifests[@]}" 2>&1) || [[ -n $said ]]; then
        echo "$said" >&2
        exit 1
    fi
done
