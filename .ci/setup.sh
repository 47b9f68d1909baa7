#!/usr/bin/env bash
# Makes .venv hold what .ci/locks/dev.txt names, and the project itself as an editable install.
set -euo pipefail
python=${1:?usage: setup.sh PYTHON}

echo "setup: installing the locked packages into .venv, about a minute the first time"
"$python" -m venv .venv
pip=(.venv/bin/python -m pip --quiet --disable-pip-version-check)
# The lock is complete. Resolving would ask the index again, where a newer release of a package
# that another names with an extra is enough to end it: pip 23 then looks beyond the lock.
"${pip[@]}" install --no-deps --require-hashes -r .ci/locks/dev.txt
"${pip[@]}" install --no-deps --no-build-isolation --no-index --editable .
"${pip[@]}" check
echo "setup: done"
