#!/usr/bin/env bash
# Writes everything that is generated from llm.proto below the folder given: stubs with their
# types, and the descriptor set with comments, imports, and the types of a status's details.
set -euo pipefail
out=${1:?usage: protos.sh FOLDER}

PATH="$PWD/.venv/bin:$PATH" # protoc looks for the mypy plugins there
packages=$(python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
mkdir -p "$out/llmsvc/v1"
python -m grpc_tools.protoc -Iprotos \
    --python_out="$out" --grpc_python_out="$out" \
    --mypy_out="quiet:$out" --mypy_grpc_out="quiet:$out" \
    protos/llmsvc/v1/llm.proto
# No import leads to google.rpc, and yet every error carries it: gateways look the types up here.
python -m grpc_tools.protoc -Iprotos -I"$packages" \
    --include_imports --include_source_info --descriptor_set_out="$out/llmsvc/v1/llm.binpb" \
    llmsvc/v1/llm.proto google/rpc/status.proto google/rpc/error_details.proto
