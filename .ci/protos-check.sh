#!/usr/bin/env bash
# Lint, format and freshness of the contract, then its compatibility with the commit before.
# BUF_AGAINST names another commit or tag to be compatible with.
set -euo pipefail
against=${BUF_AGAINST:-HEAD~1}

.venv/bin/buf lint
.venv/bin/buf format --diff --exit-code
.venv/bin/pytest --quiet tests/architecture/test_generated_code.py
if git cat-file -e "$against:protos/llmsvc/v1/llm.proto" 2>/dev/null; then
    .venv/bin/buf breaking --against ".git#ref=$(git rev-parse "$against^{commit}")"
elif git rev-parse --quiet --verify "$against^{commit}" >/dev/null; then
    echo "buf breaking: skipped, $against holds no contract"
else
    echo "buf breaking: skipped, there is no commit $against"
fi
