#!/usr/bin/env bash
# Writes everything that is generated from llm.proto below the folder given: stubs with their
# types, and the descriptor set with comments and imports.
set -euo pipefail
out=${1:?usage: protos.sh FOLDER}

PATH="$PWD/.venv/bin:$PATH" # protoc looks for the mypy plugins there
mkdir -p "$out/llmsvc/v1"
python -m grpc_tools.protoc -Iprotos \
    --python_out="$out" --grpc_python_out="$out" \
    --mypy_out="quiet:$out" --mypy_grpc_out="quiet:$out" \
    protos/llmsvc/v1/llm.proto
buf build -o "$out/llmsvc/v1/llm.binpb"
