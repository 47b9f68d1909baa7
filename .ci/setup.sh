#!/usr/bin/env bash
# Makes .venv hold what .ci/locks/dev.txt names, and the project itself as an editable install.
set -euo pipefail
python=${1:?usage: setup.sh PYTHON}

echo "setup: installing the locked packages into .venv, about a minute the first time"
"$python" -m venv .venv
pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)
"${pip[@]}" install --require-hashes -r .ci/locks/dev.txt
"${pip[@]}" install --no-deps --no-build-isolation --no-index --editable .
echo "setup: done"
