#!/usr/bin/env bash
# Builds what a person wants to call the server with into .tools/bin. With `tests` as its argument
# it also fetches what interop and live tests run, with the ordinary Go and npm clients: programs,
# and the packages of the two small clients to where those look. Quick where all is there.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bin=$PWD/.tools/bin

# path of the program, path of its module, version
programs=(
    "github.com/fullstorydev/grpcurl/cmd/grpcurl github.com/fullstorydev/grpcurl v1.9.4"
    "github.com/grpc-ecosystem/grpc-health-probe github.com/grpc-ecosystem/grpc-health-probe v0.4.62"
)
of_tests=(
    "google.golang.org/protobuf/cmd/protoc-gen-go google.golang.org/protobuf v1.36.12"
    "google.golang.org/grpc/cmd/protoc-gen-go-grpc google.golang.org/grpc/cmd/protoc-gen-go-grpc v1.6.2"
    "github.com/ollama/ollama github.com/ollama/ollama v0.10.1"
)

fail() {
    echo "tools: $*" >&2
    exit 1
}

need() { # a program, and what it is part of
    command -v "$1" >/dev/null || fail "$1 is missing: install $2, then try again"
}

installed() { # module and version, as the program itself tells
    go version -m "$bin/$1" 2>/dev/null | awk '$1 == "mod" {print $2, $3}'
}

need go "Go 1.26 or newer"
if [[ ${1:-} == tests ]]; then
    programs+=("${of_tests[@]}")
    need npm "Node.js 20 or newer with npm"
    read -r compiler _ <<<"$(go env CXX)" # flags may follow
    need "$compiler" "a C++ compiler, which ollama's engine is built with"
fi

mkdir -p "$bin"
for program in "${programs[@]}"; do
    read -r path module version <<<"$program"
    name=${path##*/}
    [[ $(installed "$name") == "$module $version" ]] && continue
    echo "tools: building $name $version"
    GOBIN=$bin go install "$path@$version" || fail "$name $version could not be built"
done

if [[ ${1:-} != tests ]]; then
    echo "tools: grpcurl and grpc-health-probe are in .tools/bin"
    exit
fi

go -C tests/interop/go mod download || fail "the Go client's modules could not be fetched"

node=tests/interop/node
if ! cmp --quiet "$node/package-lock.json" "$node/node_modules/.fetched"; then
    echo "tools: fetching the Node client's packages"
    npm --prefix "$node" ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null ||
        fail "the Node client's packages could not be fetched"
    cp "$node/package-lock.json" "$node/node_modules/.fetched"
fi
echo "tools: all there"
